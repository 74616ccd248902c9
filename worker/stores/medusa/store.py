"""Medusa as a store. What its timestamps miss decides how it is read.

Measured on Medusa 2.21: a price moves the variant's ``updated_at`` and not the product's; stock and orders move that of
the stock level alone, which no list can be asked for; pictures, categories, sales channels and price lists move none.
A deleted variant or product stays as a tombstone. So ``changed`` asks variants and products, sweeps the stock and reads
the tombstones, ``volatile`` trusts no time, and what moves nothing is found by ``full``.

All lists are read by offset and sorted by id; Medusa's ids begin with the time, so new rows come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from worker.errors import BadInput
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
from worker.stores.medusa.api import Api, Json, Params
from worker.stores.medusa.item import Options, item_fields, sold_fields
from worker.stores.medusa.prices import Market, Offer
from worker.stores.medusa.queries import CHANGED_PRODUCT, GONE, ITEM, SOLD, STOCK, fields
from worker.stores.medusa.shop import Shop, read_shop
from worker.stores.offsets import Position, Rows, next_rows
from worker.stores.payload import decode

ITEMS_TAKE = 500
SOLD_TAKE = 1000
STOCK_TAKE = 1000
PRODUCTS_TAKE = 20
OVERLAP = timedelta(minutes=10)

# The lists that a delta reads, each followed by the next.
_CHANGED: Mapping[str, str | None] = {"variants": "products", "products": "stock", "stock": "gone", "gone": None}


class Medusa:
    """One Medusa shop. See ``worker.stores.contract.Store``.

    Args:
        config: With a value for every option that has a default.
        transport: Takes the place of the network in tests.
    """

    version = 1
    one_export = False
    ids_unique = True

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._config = config
        self._options = Options.of(config)
        self._api = Api(config, transport)
        self._shop: Shop | None = None

    def full(self, cursor: str | None) -> Page[Record]:
        position = _position(cursor, "full")
        shop, watermark = self._begin(cursor)
        found = self._rows("product-variants", position, ITEMS_TAKE, [fields(ITEM)])
        return _page(_records(found.rows, shop), found.following, watermark)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        """Changed variants, variants of changed products, variants whose stock changed, then what was deleted."""
        if watermark is None:
            return self.full(cursor)
        since = _instant(watermark) - OVERLAP
        position = _position(cursor, *_CHANGED)
        shop, fresh = self._begin(cursor)
        found, rows, gone = self._changes(position, since)
        following = _CHANGED[position.phase]
        next_position = found.following or (Position(phase=following) if following else None)
        return _page(_records(rows, shop), next_position, fresh, gone)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        position = _position(cursor, "volatile")
        shop, _ = self._begin(cursor)
        found = self._rows("product-variants", position, SOLD_TAKE, [fields(SOLD)])
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for variant in found.rows:
            name = variant["id"]
            try:
                values = sold_fields(variant, shop.market, shop.locations, shop.offer(name))
                records.append(VolatileRecord(name, values))
            except UnreadableRecord as error:
                notices.append(Notice(name, "record.unreadable", str(error), "Correct this variant in Medusa."))
        following = found.following
        return Page(records, following.text() if following else None, following is None, notices=notices)

    def fields(self, record: Record) -> Fields:
        try:
            variant, beside = (decode(part) for part in record.raw.split(b"\n"))
            market, offer = Market(**beside["market"]), Offer(**beside["offer"])
        except (ValueError, TypeError, KeyError) as error:
            raise UnreadableRecord("The variant cannot be read.") from error
        return item_fields(variant, market, beside["locations"], offer, self._options)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        shop, _ = self._begin("")
        return list(_records(self._by_id(sorted(set(retailer_ids))), shop))

    def close(self) -> None:
        self._api.close()

    def _begin(self, cursor: str | None) -> tuple[Shop, str | None]:
        """What applies to all variants; on a pull's first page also the store's clock, before anything else."""
        if cursor is None or self._shop is None:
            self._api.clock = None
            self._shop = read_shop(self._api, self._config)
        clock = self._api.clock if cursor is None else None
        return self._shop, _text(clock) if clock else None

    def _changes(self, position: Position, since: datetime) -> tuple[Rows, Sequence[Json], Sequence[str]]:
        """One page of one list of a delta: its rows, the variants that it is about, and ids that are gone."""
        if position.phase == "variants":
            moved = [("updated_at[$gte]", _text(since)), fields(ITEM)]
            found = self._rows("product-variants", position, ITEMS_TAKE, moved, whole=False)
            return found, found.rows, ()
        if position.phase == "gone":
            # Deleted with their product or alone. Medusa's list of variants knows no deleted ones.
            deleted = [("with_deleted", "true"), ("variants[deleted_at][$gte]", _text(since)), fields(GONE)]
            found = self._rows("products", position, ITEMS_TAKE, deleted, whole=False)
            return found, (), [name for row in found.rows for name, at in _variants(row, "deleted_at") if at]
        if position.phase == "products":
            moved = [("updated_at[$gte]", _text(since)), fields(CHANGED_PRODUCT)]
            found = self._rows("products", position, PRODUCTS_TAKE, moved, whole=False)
            rows = found.rows
        else:
            found = self._rows("inventory-items", position, STOCK_TAKE, [fields(STOCK)])
            rows = [row for row in found.rows if _restocked(row, since)]
        # Variants that changed themselves have come already.
        ids = {name for row in rows for name, at in _variants(row, "updated_at") if not _since(at, since)}
        return found, list(self._by_id(sorted(ids))), ()

    def _rows(self, path: str, position: Position, take: int, params: Params, *, whole: bool = True) -> Rows:
        def read(offset: int, count: int) -> tuple[Sequence[Json], int]:
            listing = self._api.listing(path, params, offset, count)
            return listing.rows, listing.total

        return next_rows(read, path.replace("-", " "), position, take, whole=whole)

    def _by_id(self, ids: Sequence[str]) -> Iterable[Json]:
        return self._api.by_id("product-variants", [fields(ITEM)], ids)


def _records(variants: Iterable[Json], shop: Shop) -> Iterator[Record]:
    """One record per variant: itself with its product, and what it is read with, as JSON, one per line."""
    for variant in variants:
        beside = {
            "market": asdict(shop.market),
            "locations": shop.locations,
            "offer": asdict(shop.offer(variant["id"])),
        }
        yield Record(variant["id"], b"\n".join((msgspec.json.encode(variant), msgspec.json.encode(beside))))


def _page(
    records: Iterable[Record], following: Position | None, watermark: str | None, gone: Sequence[str] = ()
) -> Page[Record]:
    text = following.text() if following else None
    return Page(list(records), text, following is None, watermark, gone=gone)


def _position(cursor: str | None, *phases: str) -> Position:
    """Raises ``CursorExpired`` for a cursor of another pull."""
    position = Position.read(cursor, phases[0])
    if position.phase not in phases:
        raise CursorExpired
    return position


def _variants(row: Json, member: str) -> Iterator[tuple[str, Any]]:
    """The ids of the variants that a row is about, each with one of its members."""
    variants = row.get("variants")
    for variant in variants if isinstance(variants, list) else ():
        if isinstance(variant, dict) and isinstance(variant.get("id"), str):
            yield variant["id"], variant.get(member)


def _restocked(row: Json, since: datetime) -> bool:
    levels = row.get("location_levels")
    rows = levels if isinstance(levels, list) else ()
    return any(isinstance(level, dict) and _since(level.get("updated_at"), since) for level in rows)


def _since(moved: Any, since: datetime) -> bool:
    # Both in Medusa's own form, UTC with milliseconds, so they compare as text.
    return isinstance(moved, str) and moved >= since.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(watermark: str) -> datetime:
    try:
        return datetime.strptime(watermark, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput("The watermark is not one of a Medusa store.") from None
