"""What a store says of an item is the same by every way of asking."""

from __future__ import annotations

import pytest

from tests.contract.reading import full, pages, records, volatile
from worker.items.fields import VOLATILE
from worker.stores import Store

# Beside Meta's fields the SKU, which a shop may want its items to be called by, so both kinds of pull give it.
SOLD = {row.name for row in VOLATILE} | {"sku"}


def test_a_record_is_decoded_into_metas_fields(subject):
    subject.fill(20)
    store = subject.open()
    by_id = {record.retailer_id: store.fields(record) for record in records(pages(full, store))}
    assert by_id["3"]["title"] == subject.title(3)
    assert by_id["3"]["price"] == "3.50 USD"
    assert by_id["3"]["availability"] == "in stock"
    store.close()


def test_equal_records_have_equal_bytes_and_different_ones_do_not(subject):
    subject.fill(20)
    first, second = subject.open(), subject.open()
    once, again = records(pages(full, first)), records(pages(full, second))
    assert once == again
    assert len({record.raw for record in once}) == 20
    first.close()
    second.close()


@pytest.mark.parametrize("numbers", [[3], [3, 8, 15], list(range(20))])
def test_an_unchanged_item_has_the_same_bytes_in_a_full_a_delta_and_a_look_up(subject, numbers):
    """The touch of a change time is no change: otherwise every delta would send what Meta has."""
    subject.fill(20)
    store = subject.open()
    found = pages(full, store)
    whole = dict(records(found))
    for number in numbers:
        subject.touch(number)
    delta = dict(records(pages(lambda one: lambda cursor: one.changed(found[0].watermark, cursor), store)))
    assert delta == {name: whole[name] for name in delta}
    assert delta.keys() >= {str(number) for number in numbers} or _was_unmodified(store, found[0].watermark)
    looked_up = store.fetch([str(number) for number in numbers])
    assert looked_up is None or dict(looked_up) == {str(number): whole[str(number)] for number in numbers}
    store.close()


def _was_unmodified(store: Store, watermark: str | None) -> bool:
    return store.changed(watermark, None).unmodified


def test_the_volatile_listing_is_the_volatile_half_of_the_full_one(subject):
    subject.fill(20)
    store = subject.open()
    whole = {record.retailer_id: store.fields(record) for record in records(pages(full, store))}
    half = {name: {key: fields[key] for key in fields if key in SOLD} for name, fields in whole.items()}
    assert {record.retailer_id: dict(record.fields) for record in records(pages(volatile, store))} == half
    assert all(fields.keys() >= {"price", "availability", "sku"} for fields in half.values())
    store.close()


def test_a_look_up_returns_what_exists_or_is_not_offered(subject):
    subject.fill(20)
    store = subject.open()
    found = store.fetch(["3", "999999"])
    assert found is None or [record.retailer_id for record in found] == ["3"]
    store.close()
