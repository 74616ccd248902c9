"""WooCommerce as a store. What its lists can be asked decides how it is read.

Products and their variations are lists of their own, sorted by id, without cursors. Measured on WooCommerce 11: title,
price, stock and an order move the change time of the product too, also where they change a variation only; a trashed
product is listed under ``status=trash``; one that is deleted for good, and a deleted variation, leave no trace. So
``changed`` asks products alone, ``volatile`` trusts no time, and absence is found by ``full``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from worker.errors import BadInput, StoreIncomplete, StoreRefused
from worker.stores.contract import (
    CursorExpired,
    Fields,
    Notice,
    Page,
    Record,
    StoreConfig,
    UnreadableRecord,
    VolatileRecord,
)
from worker.stores.http import display
from worker.stores.offsets import ANCHORS, Position
from worker.stores.payload import decode
from worker.stores.woocommerce.api import MOST, Api
from worker.stores.woocommerce.item import (
    PRODUCT_FIELDS,
    SOLD_FIELDS,
    VARIATION_FIELDS,
    Options,
    item_fields,
    sellable,
    sku_of,
    sold_fields,
)
from worker.stores.woocommerce.lists import Lists, NoSuchList

TAKE = MOST - ANCHORS
PARENTS_TAKE = 5
"""Variable products whose variations are asked for one product at a time, per page."""
OVERLAP = timedelta(minutes=10)

# The lists that a pull reads, each followed by the next. "parents" are variable products, whose variations are asked
# for product by product: what changed is known of products only, and WooCommerce before 10.3 has no other list.
_WHOLE: Mapping[str, str | None] = {"products": "variations", "variations": None, "parents": None}
_CHANGED: Mapping[str, str | None] = {"products": "parents", "parents": "trash", "trash": None}

_UNSEEN = "WooCommerce counts more products or variations than it shows us, so nothing is taken for gone."
_LOOK = "Look for a product that cannot be opened, or a plugin that hides some from the REST API."

Json = dict[str, Any]
_Pair = tuple[Json | None, Json | None]
"""A product and one of its variations; None where there is none, or it is not needed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What one page of a list brought."""

    pairs: Sequence[_Pair]
    following: Position | None
    unseen: int = 0
    gone: Sequence[str] = ()


class WooCommerce:
    """One WooCommerce shop. See ``worker.stores.contract.Store``.

    Args:
        config: With a value for every option that has a default.
        transport: Takes the place of the network in tests.
    """

    version = 2
    one_export = False
    ids_unique = True

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._config = config
        self._wants_tax = config.options["prices"] == "with_tax"
        self._options = Options.of(config)
        self._api = Api(config, transport)
        self._lists = Lists(self._api)
        self._currency: str | None = None
        self._begun = False

    def full(self, cursor: str | None) -> Page[Record]:
        found, watermark = self._read(cursor, _WHOLE)
        return self._page(found, watermark)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        """Changed products with all their variations, then what went to the trash."""
        if watermark is None:
            return self.full(cursor)
        since = (_instant(watermark) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S")
        filters = {"modified_after": since, "dates_are_gmt": "true"}
        found, fresh = self._read(cursor, _CHANGED, filters)
        return self._page(found, fresh)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        found, _ = self._read(cursor, _WHOLE, slim=True)
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for product, variation in found.pairs:
            thing = variation or product or {}
            name = str(thing.get("id"))
            try:
                records.append(VolatileRecord(name, sold_fields(thing, self._currency) | sku_of(thing)))
            except UnreadableRecord as error:
                notices.append(Notice(name, "record.unreadable", str(error), "Correct this product in WooCommerce."))
        following = found.following
        return Page(
            records,
            following.text() if following else None,
            following is None,
            notices=notices + _unseen(found),
            unidentified=found.unseen,
        )

    def fields(self, record: Record) -> Fields:
        try:
            product, variation, settings = (decode(part) for part in record.raw.split(b"\n"))
        except ValueError as error:
            raise UnreadableRecord("The product cannot be read.") from error
        return item_fields(product, variation, settings["currency"], self._options)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        """None before WooCommerce 10.3: it finds a variation only by its product."""
        self._begin()
        wanted = set(retailer_ids)
        try:
            variations, unseen = self._lists.by_id("variations", VARIATION_FIELDS, wanted)
        except NoSuchList:
            return None
        rest = wanted - {str(row["id"]) for row in variations}
        products, unopened = self._lists.by_id("products", PRODUCT_FIELDS, rest)
        if unseen or unopened:
            raise StoreIncomplete(_UNSEEN, action=_LOOK)
        pairs: list[_Pair] = [(product, None) for product in products if product.get("type") != "variable"]
        owned, strange = self._with_parents(variations)
        if strange:
            raise StoreIncomplete(_UNSEEN, action=_LOOK)
        return list(self._records([*pairs, *owned]))

    def close(self) -> None:
        self._api.close()

    def _begin(self) -> None:
        """Read, once, what holds for all products."""
        if self._begun:
            return
        currency = self._config.options.get("currency")
        if currency is None:
            currency = self._api.setting("general/woocommerce_currency") or self._config.currency
        taxed = self._api.setting("tax/woocommerce_prices_include_tax") if self._wants_tax else None
        if currency is None or (self._wants_tax and taxed is None):
            # Says what is wrong with the key, if something is.
            self._api.listing("products", {"per_page": "1", "_fields": "id"})
        place = display(self._config.url)
        if currency is None:
            raise StoreRefused(
                f"{place} does not tell us its currency.",
                action="Give the shop a currency, or a key of a user who may read the shop's settings.",
            )
        if self._wants_tax and taxed != "yes":
            raise StoreRefused(
                f"{place} keeps its prices without tax, or does not tell us how it keeps them.",
                action="Enter prices with tax in WooCommerce, or give the shop the option prices=as_stored.",
            )
        self._currency, self._begun = currency, True

    def _read(
        self,
        cursor: str | None,
        order: Mapping[str, str | None],
        filters: Mapping[str, str] | None = None,
        *,
        slim: bool = False,
    ) -> tuple[_Found, str | None]:
        """One page of a pull: from the first list on that has something left. With a first page the watermark."""
        position = Position.read(cursor, "products")
        if position.phase not in order:
            raise CursorExpired
        if cursor is None:
            self._api.clock = None
        self._begin()
        unseen = 0
        while True:
            found = self._list(position, filters or {}, slim=slim)
            next_list = order[position.phase]
            following = found.following or (Position(phase=next_list) if next_list else None)
            # What changed is no whole list, and may grow in front of us while we read.
            unseen += 0 if filters else found.unseen
            if found.pairs or found.gone or following is None or following.phase == position.phase:
                clock = self._api.clock if cursor is None else None
                return _Found(found.pairs, following, unseen, found.gone), _text(clock) if clock else None
            position = following

    def _list(self, position: Position, filters: Mapping[str, str], *, slim: bool) -> _Found:
        own_names = (*SOLD_FIELDS, "sku") if slim else VARIATION_FIELDS
        if position.phase == "products":
            names = (*SOLD_FIELDS, "sku", "type") if slim else PRODUCT_FIELDS
            rows = self._lists.rows("products", position, TAKE, filters, names)
            pairs: list[_Pair] = [(row, None) for row in rows.rows if row.get("type") != "variable"]
            return _Found(pairs, rows.following, rows.unseen)
        if position.phase == "variations":
            try:
                rows = self._lists.rows("variations", position, TAKE, filters, own_names)
            except NoSuchList:
                return _Found((), Position(phase="parents"))
            if slim:
                return _Found([(None, row) for row in rows.rows], rows.following, rows.unseen)
            pairs, strange = self._with_parents(rows.rows)
            return _Found(pairs, rows.following, rows.unseen + strange)
        if position.phase == "parents":
            names = ("id",) if slim else PRODUCT_FIELDS
            rows = self._lists.rows("products", position, PARENTS_TAKE, {**filters, "type": "variable"}, names)
            pairs, unseen = [], rows.unseen
            for row in rows.rows:
                variations, hidden = self._lists.variations_of(row, own_names)
                pairs += [(row, own) for own in variations]
                unseen += hidden
            return _Found(pairs, rows.following, unseen)
        trashed = {**filters, "status": "trash"}
        rows = self._lists.rows("products", position, PARENTS_TAKE, trashed, ("id", "type", "variations"))
        return _Found((), rows.following, gone=[name for row in rows.rows for name in self._trashed(row)])

    def _trashed(self, product: Json) -> Iterator[str]:
        """The ids of a trashed product: its own, and those of its variations, which go to the trash with it."""
        yield str(product["id"])
        if product.get("type") == "variable":
            known = product.get("variations")
            yield from (str(one) for one in known if isinstance(one, int)) if isinstance(known, list) else ()
            yield from (str(row["id"]) for row in self._lists.variations_of(product, ("id",), "trash")[0])

    def _with_parents(self, variations: Sequence[Json]) -> tuple[list[_Pair], int]:
        """Variations with their products, and how many do not tell whose they are.

        One without a product is left over from a product that is variable no more, and no item.
        """
        owned = [row for row in variations if type(row.get("parent_id")) is int]
        found, unseen = self._lists.by_id("products", PRODUCT_FIELDS, {str(row["parent_id"]) for row in owned})
        parents = {row["id"]: row for row in found if row.get("type") == "variable"}
        untyped = {row["id"] for row in found if not isinstance(row.get("type"), str)}
        strange = unseen + len(variations) - len(owned) + sum(row["parent_id"] in untyped for row in owned)
        return [(parents[row["parent_id"]], row) for row in owned if row["parent_id"] in parents], strange

    def _records(self, pairs: Sequence[_Pair]) -> Iterator[Record]:
        """One record per item: product, variation or null, and settings as JSON, one per line."""
        settings = msgspec.json.encode({"currency": self._currency})
        for product, variation in pairs:
            own = variation or product or {}
            parts = (msgspec.json.encode(product), msgspec.json.encode(variation), settings)
            yield Record(str(own["id"]), b"\n".join(parts))

    def _page(self, found: _Found, watermark: str | None) -> Page[Record]:
        following = found.following
        left_out = {str(one.get("type")) for one, own in found.pairs if one and own is None and not sellable(one)}
        notices = [
            Notice(
                "",
                f"product.type.{name}",
                f'Products of the type "{name}" are left out: the shop does not sell them as items of their own.',
                "Nothing, if that is meant; otherwise make them simple or variable products.",
            )
            for name in sorted(left_out)
        ]
        return Page(
            list(self._records(found.pairs)),
            following.text() if following else None,
            following is None,
            watermark,
            gone=found.gone,
            notices=notices + _unseen(found),
            unidentified=found.unseen,
        )


def _unseen(found: _Found) -> list[Notice]:
    return [Notice("", "records.unseen", _UNSEEN, _LOOK)] if found.unseen else []


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(watermark: str) -> datetime:
    try:
        return datetime.strptime(watermark, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput("The watermark is not one of a WooCommerce store.") from None
