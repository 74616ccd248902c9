"""An audit at work: what it holds in memory, and how that is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Row

from worker.database import audits, budgets, orphans, run_state
from worker.database.audits import Moment
from worker.database.engine import database_now
from worker.database.locks import Lease
from worker.graph import ProductPage
from worker.items.bitmap import Bitmap
from worker.items.drift import QUANTITY_BIT
from worker.sync.context import Context
from worker.sync.manifest import unpack

Product = Mapping[str, Any]
"""One item as Meta lists it, in the names in which it returns fields."""

# Meta names no most for a page of a listing; where it asks for less, the page is halved.
_PAGE: Final = 500


class Progress(msgspec.Struct):
    """How far an audit is; kept in the run's ``cursor``.

    Attributes:
        after: In the listing, Meta's cursor; in the repair, the last retailer_id that is done with.
        page: Items to ask for at once.
        listed: Items listed so far.
        compared, differing: Of the items listed, those that could be compared, and those that seemed to differ.
        orphans: Items listed that nobody here knows.
        quantities: Some item was listed with a quantity, so the listing shows them.
        restarts: How often Meta forgot the cursor.
        needs_full: Something was forgotten that only a full pull brings back.
    """

    phase: Literal["listing", "repair"] = "listing"
    after: str | None = None
    page: int = _PAGE
    listed: int = 0
    compared: int = 0
    differing: int = 0
    orphans: int = 0
    quantities: bool = False
    restarts: int = 0
    needs_full: bool = False


class Sightings:
    """Two bits per item number: listed, and seemed to differ."""

    def __init__(self, data: bytes | None = None) -> None:
        self._bits = Bitmap(data)

    def see(self, seq: int) -> None:
        self._bits.add(2 * seq)

    def suspect(self, seq: int) -> None:
        self._bits.add(2 * seq + 1)

    def listed(self, seq: int) -> bool:
        return 2 * seq in self._bits

    def suspected(self, seq: int) -> bool:
        return 2 * seq + 1 in self._bits

    def __bytes__(self) -> bytes:
        return bytes(self._bits)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Meta's listing being read and compared.

    Attributes:
        shop: Its row as the reading began.
        item_mark: The highest item number before the first page: what is newer may be missing from the listing.
        counts, orphans: What was counted and found unknown, and is not yet committed with the progress.
        used_pct: What Meta said last of the read quota; None: nothing.
    """

    context: Context
    shop: Row[Any]
    item_mark: int
    progress: Progress = field(default_factory=Progress)
    seen: Sightings = field(default_factory=Sightings)
    counts: dict[str, int] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    used_pct: int | None = None

    @property
    def quantities(self) -> bool:
        """Whether an item listed without a quantity has none."""
        return self.progress.quantities or not self.shop.fields_sent & QUANTITY_BIT

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


@dataclass(slots=True, kw_only=True)
class Audit(Comparison):
    """One slice of a run. ``run`` is its row as the slice began."""

    lease: Lease
    run: Row[Any]

    @property
    def partial(self) -> bool:
        """Whether only some items are audited."""
        return self.run.scope is not None


def begin(context: Context, lease: Lease, shop_row: Row[Any], run: Row[Any]) -> Audit:
    """Go on where the run's row says."""
    fresh = Progress(phase="listing" if run.scope is None else "repair")
    progress = fresh if run.cursor is None else msgspec.json.decode(run.cursor, type=Progress)
    return Audit(
        context=context,
        shop=shop_row,
        item_mark=run.item_mark,
        progress=progress,
        seen=Sightings(run.seen),
        lease=lease,
        run=run,
    )


def save(audit: Audit, connection: Connection) -> None:
    """Write down the progress with the bits and counts that belong to it, as one. Progress ends all retrying."""
    now = database_now(connection)
    run_state.change(
        connection,
        audit.run.id,
        cursor=msgspec.json.encode(audit.progress).decode(),
        seen=bytes(audit.seen),
        starts=0,
        retries=0,
        retry_since=None,
        deadline=now + run_state.PATIENCE["pulling"],
    )
    run_state.count(connection, audit.run.id, audit.counts)
    orphans.see(connection, audit.shop.id, audit.orphans, audit.run.started_at)
    if "calls" in audit.counts:
        budgets.succeeded(connection, budgets.reads(audit.shop.catalog_id), now, audit.used_pct)
    audit.counts.clear()
    audit.orphans.clear()
    audit.used_pct = None


def moved(connection: Connection, shop_id: int, since: Moment) -> set[str]:
    """Items that had an outcome since: what Meta showed then is no evidence about them."""
    return ids_of(audits.settled_since(connection, shop_id, since))


def ids_of(manifests: Iterable[bytes]) -> set[str]:
    return {line.retailer_id for manifest in manifests for line in unpack(manifest)}


def ask(audit: Comparison, after: str | None, limit: int, retailer_ids: Sequence[str] | None = None) -> ProductPage:
    """One page of Meta's listing."""
    page = audit.context.sender(audit.shop).products(audit.shop.catalog_id, after, limit, retailer_ids=retailer_ids)
    audit.add("calls")
    audit.used_pct = page.usage.used_pct if page.usage is not None else None
    if any(product.get("quantity_to_sell_on_facebook") is not None for product in page.products):
        audit.progress.quantities = True
    return page


def by_id(listed: Iterable[Product]) -> dict[str, Product]:
    """Items under the merchant's id; what has none is none of ours."""
    return {str(product["retailer_id"]): product for product in listed if product.get("retailer_id")}
