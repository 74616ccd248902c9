"""Shopify as a store: the catalog by export, its changes by three lists, prices and stock of all variants.

``full`` has Shopify make an export, because paging 100,000 variants would empty the bucket of points for an hour and an
export costs ten. ``changed`` asks for products, variants, inventory items and, where the app may read them, inventory
levels by ``updated_at``: none of them is said to move with all of the others. ``volatile`` pages through small catalogs
(2 points a variant of the 2,000 that are there at once, and no waiting for an export), and has an export made of larger
ones. What is deleted leaves no list that names variants (``deletionEvents`` has products only and is deprecated,
``events`` promises none), so ``full`` finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx

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
from worker.stores.payload import decode
from worker.stores.shopify.api import Api
from worker.stores.shopify.exports import ExportFile, Exports
from worker.stores.shopify.item import Options, item_fields, number_of, sku_of, sold_fields
from worker.stores.shopify.lists import Lists
from worker.stores.shopify.place import Place
from worker.stores.shopify.queries import (
    CHANGED_LEVELS,
    CHANGED_PRODUCTS,
    CHANGED_STOCK,
    COUNT,
    SCOPES,
    Documents,
)
from worker.stores.shopify.records import Listed, exported

PAGED_VARIANTS = 2_000
"""Up to this many, ``volatile`` pages: two buckets' worth of points, which take less time than an export may."""
SOLD_FIRST = 250
"""What Shopify gives at most in one page."""
VARIANTS_FIRST = 60
CHANGED_FIRST = 25
STOCK_FIRST = 50
EXPORT_RECORDS = 1_000
OVERLAP = timedelta(minutes=10)
LEVELS_SCOPES = frozenset({"read_inventory", "read_locations"})
"""What an app needs to be told of changed inventory levels; without, stock comes with the volatile pull alone."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 30.0
_BUSY_PAUSE_S, _BUSY_TIMES = 30.0, 120
_EVERY_STATUS = "status:active,archived,draft,unlisted"

R = TypeVar("R", Record, VolatileRecord)


class Shopify:
    """One Shopify shop. See ``worker.stores.contract.Store``.

    Args:
        config: With a value for every option that has a default.
        transport: Takes the place of the network in tests.
    """

    version = 2
    # True of the exports. What is paged counts as old as its pull's beginning, too, which is careful: it never wins
    # against something newer, and what it loses comes again with the next pull.
    one_export = True
    ids_unique = True

    def __init__(
        self,
        config: StoreConfig,
        documents: Documents,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = config.url
        self._options = Options.of(config)
        self._documents = documents
        self._api = Api(config, transport)
        self._exports = Exports(config, self._api, transport)
        self._fallback = config.currency
        self._currency: str | None = None
        self._begun = False
        self._lists = Lists(self._api)
        self._listed = Listed(self._lists, documents)
        self._file: tuple[str, ExportFile] | None = None
        self._finished = False

    def full(self, cursor: str | None) -> Page[Record]:
        place = Place.read(cursor, ("start", "wait", "file")) if cursor is not None else None
        watermark = self._begin(cursor)
        if place is None or place.phase != "file":
            return self._exporting(place, self._documents.export_items, watermark)
        export = self._open(place)
        records: list[Record] = []
        for number, product in export.roots(place.count):
            if len(records) >= EXPORT_RECORDS:
                return Page(records, place.text(), last=False)
            records.extend(exported(export, product, self._currency))
            place = replace(place, count=number)
        self._finished = True
        return Page(records, None, last=True)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        """Products that changed with all their variants, then variants and stock that changed without it."""
        if watermark is None:
            return self.full(cursor)
        since = _text(_instant(watermark) - OVERLAP)
        phases = ("products", "owned", "variants", "stock", "levels")
        place = Place.read(cursor, phases) if cursor is not None else Place("products")
        fresh = self._begin(cursor)
        following: Place | None = None
        variants: Sequence[dict[str, Any]] = ()
        if place.phase == "products":
            query = f"updated_at:>='{since}' {_EVERY_STATUS}"
            found = self._lists.page(CHANGED_PRODUCTS, "products", query, CHANGED_FIRST, place.after)
            ids = tuple(filter(None, (number_of(node.get("id")) for node in found.nodes)))
            place = Place("owned", ids=ids, then=found.after)
        if place.phase == "owned":
            after = None
            if place.ids:
                query = f"product_ids:{','.join(place.ids)}"
                owned = self._lists.page(
                    self._documents.variants, "productVariants", query, VARIANTS_FIRST, place.after
                )
                variants, after = owned.nodes, owned.after
            behind = Place("products", after=place.then) if place.then else Place("variants")
            following = replace(place, after=after) if after else behind
        elif place.phase == "variants":
            query = f"updated_at:>='{since}'"
            found = self._lists.page(self._documents.variants, "productVariants", query, VARIANTS_FIRST, place.after)
            variants = [node for node in found.nodes if not _moved(node.get("product"), since)]
            following = replace(place, after=found.after) if found.after else Place("stock")
        else:
            items, following = self._changed_stock(place, f"updated_at:>='{since}'")
            variants = self._lists.nodes(self._documents.variants_by_id, list(_still(items, since)), VARIANTS_FIRST)
        return self._page(self._listed.records(variants, self._currency), following, fresh)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        place = Place.read(cursor, ("start", "wait", "file", "sold")) if cursor is not None else None
        self._begin(cursor)
        if place is None and self._count() <= PAGED_VARIANTS:
            place = Place("sold")
        if place is None or place.phase in ("start", "wait"):
            return self._exporting(place, self._documents.export_sold, None)
        following: Place | None = None
        if place.phase == "sold":
            found = self._lists.page(self._documents.sold, "productVariants", None, SOLD_FIRST, place.after)
            nodes = list(found.nodes)
            following = replace(place, after=found.after) if found.after else None
        else:
            nodes = []
            for number, variant in self._open(place).roots(place.count):
                if len(nodes) >= EXPORT_RECORDS:
                    following = place
                    break
                nodes.append(variant)
                place = replace(place, count=number)
            self._finished = following is None
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for variant in nodes:
            name = number_of(variant.get("id"))
            if not name:
                records.append(VolatileRecord("", {}))
                continue
            try:
                sold = sold_fields(variant, self._currency, self._options)
                records.append(VolatileRecord(name, sold | sku_of(variant)))
            except UnreadableRecord as error:
                notices.append(Notice(name, "record.unreadable", str(error), "Correct this variant in Shopify."))
        return self._page(records, following, None, notices)

    def fields(self, record: Record) -> Fields:
        try:
            product, variant, currency = (decode(part) for part in record.raw.split(b"\n"))
        except ValueError as error:
            raise UnreadableRecord("The variant cannot be read.") from error
        return item_fields(product, variant, currency, self._options)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        if not self._begun:
            self._begin(None)
        ids = [f"gid://shopify/ProductVariant/{one}" for one in retailer_ids if one.isascii() and one.isdigit()]
        variants = self._lists.nodes(self._documents.variants_by_id, ids, VARIANTS_FIRST)
        return self._listed.records(variants, self._currency)

    def close(self) -> None:
        if self._file is not None:
            number, export = self._file
            export.close()
            if self._finished:
                self._exports.discard(number)
        self._exports.close()
        self._api.close()

    def _changed_stock(self, place: Place, query: str) -> tuple[Sequence[dict[str, Any]], Place | None]:
        """Inventory items that changed, or of which a level did, and what to read next."""
        if place.phase == "stock":
            found = self._lists.page(CHANGED_STOCK, "inventoryItems", query, STOCK_FIRST, place.after)
            if found.after:
                return found.nodes, replace(place, after=found.after)
            return found.nodes, Place("levels") if self._scopes() >= LEVELS_SCOPES else None
        names = "locations", "inventoryLevels"
        found, location = self._lists.nested(CHANGED_LEVELS, names, query, STOCK_FIRST, place.after, place.then)
        items = [item for level in found.nodes if isinstance(item := level.get("item"), dict)]
        if found.after:
            return items, replace(place, after=found.after)
        return items, Place("levels", then=location) if location else None

    def _begin(self, cursor: str | None) -> str | None:
        """Read what applies to all variants; on a pull's first page also the store's clock, before anything else."""
        if cursor is not None and self._begun:
            return None
        data = self._api.ask(self._documents.shop)
        if self._documents.location and not isinstance(data.get("location"), dict):
            raise StoreRefused(
                f"{display(self._url)} knows no such location.", action="Correct the shop's option stock_location."
            )
        shop = data.get("shop")
        currency = shop.get("currencyCode") if isinstance(shop, dict) else None
        self._currency = currency if isinstance(currency, str) and currency else self._fallback
        self._begun = True
        return _text(self._api.clock) if self._api.clock and cursor is None else None

    def _scopes(self) -> frozenset[str]:
        """What our app may do. To write includes to read, which Shopify then need not list."""
        app = self._api.ask(SCOPES).get("currentAppInstallation")
        held = app.get("accessScopes") if isinstance(app, dict) else None
        names = [one.get("handle") for one in held if isinstance(one, dict)] if isinstance(held, list) else []
        return frozenset(name.replace("write_", "read_", 1) for name in names if isinstance(name, str))

    def _count(self) -> int:
        """The number of variants; above ``PAGED_VARIANTS`` it is not exact."""
        found = self._api.ask(COUNT, {"limit": PAGED_VARIANTS + 1}).get("productVariantsCount")
        count = found.get("count") if isinstance(found, dict) else None
        return count if isinstance(count, int) else PAGED_VARIANTS + 1

    def _exporting(self, place: Place | None, document: str, watermark: str | None) -> Page[Any]:
        """Have an export made, or see how far it is: a page without records that asks to wait."""
        count = place.count + 1 if place else 0
        if place is None or place.phase == "start":
            number = self._exports.start(document)
            if number is None and count >= _BUSY_TIMES:
                raise StoreIncomplete(
                    "Shopify has been busy with other exports of this app for an hour.",
                    action="Look for what else runs bulk operations in this shop with our app.",
                )
            if number is None:
                return Page((), Place("start", count=count).text(), False, watermark, pause_s=_BUSY_PAUSE_S)
            return Page((), Place("wait", number).text(), False, watermark, pause_s=_FIRST_PAUSE_S)
        export = self._exports.ready(place.export)
        if export is None:
            pause_s = min(_FIRST_PAUSE_S * 1.5 ** min(count, 20), _LONGEST_PAUSE_S)
            return Page((), replace(place, count=count).text(), False, pause_s=pause_s)
        self._file = place.export, self._exports.fetch(place.export, export)
        return Page((), Place("file", place.export).text(), False)

    def _open(self, place: Place) -> ExportFile:
        """The export's copy, fetched again where this machine has none."""
        if self._file is not None and self._file[0] == place.export:
            return self._file[1]
        export = self._exports.find(place.export)
        if export is None:
            ready = self._exports.ready(place.export)
            if ready is None:
                raise CursorExpired
            export = self._exports.fetch(place.export, ready)
        self._file = place.export, export
        return export

    def _page(
        self, records: Sequence[R], following: Place | None, watermark: str | None, notices: Sequence[Notice] = ()
    ) -> Page[R]:
        cursor = following.text() if following else None
        pause_s = self._api.pause_s if following else 0.0
        named = [record for record in records if record.retailer_id]
        nameless = len(records) - len(named)
        if nameless:
            notices = [*notices, Notice("", "id.missing", f"Shopify gives {nameless} variants without an id.", "")]
        return Page(named, cursor, cursor is None, watermark, notices=notices, unidentified=nameless, pause_s=pause_s)


def _still(items: Sequence[dict[str, Any]], since: str) -> Iterator[str]:
    """Variants of these inventory items that the lists of products and variants did not have."""
    for item in items:
        variants = item.get("variants")
        nodes = variants.get("nodes") if isinstance(variants, dict) else None
        for variant in nodes if isinstance(nodes, list) else ():
            if isinstance(variant, dict) and not _moved(variant, since) and not _moved(variant.get("product"), since):
                yield str(variant.get("id"))


def _moved(node: Any, since: str) -> bool:
    moved = node.get("updatedAt") if isinstance(node, dict) else None
    try:
        return isinstance(moved, str) and datetime.fromisoformat(moved) >= datetime.fromisoformat(since)
    except (TypeError, ValueError):
        return False


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(watermark: str) -> datetime:
    try:
        return datetime.strptime(watermark, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput("The watermark is not one of a Shopify store.") from None
