"""Every pull ends, brings everything once, and goes on elsewhere as if nothing had been."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest

from tests.contract.reading import DOUBT, changed, full, names, pages, proves_absence, records, volatile
from tests.contract.subjects import SUBJECTS
from tests.contract.wire import Wire, answering, opened
from worker.stores import CursorExpired

ITEMS = 2_345  # more than two pages of every store
FEWER = 1_100  # two pages at least


@pytest.mark.parametrize("read", [full, changed, volatile])
def test_every_item_comes_once_and_paging_ends(subject, read):
    subject.fill(ITEMS)
    store = subject.open()
    found = pages(read, store)
    assert sorted(int(record.retailer_id) for record in records(found)) == list(range(ITEMS))
    assert len(found) > 2
    assert [page.notices for page in found if page.notices] == []
    store.close()


@pytest.mark.parametrize("read", [full, volatile])
def test_a_pull_that_another_process_goes_on_with_equals_a_straight_one(subject, read):
    subject.fill(ITEMS)
    straight = subject.open()
    expected = names(pages(read, straight))
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


@pytest.mark.parametrize("read", [full, volatile])
def test_a_pull_whose_pages_are_asked_for_by_changing_threads_is_the_same(subject, read):
    subject.fill(FEWER)

    def elsewhere(call, *arguments):
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(call, *arguments).result()

    store = elsewhere(subject.open)
    found = pages(lambda opened_store: lambda cursor: elsewhere(read(opened_store), cursor), store)
    assert sorted(map(int, names(found))) == list(range(FEWER))
    elsewhere(store.close)


@pytest.mark.parametrize("period", [1, 2])
@pytest.mark.parametrize("read", [full, volatile])
@pytest.mark.invariant("I9")
@pytest.mark.fault("S12")
def test_a_store_that_pages_in_a_circle_is_neither_followed_nor_believed(remote, read, period):
    remote.fill(FEWER)
    given: dict[object, list[bytes]] = {}

    def repeat(_: int, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        body = response.read()
        # Small answers are settings, counts and "not yet", which a healthy store repeats as well.
        if len(body) < 4_000:
            return answering(body, response)
        sent = request.read()
        kind = request.url.path, msgspec.json.decode(sent)["query"] if b'"query"' in sent else b""
        bodies = given.setdefault(kind, [])
        bodies.append(body if len(bodies) < period else bodies[-period])
        return answering(bodies[-1], response)

    store = opened(remote, Wire(remote.fake, repeat))
    try:
        found = pages(read, store)
    except DOUBT:
        return
    finally:
        store.close()
    # One request may have brought everything: then there was no circle.
    assert sorted(map(int, names(found))) == list(range(FEWER))


# Where pages shift: in what was read, all of it and more than it, in what is yet to come, and at the very end.
GONE = {
    "a few that were read": range(3, 6),
    "all that was read": range(600),
    "what is to come": range(600, 700),
    "the end": range(FEWER - 30, FEWER),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=GONE)
@pytest.mark.parametrize("read", [full, volatile])
@pytest.mark.invariant("I9")
@pytest.mark.fault("S10")
def test_rows_that_go_between_two_pages_hide_no_other(remote, read, gone):
    remote.fill(FEWER)
    first = _first_page(read, remote)
    remote.fill(FEWER, without=gone)
    _brings_all(read, remote, first, set(range(FEWER)) - set(gone))


@pytest.mark.parametrize("late", [range(40), range(600, 640), range(FEWER - 40, FEWER)])
@pytest.mark.parametrize("read", [full, volatile])
@pytest.mark.invariant("I9")
@pytest.mark.fault("S10")
def test_rows_that_come_between_two_pages_hide_no_other(remote, read, late):
    remote.fill(FEWER, without=late)
    first = _first_page(read, remote)
    remote.fill(FEWER)
    _brings_all(read, remote, first, set(range(FEWER)) - set(late))


def _first_page(read, subject):
    store = subject.open()
    page = read(store)(None)
    store.close()
    return page


def _brings_all(read, subject, first, there) -> None:
    """Another process, which remembers nothing, brings what was there all the time, or says that it cannot."""
    store = subject.open()
    try:
        found = [first, *(pages(read, store, first.cursor) if first.cursor else ())]
    except DOUBT:
        return
    finally:
        store.close()
    missed = there - set(map(int, names(found)))
    assert not missed or not proves_absence(found)


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
