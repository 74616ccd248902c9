from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from worker.items.mapping import parse
from worker.stores.contract import Fields, Notice, Page, Record, Store, UnreadableRecord, VolatileRecord
from worker.stores.mapped import mapped


class Shelf:
    """A store of one page, whose records are JSON."""

    version = 7
    one_export = True
    ids_unique = True

    def __init__(self, **skus: str | None) -> None:
        self.skus = skus
        self.asked: list[str] = []

    def full(self, cursor: str | None) -> Page[Record]:
        records = [Record(name, json.dumps({"sku": sku}).encode()) for name, sku in self.skus.items()]
        notices = [Notice("a", "encoding.replaced", "It is damaged.", "Repair it.")]
        return Page(records, None, last=True, watermark="now", gone=["a", "gone"], notices=notices)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        return self.full(cursor)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        return Page([VolatileRecord(name, {"sku": sku}) for name, sku in self.skus.items()], None, last=True)

    def fields(self, record: Record) -> Fields:
        fields: dict[str, Any] = json.loads(record.raw)
        if fields["sku"] == "unreadable":
            raise UnreadableRecord("It makes no sense.")
        return fields

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        self.asked += retailer_ids
        return [record for record in self.full(None).records if record.retailer_id in retailer_ids]

    def close(self) -> None: ...


def named(template: str, shelf: Store) -> Store:
    return mapped(shelf, parse({"id": {"template": template}}))


def names(page: Page[Any]) -> list[str]:
    return [record.retailer_id for record in page.records]


def test_the_own_id_needs_no_wrapper() -> None:
    shelf = Shelf()
    assert named("{id}", shelf) is shelf


def test_whole_and_volatile_records_get_the_same_ids() -> None:
    store = named("eu-{sku}", Shelf(a="A-1", b="B-1"))
    assert names(store.full(None)) == names(store.changed(None, None)) == ["eu-A-1", "eu-B-1"]
    assert names(store.volatile(None, None)) == ["eu-A-1", "eu-B-1"]
    assert (store.version, store.one_export) == (7, True)


def test_a_template_of_the_own_id_translates_both_ways() -> None:
    shelf = Shelf(a=None, b=None)
    store = named("eu-{id}", shelf)
    page = store.full(None)
    assert (names(page), page.gone, page.notices[0].retailer_id) == (["eu-a", "eu-b"], ["eu-a", "eu-gone"], "eu-a")
    found = store.fetch(["eu-b", "b", "us-a"])
    assert found is not None
    assert ([record.retailer_id for record in found], shelf.asked) == (["eu-b"], ["b"])
    assert store.ids_unique


def test_a_template_of_the_sku_looks_nothing_up_and_leaves_what_is_gone_to_a_complete_pull() -> None:
    shelf = Shelf(a="A-1", b="B-1")
    store = named("{sku}", shelf)
    page = store.full(None)
    assert (page.gone, page.notices[0].retailer_id, page.watermark, page.unidentified) == (["A-1"], "A-1", "now", 0)
    assert (store.fetch(["A-1"]), shelf.asked, store.ids_unique) == (None, [], False)


@pytest.mark.parametrize(
    ("sku", "why"),
    [
        (None, "has no SKU, of which the ids of this shop are made."),
        ("unreadable", "cannot be read: It makes no sense."),
    ],
)
def test_a_variant_without_an_id_is_counted_and_named(sku: str | None, why: str) -> None:
    page = named("{sku}", Shelf(a="A-1", b=sku, c=sku)).full(None)
    assert (names(page), page.unidentified) == (["A-1"], 2)
    notice = page.notices[-1]
    assert (notice.retailer_id, notice.code) == ("", "id.unnamed")
    assert notice.message == (
        f"The variant b {why} It is not sent, and nothing that seems to be gone is removed meanwhile. "
        "So it is with 1 more beside it."
    )
    assert notice.action == "Give each of them a SKU of its own in the store."
