"""The sample merchant."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from tests.unit.sandbox.sandbox_calls import Meta
from worker.sandbox.store import NoSuchItem, SampleStore


def test_the_same_seed_gives_the_same_feeds_and_another_one_others() -> None:
    def body(seed: int) -> bytes:
        return SampleStore(seed, 50).document("feed", "csv").body

    assert body(1) == body(1)
    assert body(1) != body(2)


@pytest.mark.parametrize(("feed", "currency"), [("feed", "USD"), ("feed-jpy", "JPY"), ("feed-kwd", "KWD")])
def test_the_ordinary_items_of_a_feed_are_what_meta_takes_once_markup_is_gone(feed: str, currency: str) -> None:
    meta, requests = Meta(error_sample=1000), []
    for item in SampleStore(1, 300).items(feed):
        if not item["id"].startswith(("bad-", "odd-")):
            plain = {**item, "description": "Made to be used every day."}
            assert item["price"].endswith(f" {currency}")
            requests.append({"method": "UPDATE", "data": plain})
    assert len(requests) >= 60
    assert meta.errors(*requests) == []
    assert len(meta.items) == len(requests)


def test_the_larger_feed_has_variants_sales_sold_out_items_and_awkward_ones() -> None:
    items = SampleStore(1, 300).items("feed")
    assert 300 <= len(items) <= 330
    assert max(Counter(item.get("item_group_id", item["id"]) for item in items).values()) == 6
    assert sum("sale_price" in item for item in items) > 20
    assert sum(item.get("availability") == "out of stock" for item in items) > 20
    assert sum(item["id"].startswith("bad-") for item in items) == 10
    assert [key for key, count in Counter(item["id"] for item in items).items() if count > 1] == ["odd-repeated"]


def test_every_form_carries_the_same_items() -> None:
    store = SampleStore(1, 40)
    ids = [item["id"] for item in store.items("feed")]
    lines = store.document("feed", "ndjson").body.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        body = store.document("feed", form).body
        assert gzip.decompress(store.document("feed", f"{form}.gz").body) == body
        rows = list(csv.DictReader(io.StringIO(body.decode(), newline=""), delimiter=delimiter))
        assert [row["id"] for row in rows] == ids
    root = ET.fromstring(store.document("feed", "xml").body)
    assert [found.text or "" for found in root.iter("{http://base.google.com/ns/1.0}id")] == ids


def test_a_change_moves_both_validators_and_only_of_its_feed() -> None:
    store = SampleStore(1, 40)
    before, other = store.document("feed", "csv"), store.document("feed-jpy", "csv")
    retailer_id = store.items("feed")[0]["id"]
    assert store.change("feed", retailer_id, {"price": "1.00 USD", "material": None})["price"] == "1.00 USD"
    after = store.document("feed", "csv")
    assert after.etag != before.etag
    assert after.modified_at >= before.modified_at + 1
    assert store.document("feed-jpy", "csv") == other


def test_items_are_added_and_removed_with_all_their_copies() -> None:
    store = SampleStore(1, 40)
    store.add("feed", {"id": "new-1", "title": "New"})
    assert store.items("feed")[-1] == {"id": "new-1", "title": "New"}
    assert store.remove("feed", "odd-repeated") == 2
    with pytest.raises(NoSuchItem):
        store.remove("feed", "odd-repeated")
    with pytest.raises(NoSuchItem):
        store.change("feed", "odd-repeated", {"price": "1.00 USD"})


def test_a_shrunken_feed_is_well_formed_and_keeps_the_first_items() -> None:
    store = SampleStore(1, 100)
    whole = store.document("feed", "csv").body.decode()
    tenth = list(csv.DictReader(io.StringIO(store.document("feed", "csv", 0.1).body.decode(), newline="")))
    assert [row["id"] for row in tenth] == [item["id"] for item in store.items("feed")[: len(tenth)]]
    assert len(tenth) == len(store.items("feed")) // 10
    assert store.document("feed", "csv", 0.0).body.decode() == whole.splitlines(keepends=True)[0]


def test_feeds_and_forms_that_do_not_exist_are_not_found() -> None:
    store = SampleStore(1, 40)
    for feed, form in (("feed-eur", "csv"), ("feed", "pdf"), ("feed", "")):
        with pytest.raises(NoSuchItem):
            store.document(feed, form)
