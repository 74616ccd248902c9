"""A merchant's store in memory, with pages, a change log that forgets deletions, and a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from worker.errors import StoreIncomplete, Transient
from worker.stores.contract import Fields, Page, Record, VolatileRecord

VOLATILE = ("price", "sale_price", "availability", "quantity_to_sell_on_facebook")


class Shelf:
    """What the merchant offers. ``page_size`` is small, so that a pull has many pages.

    Attributes:
        failing: How many of the next pages the store does not answer.
        failures: What the pages after these answer instead, last first.
        shown: The ids that a faulty store leaves in its listings; None: all.
        cut: A faulty store ends its listings without the last page.
        was_without: Ids that the store did not have at some time since they were first put.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.items: dict[str, dict[str, Any]] = {}
        self.changed_at: dict[str, float] = {}
        self.page_size = 4
        self.failing = 0
        self.failures: list[Exception] = []
        self.shown: frozenset[str] | None = None
        self.cut = False
        self.was_without: set[str] = set()
        self.one_export = False
        self.on_page: Callable[[str], None] = lambda _: None

    def put(self, retailer_id: str, **fields: Any) -> None:
        """Add an item, or change some fields of it; None removes a field."""
        item = self.items.setdefault(retailer_id, plain(retailer_id))
        for name, value in fields.items():
            if value is None:
                item.pop(name, None)
            else:
                item[name] = value
        if set(fields) - set(VOLATILE) or not fields:
            self.changed_at[retailer_id] = self._clock()

    def remove(self, retailer_id: str) -> None:
        self.items.pop(retailer_id, None)
        self.was_without.add(retailer_id)

    def offered(self) -> dict[str, dict[str, Any]]:
        """What Meta should show: valid items that are not hidden; one without a price is sold out."""
        return {key: item for key, item in self.items.items() if item.get("status") != "archived" and item.get("title")}

    def open(self) -> OpenShelf:
        return OpenShelf(self)


def plain(retailer_id: str) -> dict[str, Any]:
    return {
        "title": f"Item {retailer_id}",
        "description": "A thing for the house.",
        "availability": "in stock",
        "condition": "new",
        "price": "10.00 USD",
        "link": f"https://shop.test/p/{retailer_id}",
        "image_link": f"https://shop.test/i/{retailer_id}.jpg",
        "brand": "Plain",
    }


class OpenShelf:
    """The adapter. Its cursor is the last id of the page before: nothing shifts."""

    version = 1
    ids_unique = True

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.one_export = shelf.one_export

    def full(self, cursor: str | None) -> Page[Record]:
        return self._page(lambda: sorted(self._shelf.items), cursor, lambda key: Record(key, self._raw(key)))

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        since = float(watermark or 0)

        def keys() -> list[str]:
            return [key for key in sorted(self._shelf.items) if self._shelf.changed_at[key] >= since]

        return self._page(keys, cursor, lambda key: Record(key, self._raw(key)))

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        def slim(key: str) -> VolatileRecord:
            item = self._shelf.items[key]
            return VolatileRecord(key, {name: item[name] for name in (*VOLATILE, "sku") if name in item})

        return self._page(lambda: sorted(self._shelf.items), cursor, slim)

    def fields(self, record: Record) -> Fields:
        fields: Fields = json.loads(record.raw)
        return fields

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        return None

    def close(self) -> None:
        pass

    def _raw(self, key: str) -> bytes:
        return json.dumps(self._shelf.items[key], sort_keys=True).encode()

    def _page(self, keys: Callable[[], Sequence[str]], cursor: str | None, read: Callable[[str], Any]) -> Page[Any]:
        self._shelf.on_page("before")
        if self._shelf.failing:
            self._shelf.failing -= 1
            raise Transient("The store does not answer.")
        if self._shelf.failures:
            raise self._shelf.failures.pop()
        shown = self._shelf.shown
        if cursor is not None and shown is not None:
            # A listing that loses items in its middle lacks too few for anybody to tell it from a merchant's change.
            self._shelf.was_without.update(self._shelf.items.keys() - shown)
        rest = [key for key in keys() if (cursor is None or key > cursor) and (shown is None or key in shown)]
        part = rest[: self._shelf.page_size]
        last = len(rest) <= len(part)
        if last and self._shelf.cut:
            raise StoreIncomplete("The store's listing ends in the middle.")
        page = Page(
            records=[read(key) for key in part],
            cursor=None if last else part[-1],
            last=last,
            watermark=str(self._shelf._clock() - 1) if cursor is None else None,
        )
        self._shelf.on_page("after")
        return page
