"""What a store says of an item is the same by every way of asking."""

from __future__ import annotations

from tests.contract.reading import full, pages, records, volatile


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


def test_the_volatile_listing_agrees_with_the_full_one(subject):
    subject.fill(20)
    store = subject.open()
    whole = {record.retailer_id: store.fields(record) for record in records(pages(full, store))}
    for record in records(pages(volatile, store)):
        assert record.fields.keys() >= {"price", "availability"}
        assert {name: whole[record.retailer_id][name] for name in record.fields} == dict(record.fields)
    store.close()


def test_a_look_up_returns_what_exists_or_is_not_offered(subject):
    subject.fill(20)
    store = subject.open()
    found = store.fetch(["3", "999999"])
    assert found is None or [record.retailer_id for record in found] == ["3"]
    store.close()
