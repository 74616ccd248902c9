"""The feed as a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import httpx

from worker.stores.contract import Fields, Notice, Page, Record, StoreConfig, UnreadableRecord, VolatileRecord
from worker.stores.feed.columns import VOLATILE
from worker.stores.feed.document import Document
from worker.stores.feed.spool import is_remote
from worker.stores.http import origin_of


class Feed:
    """A product feed in the Meta / Google Merchant format. See ``worker.stores.contract.Store``.

    Args:
        transport: Takes the place of the network in tests.
    """

    version = 2
    one_export = True
    ids_unique = False

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._document = Document(config, transport)
        self._prices: Document | None = None
        self._volatile: frozenset[str] | None = None
        if "volatile_url" in config.options:
            self._prices = Document(_price_config(config), transport)
            self._volatile = volatile_fields(config.options)

    def full(self, cursor: str | None) -> Page[Record]:
        return self._document.first(None) if cursor is None else self._document.next(cursor)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        return self._document.first(watermark) if cursor is None else self._document.next(cursor)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        """From the feed of prices and stock where there is one.

        That one is read anew every time: what the whole feed has said meanwhile may be older.
        """
        if self._prices is None:
            document, page = self._document, self.changed(watermark, cursor)
        else:
            document = self._prices
            page = replace(document.first(None) if cursor is None else document.next(cursor), watermark=None)
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for record in page.records:
            try:
                records.append(VolatileRecord(record.retailer_id, self._volatile_half(document, record.raw)))
            except UnreadableRecord as error:
                notices.append(
                    Notice(record.retailer_id, "record.unreadable", str(error), "Correct this record in the feed.")
                )
        return Page(
            records,
            page.cursor,
            page.last,
            page.watermark,
            unmodified=page.unmodified,
            notices=notices,
            unidentified=page.unidentified + len(notices),
        )

    def _volatile_half(self, document: Document, raw: bytes) -> Fields:
        half = document.format.volatile(raw)
        if self._volatile is None:
            return half
        # The half is replaced as a whole: a sale that this feed has no place for would end now and come back later.
        lacking = self._volatile - document.format.named(raw)
        if lacking:
            names = ", ".join(sorted(lacking))
            raise UnreadableRecord(f"The row of prices and stock lacks {names}, which volatile_fields names.")
        return {name: value for name, value in half.items() if name in self._volatile or name == "sku"}

    def fields(self, record: Record) -> Fields:
        fields = self._document.format.fields(record.raw)
        if self._volatile is None:
            return fields
        return {name: value for name, value in fields.items() if name not in VOLATILE or name in self._volatile}

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        return None

    def close(self) -> None:
        self._document.close()
        if self._prices is not None:
            self._prices.close()


def volatile_fields(options: Mapping[str, str]) -> frozenset[str]:
    """The option ``volatile_fields`` as names."""
    return frozenset(options.get("volatile_fields", "").replace(",", " ").split())


def _price_config(config: StoreConfig) -> StoreConfig:
    url = config.options["volatile_url"]
    options = dict(config.options)
    if not is_remote(url) or origin_of(url) != origin_of(config.url):
        options.pop("auth", None)
    return replace(config, url=url, options=options)
