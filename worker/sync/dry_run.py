"""What a sync would do, without doing it: the store is read, nothing is written, and Meta is not called."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, select

from worker.database import ledger
from worker.database.bulk import chunks
from worker.database.engine import database_now, reading
from worker.database.tables import schedule, shop
from worker.database.types import to_ms
from worker.errors import BadInput
from worker.items import prepare, prepare_volatile, source_fp
from worker.items.bitmap import Bitmap
from worker.items.diff import Change, Floors, Op, observe, observe_volatile, plan
from worker.stores.contract import Page, Store, UnreadableRecord
from worker.sync.absence import suspicious
from worker.sync.context import Context
from worker.sync.merge import Observation, seen_record, seen_volatile
from worker.sync.requests import JOBS

# Meta's floor for a catalog without traffic: 8 calls a minute.
_CALLS_PER_MINUTE: Final = 8
_SAMPLES: Final = 5
_DRY: Final = "dry-run"


@dataclass(slots=True)
class DryRun:
    """Counts as in a run, a few ids of each kind, and what sending them would cost at Meta's lowest quota.

    Attributes:
        would_be_held: Why a real run would remove nothing; None if it would go through.
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


def dry_run(context: Context, slug: str, job: str) -> DryRun:
    """Read the store as ``job`` does and say what it would find. Raises what the store raises."""
    if job not in JOBS:
        raise BadInput(f"There is no dry run of {job!r}.", action=f"Use one of {', '.join(JOBS)}.")
    with reading(context.engine) as connection:
        shop_row = connection.execute(select(shop).where(shop.c.slug == slug)).first()
        if shop_row is None:
            raise BadInput(f"There is no shop {slug!r}.", action="See 'celery -A worker shop list'.")
        since = connection.execute(
            select(schedule.c.watermark).where(schedule.c.shop_id == shop_row.id, schedule.c.job == job)
        ).scalar()
    found = DryRun(slug, job)
    seen = Bitmap()
    with closing(context.open_store(shop_row)) as store:
        cursor: str | None = None
        while True:
            page: Page[Any] = _page(store, job, since, cursor)
            found.pulled += len(page.records) + page.unidentified
            found.invalid += page.unidentified
            for part in chunks(page.records):
                _judge(context, shop_row, store, part, found, seen)
            context.progress(f"{found.pulled} items read")
            if page.last:
                break
            cursor = page.cursor
        if job == "full" and not page.unmodified:
            _judge_absent(context, shop_row, found, seen)
    sizes = (found.created + found.updated, found.removed)
    found.calls = sum(math.ceil(size / context.limits.batch_items) for size in sizes)
    found.seconds_at_least = math.ceil(found.calls / _CALLS_PER_MINUTE * 60)
    found.samples = {what: ids for what, ids in found.samples.items() if ids}
    return found


def _page(store: Store, job: str, since: str | None, cursor: str | None) -> Page[Any]:
    if job == "full":
        return store.full(cursor)
    return store.changed(since, cursor) if job == "delta" else store.volatile(since, cursor)


def _judge(context: Context, shop_row: Row[Any], store: Store, records: Any, found: DryRun, seen: Bitmap) -> None:
    first: dict[str, Any] = {}
    for record in records:
        first.setdefault(record.retailer_id, record)
    with reading(context.engine) as connection:
        known = ledger.known(connection, shop_row.id, list(first))
        now_ms = to_ms(database_now(connection))
    seed = context.seed(shop_row, store)
    floors = Floors(0, 0)
    stamp = shop_row.observation_seq + 1
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
            if row is not None and row.src_fp == src_fp:
                found.add("unchanged", retailer_id)
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
        _add(found, retailer_id, acked, change, now_ms, refused=refused)


def _add(found: DryRun, retailer_id: str, acked: Any, change: Change, now_ms: int, *, refused: bool) -> None:
    op = Op.DROP if change.want is None else plan(acked, change.want, now_ms)
    if op in (Op.DROP, Op.WAIT):
        if not refused:
            found.add("unchanged", retailer_id)
    elif op is Op.ARCHIVE:
        found.add("removed", retailer_id)
    else:
        found.add("created" if acked is None else "updated", retailer_id)


def _judge_absent(context: Context, shop_row: Row[Any], found: DryRun, seen: Bitmap) -> None:
    with reading(context.engine) as connection:
        live = ledger.live_count(connection, shop_row.id)
        for retailer_id, acknowledged, seq in ledger.numbered(connection, shop_row.id, shop_row.item_seq):
            if acknowledged and seq not in seen:
                found.add("removed", retailer_id)
    if suspicious(found.removed, live, found.pulled):
        found.would_be_held = f"{found.removed} of {live} items are missing from what the store returned."
