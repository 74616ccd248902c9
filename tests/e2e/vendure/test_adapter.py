"""The vendure adapter against a real Vendure: each kind of change is found by the pull that owes it."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.e2e.vendure.changes import OPTIONS
from tests.e2e.vendure.merchant import VendureStore
from worker.errors import StoreRefused
from worker.stores import Store, StoreConfig, UnreadableRecord, kinds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture
def store(vendure_store: VendureStore):
    opened = open_store(vendure_store)
    yield opened
    opened.close()


def open_store(vendure_store: VendureStore, **options: str) -> Store:
    kind = kinds()["vendure"]
    config = StoreConfig(
        url=kind.canonical_url(vendure_store.url),
        options={**OPTIONS, **options},
        currency=None,
        secret=vendure_store.api_key,
        spool_dir="/nowhere",
        allowed_networks=("127.0.0.0/8",),
    )
    kind.check(config)
    return kind.open(config)


def full_records(store: Store):
    records, cursor = {}, None
    while True:
        page = store.full(cursor)
        records.update({record.retailer_id: record for record in page.records})
        if page.last:
            return records
        cursor = page.cursor


def full(store: Store):
    records, cursor, watermark = {}, None, None
    while True:
        page = store.full(cursor)
        watermark = watermark or page.watermark
        records.update({record.retailer_id: store.fields(record) for record in page.records})
        if page.last:
            return records, watermark
        cursor = page.cursor


def volatile(store: Store):
    found, cursor = {}, None
    while True:
        page = store.volatile(None, cursor)
        found.update({record.retailer_id: record.fields for record in page.records})
        if page.last:
            return found
        cursor = page.cursor


def changed(store: Store, watermark: str):
    found, cursor = {}, None
    while True:
        page = store.changed(watermark, cursor)
        found.update({record.retailer_id: store.fields(record) for record in page.records})
        if page.last:
            return found
        cursor = page.cursor


def test_the_whole_catalog_arrives_and_agrees_with_the_volatile_listing(store, vendure_store):
    items, _ = full(store)
    assert set(items) == {variant["id"] for variant in vendure_store.variants()}
    assert {name: {key: items[name][key] for key in fields} for name, fields in volatile(store).items()} == {
        name: {
            "price": item["price"],
            "availability": item["availability"],
            "quantity_to_sell_on_facebook": item["quantity_to_sell_on_facebook"],
            "sku": item["sku"],
        }
        for name, item in items.items()
    }


def test_a_price_arrives_by_the_volatile_pull_with_tax(store, vendure_store):
    variant = vendure_store.variants()[0]["id"]
    vendure_store.set_price(variant, 100_00)
    assert volatile(store)[variant]["price"] == "120.00 USD"


def test_a_price_before_the_reduction_arrives_by_the_volatile_pull_and_leaves_by_it(store, vendure_store):
    variant = vendure_store.variants()[3]
    vendure_store.set_compare_at(variant["id"], 9_999_00)
    reduced = volatile(store)[variant["id"]]
    price = f"{variant['priceWithTax'] / 100:.2f} USD"
    assert (reduced["price"], reduced["sale_price"]) == ("9999.00 USD", price)
    vendure_store.set_compare_at(variant["id"], None)
    ended = volatile(store)[variant["id"]]
    assert (ended["price"], "sale_price" in ended) == (price, False)


def test_the_stock_of_one_location_is_read_and_an_unknown_one_refused(store, vendure_store):
    variant = vendure_store.variants()[4]["id"]
    vendure_store.set_stock(variant, 5)
    location = vendure_store.add_stock_location("Second warehouse")
    vendure_store.set_stock_there(variant, location, 2)
    assert volatile(store)[variant]["quantity_to_sell_on_facebook"] == 7
    with closing(open_store(vendure_store, stock_location=location)) as there:
        assert volatile(there)[variant]["quantity_to_sell_on_facebook"] == 2
    elsewhere = open_store(vendure_store, stock_location="999")
    with closing(elsewhere), pytest.raises(StoreRefused, match="no such stock location"):
        elsewhere.volatile(None, None)


def test_an_order_that_takes_the_last_piece_arrives_by_the_volatile_pull(store, vendure_store):
    variant = vendure_store.variants()[1]["id"]
    vendure_store.set_stock(variant, 2)
    assert volatile(store)[variant]["quantity_to_sell_on_facebook"] == 2
    vendure_store.order(variant, 2)
    sold_out = volatile(store)[variant]
    assert (sold_out["availability"], sold_out["quantity_to_sell_on_facebook"]) == ("out of stock", 0)


def test_a_renamed_variant_arrives_by_the_delta_pull_although_its_product_has_not_changed(store, vendure_store):
    variant = vendure_store.variants()[2]["id"]
    _, watermark = full(store)
    vendure_store.set_variant_name(variant, "A name of its own")
    assert changed(store, watermark)[variant]["title"] == "A name of its own"


def test_a_disabled_product_is_archived_by_the_delta_pull(store, vendure_store):
    product = vendure_store.variants()[10]["productId"]
    _, watermark = full(store)
    vendure_store.set_product_enabled(product, enabled=False)
    found = changed(store, watermark)
    own = [variant["id"] for variant in vendure_store.variants() if variant["productId"] == product]
    assert [found[name]["status"] for name in own] == ["archived"] * len(own)


def test_a_variant_without_a_price_in_the_channel_stops_no_other_product(store, vendure_store):
    variants = vendure_store.variants()
    broken = variants[20]
    vendure_store.delete_price(broken["id"])
    kin = {one["id"] for one in variants if one["productId"] == broken["productId"]}
    whole = full_records(store)
    assert set(whole) == {one["id"] for one in variants}
    assert set(volatile(store)) == set(whole) - kin
    for name in kin:
        with pytest.raises(UnreadableRecord, match="no price in this channel"):
            store.fields(whole[name])
    vendure_store.set_price(broken["id"], 20_00)


def test_a_deleted_product_is_missed_by_the_full_pull_and_by_a_look_up(store, vendure_store):
    variants = vendure_store.variants()
    product = variants[-1]["productId"]
    gone = {variant["id"] for variant in variants if variant["productId"] == product}
    vendure_store.delete_product(product)
    items, _ = full(store)
    assert set(items) == {variant["id"] for variant in variants} - gone
    assert store.fetch(sorted(gone)) == []
