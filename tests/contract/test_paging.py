"""Every pull ends, brings everything once, and goes on elsewhere as if nothing had been."""

from __future__ import annotations

import pytest

from tests.contract.reading import changed, full, pages, records, volatile
from tests.contract.subjects import SUBJECTS
from worker.stores import CursorExpired

ITEMS = 2_345  # more than two pages of every store


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
