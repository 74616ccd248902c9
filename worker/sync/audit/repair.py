"""The second half of an audit: what seemed to differ is asked for by its ids, and what really does is repaired.

What is wrong at Meta is forgotten, half by half, so that the next observation of the item is a difference and is sent.
Where the store can look up single items, that observation is made at once; otherwise a full pull is asked for.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import structlog
from sqlalchemy import Connection, Row

from worker import failpoints
from worker.database import audits, issues, ledger
from worker.database.engine import database_now, reading, writing
from worker.database.issues import IssueRow
from worker.database.ledger import Known
from worker.database.locks import draw_stamp, hold
from worker.database.types import to_ms
from worker.errors import Permanent, Transient
from worker.items import source_fp
from worker.items.bitmap import Bitmap
from worker.items.breaker import thresholds
from worker.items.diff import observe_absent, plan, routed
from worker.items.drift import Drift, drift, read_back
from worker.items.findings import shown as quoted
from worker.items.states import ARCHIVED, Acked, Op, Want
from worker.sync.audit.listing import differing, rests
from worker.sync.audit.work import Audit, Product, ask, by_id, ids_of, moved, save
from worker.sync.breaker import Breaker
from worker.sync.context import Wake
from worker.sync.reading import PageReader
from worker.sync.slice import Pull
from worker.sync.waking import wake_lane

log = structlog.get_logger("shelfbeat.sync")

# Ids travel in the address of the call; 8 kB of it pass nearly everywhere.
_IDS: Final = 50
_ADDRESS_CHARS: Final = 4000

CODES: Final = tuple(f"drift.{kind}" for kind in ("missing", "hidden", "shown", "availability", "price"))


def repair_some(audit: Audit) -> Generator[Wake, None, bool]:
    """Ask for the next few items and repair what differs. Returns whether there were none left."""
    ids = _next(audit)
    if not ids:
        return True
    with reading(audit.context.engine) as connection:
        then = audits.moment(connection, audit.shop.id)
    failpoints.before("audit.5-confirm")
    products = _ask_for(audit, ids)
    failpoints.after("audit.5-confirm")
    if audit.partial:
        audit.add("pulled", len(products))
    could_wait = audit.progress.needs_full
    with writing(audit.context.engine, "audit.6-repair") as connection:
        shop_row = hold(connection, audit.lease)
        unsure = moved(connection, shop_row.id, then)
        unseen = _repair(audit, connection, shop_row, [key for key in ids if key not in unsure], products)
        audit.progress.after = ids[-1]
        audit.progress.needs_full = could_wait or bool(unseen)
        save(audit, connection)
        wakes = wake_lane(audit.context, connection, shop_row)
    yield from wakes
    if unseen:
        fetched = yield from _fetch(audit, unseen)
        audit.progress.needs_full = could_wait or not fetched
    return False


def _next(audit: Audit) -> list[str]:
    if audit.partial:
        with reading(audit.context.engine) as connection:
            scope = ids_of(audits.manifests(connection, audit.run.scope["batches"]))
        candidates = iter(sorted(key for key in scope if key > (audit.progress.after or "")))
    else:
        candidates = (suspect.retailer_id for suspect in differing(audit))
    chosen: list[str] = []
    room = _ADDRESS_CHARS
    for retailer_id in islice(candidates, _IDS):
        room -= len(quote(retailer_id)) + 10
        if chosen and room < 0:
            break
        chosen.append(retailer_id)
    return chosen


def _ask_for(audit: Audit, ids: list[str]) -> dict[str, Product]:
    found: dict[str, Product] = {}
    after = None
    while True:
        # Twice as many: of ids that differ in capitals alone Meta finds both.
        page = ask(audit, after, 2 * len(ids), ids)
        found |= by_id(page.products)
        after = page.after
        if after is None:
            return {key: found[key] for key in ids if key in found}


@dataclass(slots=True)
class _Repairs:
    """What a repair writes. ``unseen``: items that only an observation of the store brings back."""

    acked: dict[str, Acked] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    wants: dict[str, Want] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def _repair(
    audit: Audit, connection: Connection, shop_row: Row[Any], ids: list[str], products: Mapping[str, Product]
) -> list[str]:
    """Compare once more, now that nobody else writes, and correct what was believed of these items."""
    now = database_now(connection)
    now_ms = to_ms(now)
    repairs = _Repairs()
    equal: list[str] = []
    found: list[IssueRow] = []
    everything = ledger.known(connection, shop_row.id, ids)
    for retailer_id in ids:
        known = everything.get(retailer_id, ledger.UNKNOWN)
        if known.acked is None or (known.want is not None and not rests(known.want, now_ms)):
            continue
        product = products.get(retailer_id)
        shown = product and read_back(product, shop_row.currency, quantities=audit.quantities)
        kind = drift(known.acked, shown or None)
        if kind is None:
            equal.append(retailer_id)
        else:
            found.append(_issue(retailer_id, kind, product or {}))
            _correct(audit, repairs, retailer_id, kind, known, now_ms)
    audit.add("unchanged", len(equal))
    ledger.put_acknowledged(connection, shop_row.id, repairs.acked)
    ledger.forget(connection, shop_row.id, repairs.forgotten)
    ledger.put_wants(connection, shop_row.id, repairs.wants)
    ledger.drop_wants(connection, shop_row.id, repairs.dropped)
    issues.resolve(connection, shop_row.id, equal, ("diagnostics",), now)
    issues.record(connection, shop_row.id, found, now)
    return repairs.unseen


def _correct(audit: Audit, repairs: _Repairs, retailer_id: str, kind: Drift, known: Known, now_ms: int) -> None:
    acked, want = known
    if acked is None:
        return
    after = _corrected(acked, kind)
    if after is None:
        repairs.forgotten.append(retailer_id)
    else:
        repairs.acked[retailer_id] = after
    if kind == "shown":
        stamp = max(acked.content_stamp, acked.volatile_stamp)  # nothing new was seen: what is newer wins
        # The store may have it and hide it: only a complete pull knows whether it is gone.
        again = observe_absent(after, want, stamp=stamp, run_id=audit.run.id, now_ms=now_ms, status=ARCHIVED).want
        want = again or want
    if want is None:
        repairs.unseen.append(retailer_id)
        return
    want = routed(after, want, now_ms)
    op = plan(after, want, now_ms)
    if op in (Op.WAIT, Op.DROP):
        repairs.unseen.append(retailer_id)
        if after is None and (want.payload_id is None or want.volatile is None):
            repairs.dropped.append(retailer_id)  # it can only be created whole, and the next full has all of it
            return
    else:
        want = want._replace(**{"volatile_run" if op is Op.VOLATILE else "run_id": audit.run.id})
        audit.add("created" if after is None else "removed" if op is Op.ARCHIVE else "updated")
    repairs.wants[retailer_id] = want


def _corrected(acked: Acked, kind: Drift) -> Acked | None:
    """What may still be believed; the raw record is never among it, so that its next observation is a miss."""
    if kind == "missing":
        return None
    if kind in ("hidden", "shown"):
        return acked._replace(src_fp=0, state=acked.state ^ 1)
    return acked._replace(src_fp=0, volatile_fp=0)


def _fetch(audit: Audit, retailer_ids: list[str]) -> Generator[Wake, None, bool]:
    """Look these up in the store and merge what it says. Returns whether that was possible."""
    context = audit.context
    try:
        store = context.open_store(audit.shop)
    except (Transient, Permanent) as error:
        log.warning("audit.not_fetched", shop=audit.shop.slug, run=audit.run.id, error=str(error))
        return False
    with closing(store):
        with writing(context.engine, "audit.7-stamp") as connection:
            stamp = draw_stamp(connection, hold(connection, audit.lease))
        try:
            failpoints.before("audit.8-fetch")
            records = store.fetch(retailer_ids)
            failpoints.after("audit.8-fetch")
        except (Transient, Permanent) as error:
            log.warning("audit.not_fetched", shop=audit.shop.slug, run=audit.run.id, error=str(error))
            return False
        if records is None:
            return False
        seed = context.seed(audit.shop, store)
        misses = {record.retailer_id: (source_fp(record.raw, seed), record) for record in records}
        # Every pull of these items is judged by the breaker. Here they are what somebody changed at Meta.
        unjudged = Breaker(audit.run.id, "audit", thresholds(audit.shop.limits), 0, lambda: 0, read=0)
        pull = Pull(context, audit.lease, audit.shop, audit.run, store, Bitmap(), None, None, unjudged)
        yield from PageReader(pull).observe(misses, stamp, {}, len(misses))
    return True


_SET_BACK: Final = (
    "Shelfbeat sets it back. If somebody changes the catalog at Meta, by hand or with another tool, make the change in "
    "the store instead."
)


def _issue(retailer_id: str, kind: Drift, product: Product) -> IssueRow:
    action = _SET_BACK
    if kind == "missing":
        message = "Meta no longer has this item, although it confirmed it."
        action = "Shelfbeat creates it again. To remove an item for good, remove it in the store."
    elif kind == "hidden":
        message = "Meta hides this item, although it should be on sale."
    elif kind == "shown":
        message = "Meta shows this item again, although the store no longer has it."
    else:
        price, availability = quoted(product.get("price")), quoted(product.get("availability"))
        what = "price, sale or quantity is" if kind == "price" else "availability is"
        message = f"Meta shows this item at {price}, {availability}; its {what} not what Meta confirmed."
    return IssueRow(retailer_id, "diagnostics", f"drift.{kind}", "warning", message, action, "merchant")
