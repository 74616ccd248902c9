"""The first half of an audit: what Meta lists, compared with what it confirmed. Nothing about an item is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from worker import failpoints
from worker.database import audits, ledger, run_state
from worker.database.engine import database_now, reading
from worker.database.types import to_ms
from worker.items.drift import drift, read_back
from worker.items.states import Want
from worker.sync.audit.work import Comparison, ask, by_id, moved

# More than a tenth and at least ten items missing, or more than half and at least ten different: more likely the
# listing, or our reading of it, is wrong than the catalog.
_SHARE: Final = 0.10
_HALF: Final = 0.5
_AT_LEAST: Final = 10

# Of the orphans of a catalog that another tool fills, so many are remembered.
_ORPHANS: Final = 10_000

_WALK: Final = 5000


def read_page(audit: Comparison) -> bool:
    """Ask for the next page of the listing and mark what it shows. Returns whether it was the last."""
    context, progress = audit.context, audit.progress
    with reading(context.engine) as connection:
        then = audits.moment(connection, audit.shop.id)
    failpoints.before("audit.2-list")
    page = ask(audit, progress.after, progress.page)
    failpoints.after("audit.2-list")
    products = by_id(page.products)
    audit.add("pulled", len(products))
    progress.listed += len(products)
    with reading(context.engine) as connection:
        known = ledger.known(connection, audit.shop.id, list(products))
        unsure = moved(connection, audit.shop.id, then)
        now_ms = to_ms(database_now(connection))
    for retailer_id, product in products.items():
        acked, want = known.get(retailer_id, ledger.UNKNOWN)
        shown = read_back(product, audit.shop.currency, quantities=audit.quantities)
        if acked is None:
            if want is None and retailer_id not in unsure and shown.archived is not True:
                _orphan(audit, retailer_id)
            continue
        if audit.seen.listed(acked.seq):
            continue  # on two pages: the listing shifted while it was read
        audit.seen.see(acked.seq)
        if retailer_id in unsure or (want is not None and not rests(want, now_ms)):
            continue
        progress.compared += 1
        if drift(acked, shown) is None:
            audit.add("unchanged")
        else:
            progress.differing += 1
            audit.seen.suspect(acked.seq)
    progress.after = page.after
    return page.after is None


def rests(want: Want, now_ms: int) -> bool:
    """Whether a pending row says nothing against comparing what Meta confirmed: it waits for a day to come or for new
    data, and nothing of it is under way or in doubt. One that is due is sent anyway."""
    waits = want.due_at > now_ms + run_state.WAITING_MS
    return waits and want.batch_id is None and want.gate_run is None and not want.uncertain


class Suspect(NamedTuple):
    """An acknowledged item that seemed to differ, or that a complete listing lacks. ``archived``: so we believe."""

    retailer_id: str
    listed: bool
    archived: bool


def differing(audit: Comparison) -> Iterator[Suspect]:
    """By id, behind the last one that was repaired."""
    after = (audit.progress.after or "") if audit.progress.phase == "repair" else ""
    while True:
        with reading(audit.context.engine) as connection:
            rows = audits.walk(connection, audit.shop.id, after, _WALK)
        if not rows:
            return
        after = rows[-1].retailer_id
        for retailer_id, seq, state in rows:
            archived = bool(state & 1)
            if audit.seen.suspected(seq):
                yield Suspect(retailer_id, True, archived)
            elif not archived and seq <= audit.item_mark and not audit.seen.listed(seq):
                yield Suspect(retailer_id, False, archived)


def disbelief(audit: Comparison) -> str | None:
    """Why a complete listing is not believed, as a sentence; None if it is.

    Many items may really be gone. Then Meta counts as few as it lists, and to create them anew does no harm.
    """
    progress = audit.progress
    if progress.differing >= _AT_LEAST and progress.differing > progress.compared * _HALF:
        return (
            f"Meta shows {progress.differing:,} of {progress.compared:,} items otherwise than it confirmed them, which "
            "is more likely a misunderstanding than a change, so nothing was repaired. Compare some of them in "
            "Commerce Manager with 'item'."
        )
    missing = sum(not suspect.listed for suspect in differing(audit))
    with reading(audit.context.engine) as connection:
        live = ledger.live_count(connection, audit.shop.id)
    if missing < _AT_LEAST or missing <= live * _SHARE:
        return None
    failpoints.before("audit.4-count")
    counted = audit.context.sender(audit.shop).catalog(audit.shop.catalog_id).product_count
    failpoints.after("audit.4-count")
    if counted is not None and counted - progress.listed < missing / 2:
        return None
    return (
        f"Meta lists {progress.listed:,} items and counts {'none' if counted is None else format(counted, ',')}; "
        f"{missing:,} of the {live:,} that it shows were not among them. The listing is not believed, and nothing was "
        "repaired. The next audit looks again."
    )


def _orphan(audit: Comparison, retailer_id: str) -> None:
    audit.progress.orphans += 1
    if audit.progress.orphans <= _ORPHANS:
        audit.orphans.append(retailer_id)
