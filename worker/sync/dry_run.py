"""What a sync would do, without doing it: the store is read, nothing is written, and Meta is not called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Final

from sqlalchemy import Connection, Row, literal, select

from worker.database import ledger
from worker.database.bulk import chunks
from worker.database.engine import database_now, reading
from worker.database.tables import schedule, shop
from worker.database.types import to_ms
from worker.errors import BadInput
from worker.items import prepare, prepare_volatile, source_fp
from worker.items.bitmap import Bitmap
from worker.items.breaker import thresholds
from worker.items.diff import observe, observe_volatile, plan
from worker.items.states import BY_RULES, Acked, Change, Floors, Op, Want
from worker.stores.contract import Page, Store, UnreadableRecord
from worker.sync.absence import absent, why_held
from worker.sync.breaker import Breaker, kinds_of
from worker.sync.context import Context
from worker.sync.merge import Observation, seen_record, seen_volatile
from worker.sync.requests import PULLS

# Meta's floor for a catalog without traffic: 8 calls a minute.
_CALLS_PER_MINUTE: Final = 8
_SAMPLES: Final = 5
_DRY: Final = "dry-run"


@dataclass(slots=True)
class DryRun:
    """Counts as in a run, a few ids of each kind, and what sending them would cost at Meta's lowest quota.

    Attributes:
        would_be_held: Why a real run would be held, as a sentence; None if it would go through.
    """

    shop: str
    job: str
    pulled: int = 0
    invalid: int = 0
    unchanged: int = 0
    created: int = 0
    updated: int = 0
    removed: int = 0
    calls: int = 0
    seconds_at_least: int = 0
    samples: dict[str, list[str]] = field(default_factory=dict)
    would_be_held: str | None = None

    def add(self, what: str, retailer_id: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        sample = self.samples.setdefault(what, [])
        if what != "unchanged" and len(sample) < _SAMPLES:
            sample.append(retailer_id)

    def estimate(self, batch_items: int) -> None:
        """What it would cost to send what was found."""
        sizes = (self.created + self.updated, self.removed)
        self.calls = sum(math.ceil(size / batch_items) for size in sizes)
        # The calls of the first minute may all go at once.
        self.seconds_at_least = max(0, math.ceil((self.calls - _CALLS_PER_MINUTE) / _CALLS_PER_MINUTE * 60))
        self.samples = {what: ids for what, ids in self.samples.items() if ids}


def dry_run(context: Context, slug: str, job: str, instead: Mapping[str, Any] | None = None) -> DryRun:
    """Read the store as ``job`` does and say what it would find. Raises what the store raises.

    Args:
        instead: Columns of the shop's row with the values to try in their place, such as another mapping.
    """
    if job not in PULLS:
        raise BadInput(f"There is no dry run of {job!r}.", action=f"Use one of {', '.join(PULLS)}.")
    with reading(context.engine) as connection:
        shop_row = _shop(connection, slug, instead or {})
        if shop_row is None:
            raise BadInput(f"There is no shop {slug!r}.", action="See 'celery -A worker shop list'.")
        since = connection.execute(
            select(schedule.c.watermark).where(schedule.c.shop_id == shop_row.id, schedule.c.job == job)
        ).scalar()
    found = DryRun(slug, job)
    seen = Bitmap()
    with closing(context.open_store(shop_row)) as store:
        breaker = _breaker(context, shop_row, store, job)
        cursor: str | None = None
        while True:
            page: Page[Any] = _page(store, job, since, cursor)
            breaker.read += len(page.records) + page.unidentified
            found.pulled += len(page.records) + page.unidentified
            found.invalid += page.unidentified
            for part in chunks(page.records):
                _judge(context, shop_row, store, part, found, seen, breaker)
            context.progress(f"{found.pulled} items read")
            if page.last:
                break
            cursor = page.cursor
            if page.pause_s:
                # A command in the foreground: nothing else waits for this process, and Ctrl-C ends it.
                Event().wait(page.pause_s)
        missing = None
        if job == "full" and not page.unmodified:
            missing = _judge_absent(context, shop_row, found, seen, breaker.thresholds.missing)
        found.would_be_held = " ".join(filter(None, (*breaker.reasons(), missing))) or None
    found.estimate(context.limits.batch_items)
    return found


def _shop(connection: Connection, slug: str, instead: Mapping[str, Any]) -> Row[Any] | None:
    columns = [
        literal(instead[column.name], column.type).label(column.name) if column.name in instead else column
        for column in shop.c
    ]
    return connection.execute(select(*columns).where(shop.c.slug == slug)).first()


def _page(store: Store, job: str, since: str | None, cursor: str | None) -> Page[Any]:
    if job == "full":
        return store.full(cursor)
    return store.changed(since, cursor) if job == "delta" else store.volatile(since, cursor)


def _breaker(context: Context, shop_row: Row[Any], store: Store, job: str) -> Breaker:
    def live() -> int:
        with reading(context.engine) as connection:
            return ledger.live_count(connection, shop_row.id)

    judged = kinds_of(job, same_seed=context.seed(shop_row, store) == shop_row.seed)
    return Breaker(_DRY, job, thresholds(shop_row.limits), judged, live, read=0)


def _judge(
    context: Context,
    shop_row: Row[Any],
    store: Store,
    records: Any,
    found: DryRun,
    seen: Bitmap,
    breaker: Breaker,
) -> None:
    first: dict[str, Any] = {}
    for record in records:
        first.setdefault(record.retailer_id, record)
    with reading(context.engine) as connection:
        known = ledger.known(connection, shop_row.id, list(first))
        now_ms = to_ms(database_now(connection))
    seed = context.seed(shop_row, store)
    floors = Floors(0, 0)
    stamp = shop_row.observation_seq + 1
    wants: dict[str, tuple[Acked | None, Want | None, Want]] = {}
    for retailer_id, record in first.items():
        acked, want = known.get(retailer_id, ledger.UNKNOWN)
        row = want or acked
        if row is not None:
            if row.seq in seen:
                continue
            seen.add(row.seq)
        if found.job == "volatile":
            prepared = prepare_volatile(retailer_id, record.fields, shop_row.currency)
            change = observe_volatile(acked, want, seen_volatile(stamp, prepared), floors, run_id=_DRY, now_ms=now_ms)
            if row is None:
                continue
            refused = not prepared.volatile_ok
        else:
            src_fp = source_fp(record.raw, seed)
            gated = want is not None and want.gate_run is not None
            if row is not None and row.src_fp == src_fp and not gated:
                by_rules = want is not None and BY_RULES in (want.content_quarantine, want.volatile_quarantine)
                found.add("invalid" if by_rules else "unchanged", retailer_id)
                continue
            try:
                whole = prepare(retailer_id, store.fields(record), shop_row.currency)
            except UnreadableRecord:
                found.add("invalid", retailer_id)
                continue
            seen_now = seen_record(stamp, Observation(src_fp, whole))
            change = observe(acked, want, seen_now, floors, seq=0, run_id=_DRY, now_ms=now_ms)
            refused = not (whole.content_ok and whole.volatile_ok)
        if refused:
            found.add("invalid", retailer_id)
        if change.want is not None:
            wants[retailer_id] = acked, want, change.want
        _add(found, retailer_id, acked, change, now_ms, refused=refused)
    breaker.judge(wants, stamp, len(records))


def _add(found: DryRun, retailer_id: str, acked: Any, change: Change, now_ms: int, *, refused: bool) -> None:
    op = Op.DROP if change.want is None else plan(acked, change.want, now_ms)
    if op in (Op.DROP, Op.WAIT):
        if not refused:
            found.add("unchanged", retailer_id)
    elif op is Op.ARCHIVE:
        found.add("removed", retailer_id)
    else:
        found.add("created" if acked is None else "updated", retailer_id)


def _judge_absent(context: Context, shop_row: Row[Any], found: DryRun, seen: Bitmap, most_missing: float) -> str | None:
    """Why a real run would be held for what is missing, as a sentence; None: it would not."""
    missing = 0
    for part, shown in absent(context, shop_row.id, shop_row.item_seq, seen):
        for retailer_id in part if shown else ():
            found.add("removed", retailer_id)
            missing += 1
    return why_held(context, shop_row.id, missing, seen, found.pulled, most_missing)
