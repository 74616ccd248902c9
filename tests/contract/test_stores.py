"""What the pull relies on, for every kind of store and every format. A new store joins by one more subject."""

from __future__ import annotations

import httpx
import pytest

from tests.contract.subjects import REMOTE, SECRET, SUBJECTS
from worker.errors import ShelfbeatError, StoreIncomplete, StoreRefused, Throttled, Transient
from worker.stores import CursorExpired, Store, StoreConfig, UnreadableRecord
from worker.stores.feed import Feed

ITEMS = 2_345  # more than two pages of every store


@pytest.fixture(params=SUBJECTS)
def subject(request, tmp_path):
    return SUBJECTS[request.param](tmp_path)


@pytest.fixture(params=REMOTE)
def remote(request, tmp_path):
    found = SUBJECTS[request.param](tmp_path)
    found.fill(20)
    return found


def pages(read, store: Store) -> list:
    """Every page of one pull. A fake wants no pause, so none is made."""
    found, cursor = [], None
    while True:
        page = read(store)(cursor)
        found.append(page)
        assert page.last is (page.cursor is None)
        if page.last:
            return found
        cursor = page.cursor


def full(store: Store):
    return store.full


def changed(store: Store):
    return lambda cursor: store.changed(None, cursor)


def volatile(store: Store):
    return lambda cursor: store.volatile(None, cursor)


def records(found: list) -> list:
    return [record for page in found for record in page.records]


@pytest.mark.parametrize("read", [full, changed, volatile])
def test_every_item_comes_once_and_paging_ends(subject, read):
    subject.fill(ITEMS)
    store = subject.open()
    found = pages(read, store)
    assert sorted(int(record.retailer_id) for record in records(found)) == list(range(ITEMS))
    assert len(found) > 2
    cursors = [page.cursor for page in found]
    assert len(set(cursors)) == len(cursors)
    assert [page.notices for page in found if page.notices] == []
    store.close()


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


@pytest.mark.parametrize("read", [full, volatile])
def test_a_pull_that_another_process_goes_on_with_equals_a_straight_one(subject, read):
    subject.fill(ITEMS)
    straight = subject.open()
    expected = [record.retailer_id for record in records(pages(read, straight))]
    straight.close()
    found, cursor = [], None
    while True:
        store = subject.open()
        page = read(store)(cursor)
        found += [record.retailer_id for record in page.records]
        if page.records and read is full:
            store.fields(page.records[0])
        store.close()
        if page.last:
            break
        cursor = page.cursor
    assert found == expected


@pytest.mark.fault("S11")
def test_a_cursor_that_means_nothing_has_expired(subject):
    subject.fill(20)
    store = subject.open()
    with pytest.raises(CursorExpired):
        store.full("not a cursor")
    store.close()


# An NDJSON file without a line has no bytes and is refused as such.
@pytest.mark.parametrize("name", [name for name in SUBJECTS if "ndjson" not in name])
def test_an_empty_catalog_ends_without_a_record(name, tmp_path):
    subject = SUBJECTS[name](tmp_path)
    subject.fill(0)
    store = subject.open()
    found = pages(full, store)
    assert (records(found), found[-1].cursor, found[-1].last) == ([], None, True)
    store.close()


def test_one_bad_record_breaks_neither_its_page_nor_its_pull(subject):
    subject.fill(20, spoil=True)
    store = subject.open()
    found = records(pages(full, store))
    assert [record.retailer_id for record in found] == [str(number) for number in range(20)]
    bad = next(record for record in found if record.retailer_id == subject.name_of_the_bad_one)
    with pytest.raises(UnreadableRecord):
        store.fields(bad)
    slim = pages(volatile, store)
    assert [record.retailer_id for record in records(slim)] == [str(number) for number in range(20) if number != 7]
    assert [notice.retailer_id for page in slim for notice in page.notices] == ["7"]
    store.close()


def test_a_look_up_returns_what_exists_or_is_not_offered(subject):
    subject.fill(20)
    store = subject.open()
    found = store.fetch(["3", "999999"])
    assert found is None or [record.retailer_id for record in found] == ["3"]
    store.close()


HTML = "<!doctype html><title>Log in</title>body-canary"


@pytest.mark.parametrize(
    ("status", "headers", "error", "wait_s"),
    [
        (401, {}, StoreRefused, None),
        (403, {}, StoreRefused, None),
        (404, {}, StoreRefused, None),
        (429, {"retry-after": "120"}, Throttled, 120.0),
        (429, {}, Throttled, None),
        (503, {"retry-after": "30"}, Throttled, 30.0),
        (
            503,
            {"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"},
            Throttled,
            60.0,
        ),
        (503, {}, Transient, None),
        (500, {}, Transient, None),
        (200, {"content-type": "text/html"}, StoreIncomplete, None),
        (200, {"content-encoding": "br"}, (StoreIncomplete, Transient), None),
        (200, {"content-encoding": "gzip"}, (StoreIncomplete, Transient), None),
        (302, {"location": "ftp://elsewhere.example/"}, StoreRefused, None),
    ],
)
@pytest.mark.invariant("I14")
def test_what_the_server_refuses_is_told_apart_and_quotes_neither_secret_nor_body(
    remote, status, headers, error, wait_s
):
    remote.answer_with(httpx.Response(status, headers=headers, stream=httpx.ByteStream(HTML.encode())))
    store = remote.open()
    with pytest.raises(error) as caught:
        store.full(None)
    if isinstance(error, type):
        assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == wait_s
    _quotes_nothing(caught.value)
    store.close()


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
@pytest.mark.fault("S4")
def test_a_connection_that_fails_is_tried_again_later(remote, failure):
    def fail(request):
        raise failure(f"canary-body about {request.url}")

    remote.answer_with(None)
    store = remote.open()
    _swap(store, httpx.MockTransport(fail))
    with pytest.raises(Transient) as caught:
        store.full(None)
    _quotes_nothing(caught.value)
    store.close()


def test_a_store_keeps_its_secret_out_of_what_prints_it(remote):
    store = remote.open()
    assert SECRET not in repr(store)
    assert SECRET not in repr(StoreConfig("https://shop.example", {}, None, SECRET, "/nowhere"))
    store.close()


def _quotes_nothing(error: ShelfbeatError) -> None:
    for text in (str(error), repr(error), error.action):
        assert SECRET not in text
        assert "canary" not in text


def _swap(store: Store, transport: httpx.BaseTransport) -> None:
    http = store._document._spool._http if isinstance(store, Feed) else store._api._http
    http._transport = transport
