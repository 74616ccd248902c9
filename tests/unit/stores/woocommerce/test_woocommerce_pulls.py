"""How WooCommerce's lists are read."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.woocommerce import FakeWooCommerce, product, variation
from tests.unit.stores.woocommerce.woocommerce_pulls import LATER, URL, changed, ids, opened, read, volatile
from worker.errors import BadInput, StoreIncomplete, Transient
from worker.stores import CursorExpired, StoreConfig
from worker.stores.woocommerce import KIND


def test_a_full_pull_asks_twice_a_hundred_variations_and_never_for_more_than_a_page():
    parents = [product(9000 + n, variations=[variation(100 * n + m) for m in range(50)]) for n in range(6)]
    fake = FakeWooCommerce(parents)
    assert len(ids(read(opened(fake).full))) == 300
    asked = [path for path, _ in fake.asked]
    assert asked == ["settings/general/woocommerce_currency", "products", *["variations", "products"] * 4]
    assert max(int(params.get("per_page", 0)) for _, params in fake.asked) == 100


def test_the_volatile_pull_asks_for_no_product_twice_and_for_little_of_it():
    parents = [product(9000 + n, variations=[variation(100 * n + m) for m in range(50)]) for n in range(4)]
    fake = FakeWooCommerce([product(1), *parents])
    assert len(ids(volatile(opened(fake)))) == 201
    lists = [(path, params) for path, params in fake.asked if "_fields" in params]
    assert [path for path, _ in lists] == ["products", "variations", "variations", "variations"]
    assert {"name", "description", "images"}.isdisjoint(",".join(params["_fields"] for _, params in lists).split(","))


def test_before_10_3_variations_are_asked_for_product_by_product():
    fake = FakeWooCommerce([product(1), product(2, variations=[variation(n) for n in range(10, 260)])])
    fake.before_10_3 = True
    store = opened(fake)
    assert ids(read(store.full)) == ["1", *map(str, range(10, 260))]
    assert [path for path, _ in fake.asked].count("products/2/variations") == 3
    assert store.fetch(["10"]) is None


def test_variations_left_over_from_another_type_are_no_items():
    fake = FakeWooCommerce([product(1)])
    fake.orphans = [{**variation(50), "parent_id": 1}, {**variation(51), "parent_id": 99}]
    assert ids(read(opened(fake).full)) == ["1"]
    assert [record.retailer_id for record in opened(fake).fetch(["50", "51", "1"])] == ["1"]


def test_plugins_that_send_everything_change_no_record():
    fake = FakeWooCommerce([product(1), product(2, variations=[variation(3)])])
    slim = [record for page in read(opened(fake).full) for record in page.records]
    fake.ignores_fields = True
    for one in (*fake.products, *fake.products[1]["variations"]):
        one["date_modified_gmt"] = LATER
    fake.products[0]["images"][0]["date_modified"] = LATER
    assert [record for page in read(opened(fake).full) for record in page.records] == slim


@pytest.mark.fault("S10")
def test_a_deletion_while_paging_loses_neither_product_nor_variation():
    simple = [product(n) for n in range(1, 251)]
    fake = FakeWooCommerce([*simple, product(9000, variations=[variation(n) for n in range(1000, 1250)])])
    store = opened(fake)
    found, cursor = [], None
    while True:
        page = store.full(cursor)
        found += [record.retailer_id for record in page.records]
        if page.last:
            break
        cursor = page.cursor
        # Before what comes next, so that all of it moves.
        if fake.products[0]["id"] < 20:
            del fake.products[0]
        del fake.products[-1]["variations"][0]
    assert set(map(str, range(20, 251))) <= set(found)
    assert {str(one["id"]) for one in fake.products[-1]["variations"]} <= set(found)


@pytest.mark.parametrize("before_10_3", [False, True])
@pytest.mark.parametrize("hidden", [77, 1050])
@pytest.mark.invariant("I9")
def test_what_is_counted_and_not_shown_makes_absence_prove_nothing(hidden, before_10_3):
    simple = [product(n) for n in range(1, 131)]
    fake = FakeWooCommerce([*simple, product(9000, variations=[variation(n) for n in range(1000, 1200)])])
    fake.before_10_3, fake.unseen = before_10_3, {hidden}
    for ask in (opened(fake).full, lambda cursor: opened(fake).volatile(None, cursor)):
        pages = read(ask)
        assert len(ids(pages)) == 329
        assert sum(page.unidentified for page in pages) == 1
        assert {notice.code for page in pages for notice in page.notices} == {"records.unseen"}
    assert sum(page.unidentified for page in changed(opened(fake), "2026-10-01T00:00:00Z")) == 0
    if not before_10_3:
        with pytest.raises(StoreIncomplete, match="counts more products or variations"):
            opened(fake).fetch([str(hidden)])


@pytest.mark.fault("S12")
def test_a_server_that_repeats_its_page_is_not_believed():
    fake = FakeWooCommerce([product(n) for n in range(1, 400)])
    fake.ignores_offset = True
    with pytest.raises(StoreIncomplete, match="counts 399 products"):
        read(opened(fake).full)


def test_variations_that_change_while_they_are_read_are_read_again():
    fake = FakeWooCommerce([product(2, variations=[variation(n) for n in range(10, 130)])])
    fake.before_10_3 = True
    answer = fake.handle_request

    def delete_between(request: httpx.Request) -> httpx.Response:
        if "offset=100" in str(request.url):
            del fake.products[0]["variations"][0]
        return answer(request)

    store = KIND.open(StoreConfig(URL, {}, None, "ck_test:cs_test", "/nowhere"), httpx.MockTransport(delete_between))
    with pytest.raises(Transient, match="variations of product 2 changed"):
        read(store.full)


def test_the_delta_brings_changed_products_with_all_their_variations():
    quiet = product(1), product(3, variations=[variation(30)])
    moved = (
        product(2, date_modified_gmt=LATER),
        product(4, date_modified_gmt=LATER, variations=[variation(40, date_modified_gmt=LATER), variation(41)]),
    )
    fake = FakeWooCommerce([*quiet, *moved])
    pages = changed(opened(fake))
    assert ids(pages) == ["2", "40", "41"]
    assert [page.gone for page in pages if page.gone] == []
    since = {params.get("modified_after") for path, params in fake.asked if path == "products"}
    assert since == {"2026-11-21T11:50:00"}


def test_a_quiet_delta_is_one_page():
    fake = FakeWooCommerce([product(n) for n in range(1, 500)])
    assert [len(page.records) for page in changed(opened(fake))] == [0]
    assert len(fake.asked) == 4


def test_what_went_to_the_trash_is_gone_with_its_variations():
    trashed = product(
        5,
        status="trash",
        date_modified_gmt=LATER,
        variations=[variation(50, status="trash"), variation(51, status="trash")],
    )
    fake = FakeWooCommerce([product(1), trashed, product(6, status="trash", date_modified_gmt=LATER)])
    pages = changed(opened(fake))
    assert sorted({name for page in pages for name in page.gone}) == ["5", "50", "51", "6"]
    assert ids(read(opened(fake).full)) == ["1"]
    assert [record.retailer_id for record in opened(fake).fetch(["50", "5", "1"])] == ["1"]


@pytest.mark.fault("S21")
def test_the_watermark_is_the_stores_clock_when_the_pull_began():
    store = opened(FakeWooCommerce([product(n) for n in range(1, 250)]))
    pages = read(store.full)
    assert [page.watermark for page in pages] == ["2026-11-21T12:00:00Z", *[None] * (len(pages) - 1)]
    assert changed(store)[0].watermark == "2026-11-21T12:00:00Z"
    with pytest.raises(BadInput):
        store.changed("yesterday", None)


def test_a_look_up_returns_what_exists_with_its_product():
    fake = FakeWooCommerce([product(1), product(2, variations=[variation(3), variation(4)])])
    store = opened(fake)
    assert sorted(record.retailer_id for record in store.fetch(["1", "2", "3", "77", "no-number"])) == ["1", "3"]
    whole = {record.retailer_id: record for page in read(store.full) for record in page.records}
    assert {record.retailer_id: record for record in store.fetch(["1", "4"])} == {"1": whole["1"], "4": whole["4"]}


def test_a_look_up_of_a_thousand_ids_asks_for_a_hundred_at_a_time():
    fake = FakeWooCommerce([product(n) for n in range(1, 1001)])
    assert len(opened(fake).fetch([str(n) for n in range(1, 1001)])) == 1000
    assert [path for path, _ in fake.asked].count("variations") == 10
    assert max(len(params["include"].split(",")) for _, params in fake.asked if "include" in params) == 100


@pytest.mark.parametrize("cursor", ['[0, [], 0, "trash"]', '[0, [], 0, "orders"]', "7"])
@pytest.mark.fault("S11")
def test_a_cursor_of_another_pull_has_expired(cursor):
    with pytest.raises(CursorExpired):
        opened(FakeWooCommerce([product(1)])).full(cursor)
