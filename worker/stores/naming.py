"""A store whose items go by the ids that a shop's template makes, instead of the variants' own.

A template of nothing but the own id and fixed text works both ways and costs nothing. With any other, every record is
decoded to learn its id, single items cannot be looked up, and deletions are found by the next complete pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from worker.items.mapping import Template
from worker.stores.contract import Fields, Notice, Page, Record, Store, UnreadableRecord, VolatileRecord

R = TypeVar("R", Record, VolatileRecord)


class Named:
    """See ``contract.Store``."""

    def __init__(self, store: Store, template: Template) -> None:
        self._store = store
        self._template = template
        self.version = store.version
        self.one_export = store.one_export
        # No platform promises that its numbers for people are unique, nor its bar codes.
        self.ids_unique = store.ids_unique and template.is_reversible

    def full(self, cursor: str | None) -> Page[Record]:
        return self._named(self._store.full(cursor))

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        return self._named(self._store.changed(watermark, cursor))

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        return self._named(self._store.volatile(watermark, cursor))

    def fields(self, record: Record) -> Fields:
        return self._store.fields(record)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        if not self._template.is_reversible:
            return None
        own_ids = [own_id for retailer_id in retailer_ids if (own_id := self._template.own_id(retailer_id))]
        found = self._store.fetch(own_ids)
        return None if found is None else [self._renamed(record) for record in found]

    def close(self) -> None:
        self._store.close()

    def _renamed(self, record: Record) -> Record:
        return record._replace(retailer_id=self._template.made_of(record.retailer_id, {}) or "")

    def _named(self, page: Page[R]) -> Page[R]:
        records: list[R] = []
        names: dict[str, str] = {}
        nameless: list[tuple[str, str]] = []
        for record in page.records:
            retailer_id, why = self._name(record)
            if retailer_id is None:
                nameless.append((record.retailer_id, why))
            else:
                names[record.retailer_id] = retailer_id
                records.append(record._replace(retailer_id=retailer_id))
        notices = [replace(notice, retailer_id=self._id_of(notice.retailer_id, names)) for notice in page.notices]
        if nameless:
            notices.append(_nameless(nameless))
        return replace(
            page,
            records=records,
            gone=[name for own_id in page.gone if (name := self._id_of(own_id, names))],
            notices=notices,
            unidentified=page.unidentified + len(nameless),
        )

    def _name(self, record: Record | VolatileRecord) -> tuple[str | None, str]:
        """The record's id, or None and why it has none."""
        if self._template.is_reversible:
            return self._template.made_of(record.retailer_id, {}), ""
        try:
            fields = self._store.fields(record) if isinstance(record, Record) else record.fields
        except UnreadableRecord as error:
            return None, f"cannot be read: {error}"
        return self._template.made_of(record.retailer_id, fields), "has no SKU, of which the ids of this shop are made."

    def _id_of(self, own_id: str, names: dict[str, str]) -> str:
        """The id of what the store names by its own; "" where only its fields could tell."""
        if own_id and self._template.is_reversible:
            return self._template.made_of(own_id, {}) or ""
        return names.get(own_id, "")


def _nameless(records: Sequence[tuple[str, str]]) -> Notice:
    own_id, why = records[0]
    message = f"The variant {own_id} {why} It is not sent, and nothing that seems to be gone is removed meanwhile."
    if len(records) > 1:
        message += f" So it is with {len(records) - 1:,} more beside it."
    return Notice("", "id.unnamed", message, "Give each of them a SKU of its own in the store.")
