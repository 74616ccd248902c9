"""Vendure as a store. What its timestamps miss decides how it is read.

Measured on Vendure 3.7: a price or a stock level moves only the variant's ``updatedAt``, an order moves neither the
variant's nor the product's, and deleted rows vanish without a trace. So ``changed`` asks products and variants,
``volatile`` reads every variant and trusts no timestamp, and absence is found by ``full``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from worker.errors import BadInput, StoreIncomplete, StoreRefused
from worker.stores.contract import Fields, Notice, Page, Record, StoreConfig, UnreadableRecord, VolatileRecord
from worker.stores.http import display
from worker.stores.offsets import ANCHORS, Position, Rows, next_rows
from worker.stores.payload import decode
from worker.stores.vendure.api import Api, unknown_channel
from worker.stores.vendure.item import Options, item_fields, sku_of, sold_fields
from worker.stores.vendure.queries import VARIANTS, Documents

MOST = 100
"""Rows of one request. Vendure refuses more than ``adminListQueryLimit``: 1,000 unless a shop sets less."""
PRODUCTS_TAKE = 50
SOLD_TAKE = MOST - ANCHORS
OVERLAP = timedelta(minutes=10)
_MOST_DIGITS = 8


class Vendure:
    """One channel of a Vendure shop. See ``worker.stores.contract.Store``.

    Args:
        config: With a value for every option that has a default.
        transport: Takes the place of the network in tests.
    """

    version = 2
    one_export = False
    ids_unique = True

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self._channel = config.options.get("channel")
        self._options = Options.of(config)
        self._documents = Documents(self._options.compare_at, self._options.stock_location)
        self._api = Api(config, transport)
        self._settings: dict[str, Any] | None = None

    def full(self, cursor: str | None) -> Page[Record]:
        watermark = self._begin(cursor)
        found = self._rows(self._documents.products, "products", Position.read(cursor), PRODUCTS_TAKE)
        return self._page(found.rows, found.following, watermark)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        """First the products that changed, then those of which only a variant did."""
        if watermark is None:
            return self.full(cursor)
        fresh = self._begin(cursor)
        since = _text(_instant(watermark) - OVERLAP)
        filters = {"updatedAt": {"after": since}}
        position = Position.read(cursor, "products")
        if position.phase == "products":
            found = self._rows(self._documents.products, "products", position, PRODUCTS_TAKE, filters)
            return self._page(found.rows, found.following or Position(phase="variants"), fresh)
        found = self._rows(VARIANTS, "productVariants", position, PRODUCTS_TAKE, filters)
        stale = {str(row.get("productId")) for row in found.rows if not _changed_after(row.get("product"), since)}
        return self._page(self._products(sorted(stale)), found.following, fresh)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        self._begin(cursor)
        found = self._rows(self._documents.sold, "products", Position.read(cursor), SOLD_TAKE)
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for product in found.rows:
            for variant in _variants(product):
                name = str(variant["id"])
                try:
                    sold = sold_fields(variant, self._known(), self._options)
                    records.append(VolatileRecord(name, sold | sku_of(variant)))
                except UnreadableRecord as error:
                    notices.append(Notice(name, "record.unreadable", str(error), "Correct this variant in Vendure."))
        following = found.following
        nameless = sum(map(_nameless, found.rows))
        return Page(
            records,
            following.text() if following else None,
            following is None,
            notices=notices + _unseen(nameless),
            unidentified=nameless,
        )

    def fields(self, record: Record) -> Fields:
        try:
            product, variant, settings = (decode(part) for part in record.raw.split(b"\n"))
        except ValueError as error:
            raise UnreadableRecord("The variant cannot be read.") from error
        return item_fields(product, variant, settings, self._options)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        if self._settings is None:
            self._begin(None)
        wanted = set(retailer_ids)
        products: set[str] = set()
        for some in _chunks(sorted(wanted), SOLD_TAKE):
            options = {"take": len(some), "filter": {"id": {"in": some}}}
            products.update(
                str(row.get("productId")) for row in self._api.listing(VARIANTS, "productVariants", options).items
            )
        return [record for record in self._records(self._products(sorted(products))) if record.retailer_id in wanted]

    def close(self) -> None:
        self._api.close()

    def _begin(self, cursor: str | None) -> str | None:
        """Read what applies to all variants; on a pull's first page also the store's clock, before anything else."""
        if cursor is not None and self._settings is not None:
            return None
        data, clock = self._api.ask(self._documents.settings)
        channel, everywhere = data.get("activeChannel"), data.get("globalSettings")
        # Vendure answers for its default channel when it does not know the one that was asked for.
        if self._channel and not (isinstance(channel, dict) and channel.get("token") == self._channel):
            raise unknown_channel(display(self._url))
        location = data.get("stockLocation")
        if self._options.stock_location and not isinstance(location, dict):
            raise StoreRefused(
                f"{display(self._url)} knows no such stock location.",
                action="Correct the shop's option stock_location.",
            )
        everywhere = everywhere if isinstance(everywhere, dict) else {}
        server = everywhere.get("serverConfig")
        digits = server.get("moneyStrategyPrecision") if isinstance(server, dict) else None
        if digits is not None and (type(digits) is not int or not 0 <= digits <= _MOST_DIGITS):
            raise StoreIncomplete(f"{display(self._url)} does not say in which unit it counts money.")
        self._settings = {
            "track": everywhere.get("trackInventory"),
            "threshold": everywhere.get("outOfStockThreshold"),
            "digits": digits,
        }
        return _text(clock) if clock and cursor is None else None

    def _rows(
        self, query: str, name: str, position: Position, take: int, filters: Mapping[str, Any] | None = None
    ) -> Rows:
        def read(skip: int, count: int) -> tuple[Sequence[dict[str, Any]], int]:
            options = {"skip": skip, "take": count, "sort": {"id": "ASC"}, "filter": dict(filters or {})}
            if name == "products":
                listing = self._api.products(query, options)
            else:
                listing = self._api.listing(query, name, options)
            return listing.items, listing.total

        return next_rows(read, name, position, take, whole=not filters, most=MOST)

    def _known(self) -> dict[str, Any]:
        return self._settings or {}

    def _products(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for some in _chunks(ids, PRODUCTS_TAKE):
            options = {"take": len(some), "sort": {"id": "ASC"}, "filter": {"id": {"in": some}}}
            rows.extend(self._api.products(self._documents.products, options).items)
        return rows

    def _records(self, products: Sequence[dict[str, Any]]) -> Iterator[Record]:
        """One record per variant: product, variant and settings as JSON, one per line."""
        settings = msgspec.json.encode(self._known())
        for product in products:
            shared = msgspec.json.encode({name: value for name, value in product.items() if name != "variants"})
            for variant in _variants(product):
                yield Record(str(variant["id"]), b"\n".join((shared, msgspec.json.encode(variant), settings)))

    def _page(
        self, products: Sequence[dict[str, Any]], following: Position | None, watermark: str | None
    ) -> Page[Record]:
        nameless = sum(map(_nameless, products))
        return Page(
            list(self._records(products)),
            following.text() if following else None,
            following is None,
            watermark,
            notices=_unseen(nameless),
            unidentified=nameless,
        )


def _variants(product: dict[str, Any]) -> Iterator[dict[str, Any]]:
    variants = product.get("variants")
    return filter(_has_id, variants if isinstance(variants, list) else ())


def _nameless(product: dict[str, Any]) -> int:
    """How many variants of this product cannot be told from one another; a product without a list of them counts 1."""
    variants = product.get("variants")
    return sum(not _has_id(variant) for variant in variants) if isinstance(variants, list) else 1


def _has_id(variant: Any) -> bool:
    name = variant.get("id") if isinstance(variant, dict) else None
    return isinstance(name, str | int) and not isinstance(name, bool) and name != ""


def _unseen(nameless: int) -> list[Notice]:
    if not nameless:
        return []
    return [
        Notice(
            "", "records.unseen", f"Vendure gives {nameless} variants without an id, so nothing is taken for gone.",
            "Look for a plugin that changes how variants are read.",
        )
    ]  # fmt: skip


def _chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def _changed_after(product: Any, since: str) -> bool:
    # Both in Vendure's own form, UTC with milliseconds, so they compare as text.
    moved = product.get("updatedAt") if isinstance(product, dict) else None
    return isinstance(moved, str) and moved > since


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _instant(watermark: str) -> datetime:
    try:
        return datetime.strptime(watermark, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput("The watermark is not one of a Vendure store.") from None
