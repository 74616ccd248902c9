"""What a store sends is not what it should be: one item pays for it, or nothing is believed."""

from __future__ import annotations

import pytest

from tests.contract.reading import full, pages, records, volatile
from tests.contract.subjects import BAD
from worker.stores import UnreadableRecord


def test_one_bad_record_breaks_neither_its_page_nor_its_pull(subject):
    subject.fill(20, spoil=True)
    store = subject.open()
    found = records(pages(full, store))
    assert [record.retailer_id for record in found] == [str(number) for number in range(20)]
    bad = next(record for record in found if record.retailer_id == str(BAD))
    with pytest.raises(UnreadableRecord):
        store.fields(bad)
    slim = pages(volatile, store)
    assert [record.retailer_id for record in records(slim)] == [str(number) for number in range(20) if number != BAD]
    assert [notice.retailer_id for page in slim for notice in page.notices] == [str(BAD)]
    store.close()
