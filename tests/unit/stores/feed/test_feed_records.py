"""One record of a feed at a time: what is read of it, and how far a bad one reaches."""

from __future__ import annotations

import contextlib

import pytest

from tests.unit.stores.feed.feed_files import HEADER, ROWS, items, local
from worker.stores import UnreadableRecord


def test_quotes_commas_and_line_breaks_inside_a_cell_survive(tmp_path):
    body = HEADER + b'a,"Line one\r\nline ""two"", end",1 USD,in stock\nb,5" screen,2 USD,in stock\n'
    found = items(local(tmp_path, body))
    assert found["a"]["title"] == 'Line one\nline "two", end'
    assert found["b"]["title"] == '5" screen'


@pytest.mark.fault("S8")
def test_bytes_that_are_not_utf8_are_replaced_in_their_field_with_a_notice(tmp_path):
    feed = local(tmp_path, HEADER + b"a,Caf\xe9,1 USD,in stock\nb,Tea,2 USD,in stock\n")
    page = feed.full(None)
    assert feed.fields(page.records[0])["title"] == "Caf\ufffd"
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [("a", "encoding.replaced")]
    assert "in title;" in page.notices[0].message
    feed.close()


@pytest.mark.fault("S8")
def test_ndjson_repairs_what_no_database_takes(tmp_path):
    body = b'{"id": "a", "title": "x\\u0000y\\ud800", "price": NaN}\n{"id": "b", "title": "Caf\xe9"}\n'
    feed = local(tmp_path, body, "feed.ndjson")
    page = feed.full(None)
    assert feed.fields(page.records[0]) == {"id": "a", "title": "x\ufffdy\ufffd"}
    assert feed.fields(page.records[1])["title"] == "Caf\ufffd"
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [("b", "encoding.replaced")]
    feed.close()


def test_a_record_without_an_id_is_counted_and_noticed_and_never_guessed(tmp_path):
    feed = local(tmp_path, HEADER + b",Nameless,1 USD,in stock\n" + b"x" * 300 + b",Long,1 USD,in stock\n" + ROWS)
    page = feed.full(None)
    assert [record.retailer_id for record in page.records] == ["a", "b"]
    assert page.unidentified == 2
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [("", "id.missing"), ("", "id.too_long")]
    feed.close()


def test_a_repeated_id_is_passed_on(tmp_path):
    feed = local(tmp_path, HEADER + ROWS + ROWS)
    assert [record.retailer_id for record in feed.full(None).records] == ["a", "b", "a", "b"]
    feed.close()


def test_a_shifted_record_is_unreadable_rather_than_believed(tmp_path):
    feed = local(tmp_path, HEADER + b"a,Shirt, red,9.99 USD,in stock\n" + ROWS)
    with pytest.raises(UnreadableRecord, match="5 fields where the header has 4"):
        feed.fields(feed.full(None).records[0])
    feed.close()


def test_the_same_line_under_another_header_has_other_bytes(tmp_path):
    first = local(tmp_path, HEADER + ROWS)
    one = first.full(None).records[0]
    second = local(tmp_path, b"id,description,price,availability\n" + ROWS)
    other = second.full(None).records[0]
    assert one.retailer_id == other.retailer_id
    assert one.raw != other.raw
    first.close()
    second.close()


@pytest.mark.fault("S17")
def test_a_very_long_text_neither_fails_nor_fills_the_page(tmp_path):
    row = b"%d," + b"x" * (5 << 20) + b",1 USD,in stock\n"
    feed = local(tmp_path, HEADER + b"".join(row % number for number in range(4)))
    sizes, cursor = [], None
    while True:
        page = feed.full(cursor)
        sizes.append(len(page.records))
        if page.last:
            break
        cursor = page.cursor
    assert sizes == [2, 2]
    feed.close()


@pytest.mark.invariant("I10", "I14")
@pytest.mark.fault("S17")
def test_an_object_of_enormous_width_is_unreadable_and_takes_nothing_from_the_others(tmp_path):
    wide = b'{"id": "wide", ' + b", ".join(b'"image[%d].url": 1' % number for number in range(100_000)) + b"}"
    long = b'{"id": "long", "' + b"x" * (1 << 20) + b'": 1}'
    feed = local(tmp_path, b"\n".join([b'{"id": "a"}', wide, long, b'{"id": "b"}', b""]), "feed.ndjson")
    records = {record.retailer_id: record for record in feed.full(None).records}
    assert [feed.fields(records[name]) for name in "ab"] == [{"id": "a"}, {"id": "b"}]
    for name in ("wide", "long"):
        with pytest.raises(UnreadableRecord, match="more than 1,000 members"):
            feed.fields(records[name])
    feed.close()


@pytest.mark.parametrize(
    "value",
    [
        b"9" * 1_000_000,
        b"1e999",
        b"NaN",
        b"Infinity",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    ],
    ids=["a million digits", "beyond floats", "NaN", "Infinity", "nested lists", "nested objects"],
)
@pytest.mark.invariant("I10", "I14")
def test_a_hostile_value_spoils_its_own_line_at_most(tmp_path, value):
    body = b'{"id": "a", "title": "A"}\n{"id": "b", "title": "B", "price": ' + value + b'}\n{"id": "c", "title": "C"}\n'
    feed = local(tmp_path, body, "feed.ndjson")
    readable = {}
    records = feed.full(None).records
    for record in records:
        with contextlib.suppress(UnreadableRecord):
            readable[record.retailer_id] = feed.fields(record)
    feed.close()
    assert [record.retailer_id for record in records] == ["a", "b", "c"]
    assert (readable["a"]["title"], readable["c"]["title"]) == ("A", "C")
