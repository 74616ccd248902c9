"""A store as a shop wants it: whoever decodes a record gets the fields that the shop's mapping makes of it.

The mapping wraps the store, so pulls, rehearsals and audits follow it without knowing that there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.items.mapping import ItemMapping
from worker.stores.contract import Fields, Page, Record, Store, VolatileRecord
from worker.stores.naming import Named


def mapped(store: Store, mapping: ItemMapping) -> Store:
    """The store behind a shop's mapping, or the store itself where the mapping changes nothing."""
    if mapping.template is not None:
        # Inside: ids are made of what the store says, whatever the mapping then makes of it.
        store = Named(store, mapping.template)
    if mapping.changes_content or mapping.buffer:
        return Mapped(store, mapping)
    return store


class Mapped:
    """See ``contract.Store``: all is the store's own but the fields."""

    def __init__(self, store: Store, mapping: ItemMapping) -> None:
        self._store = store
        self._mapping = mapping
        self.version = store.version
        self.one_export = store.one_export
        self.ids_unique = store.ids_unique

    def full(self, cursor: str | None) -> Page[Record]:
        return self._store.full(cursor)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        return self._store.changed(watermark, cursor)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        page = self._store.volatile(watermark, cursor)
        if not self._mapping.buffer:
            return page
        apply = self._mapping.apply_volatile
        records = [VolatileRecord(record.retailer_id, apply(record.fields)) for record in page.records]
        return replace(page, records=records)

    def fields(self, record: Record) -> Fields:
        return self._mapping.apply(self._store.fields(record))

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        return self._store.fetch(retailer_ids)

    def close(self) -> None:
        self._store.close()
