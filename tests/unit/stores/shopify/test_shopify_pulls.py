"""A Shopify shop read by lists: what changed, prices and stock, and single variants by id."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.shopify import level, product, variant
from tests.unit.stores.shopify.shopify_pulls import NOW, SINCE, WATERMARK, delta, ids, operations, pages
from worker.errors import StoreRefused
from worker.stores.shopify.store import PAGED_VARIANTS


def test_a_delta_of_a_quiet_shop_asks_three_lists_and_finds_nothing(fake, opened):
    found = delta(opened())
    assert ids(found) == []
    assert operations(fake) == ["Shop", "ChangedProducts", "Variants", "ChangedStock", "Scopes"]
    assert found[0].watermark == "2026-11-21T12:00:00Z"
    queries = [variables["query"] for _, variables in fake.asked[1:4]]
    assert queries == [
        f"updated_at:>='{SINCE}' status:active,archived,draft,unlisted",
        f"updated_at:>='{SINCE}'",
        f"updated_at:>='{SINCE}'",
    ]


def test_a_product_that_changed_brings_all_of_its_variants(fake, opened):
    fake.products[1]["updatedAt"] = NOW
    assert ids(delta(opened())) == ["2000", "2001"]


def test_a_variant_that_changed_alone_comes_alone(fake, opened):
    fake.products[1]["variants"][1].update(updatedAt=NOW, price="9.00")
    store = opened()
    (record,) = [record for page in delta(store) for record in page.records]
    assert (record.retailer_id, store.fields(record)["price"]) == ("2001", "9.00 USD")


def test_stock_that_changed_alone_brings_its_variant(fake, opened):
    changed = fake.products[1]["variants"][1]
    changed["sellableOnlineQuantity"] = 0
    changed["inventoryItem"]["updatedAt"] = NOW
    store = opened()
    (record,) = [record for page in delta(store) for record in page.records]
    assert (record.retailer_id, store.fields(record)["availability"]) == ("2001", "out of stock")


@pytest.mark.parametrize("scopes", [["read_inventory", "read_locations"], ["write_inventory", "write_locations"]])
def test_a_level_that_changed_alone_brings_its_variant_whatever_its_location(fake, opened, scopes):
    fake.scopes += scopes
    fake.locations = [
        {"id": "gid://shopify/Location/1", "inventoryLevels": [level(1000)]},
        {"id": "gid://shopify/Location/2", "inventoryLevels": [level(2001, updatedAt=NOW), level(2000)]},
        {"id": "gid://shopify/Location/3", "inventoryLevels": []},
    ]
    assert ids(delta(opened())) == ["2001"]
    assert operations(fake).count("ChangedLevels") == 3


def test_many_levels_of_many_locations_are_read_in_slices_by_any_process(fake, opened):
    fake.scopes += ["read_inventory", "read_locations"]
    fake.products = [product(1, [variant(1000 + number) for number in range(220)])]
    fake.locations = [
        {
            "id": f"gid://shopify/Location/{place}",
            "inventoryLevels": [level(1000 + number, updatedAt=NOW) for number in range(place, 220, 2)],
        }
        for place in range(2)
    ]
    found, cursor = [], None
    while True:
        page = opened().changed(WATERMARK, cursor)
        found += [record.retailer_id for record in page.records]
        if page.last:
            break
        cursor = page.cursor
    assert found == [str(1000 + number) for place in range(2) for number in range(place, 220, 2)]


def test_without_the_scopes_for_levels_none_are_asked_for(fake, opened):
    fake.scopes += ["read_inventory"]
    fake.denied = {"locations": "read_locations"}
    assert ids(delta(opened())) == []
    assert "ChangedLevels" not in operations(fake)


def test_what_changed_in_all_lists_comes_once(fake, opened):
    fake.products[1]["updatedAt"] = NOW
    for one in fake.products[1]["variants"]:
        one["updatedAt"] = one["inventoryItem"]["updatedAt"] = NOW
    assert ids(delta(opened())) == ["2000", "2001"]


def test_a_draft_is_read_so_that_it_is_archived(fake, opened):
    fake.products[0].update(updatedAt=NOW, status="DRAFT")
    store = opened()
    (record,) = [record for page in delta(store) for record in page.records]
    assert store.fields(record)["status"] == "archived"


def test_a_large_delta_is_read_in_slices_by_any_process(fake, opened):
    fake.products = [
        product(number, [variant(10_000 * number + one) for one in range(70)], updatedAt=NOW) for number in range(1, 28)
    ]
    expected = [str(10_000 * number + one) for number in range(1, 28) for one in range(70)]
    straight = opened()
    assert ids(delta(straight)) == expected
    found, cursor = [], None
    while True:
        page = opened().changed(WATERMARK, cursor)
        found += [record.retailer_id for record in page.records]
        assert len(page.cursor or "") < 600
        if page.last:
            break
        cursor = page.cursor
    assert found == expected


def test_a_product_is_read_once_for_all_variants_of_a_page(fake, opened):
    fake.products[1]["updatedAt"] = NOW
    delta(opened())
    assert [variables["ids"] for name, variables in fake.asked if name == "ProductsById"] == [
        ["gid://shopify/Product/2"]
    ]


def test_a_variant_whose_product_is_gone_by_now_is_left_out(fake, opened):
    fake.products[1]["variants"][0]["updatedAt"] = NOW
    whole = fake._nodes
    fake._nodes = lambda ids: [
        None if "/Product/" in one else found for one, found in zip(ids, whole(ids), strict=True)
    ]
    assert ids(delta(opened())) == []


def test_a_small_shop_is_paged_for_prices_and_stock(fake, opened):
    fake.products = [product(1, [variant(number) for number in range(600)])]
    store = opened()
    found = pages(lambda cursor: store.volatile(None, cursor))
    assert [len(page.records) for page in found] == [250, 250, 100]
    assert operations(fake) == ["Shop", "Count", "Sold", "Sold", "Sold"]
    assert dict(found[0].records[0].fields) == {
        "price": "12.00 USD",
        "availability": "in stock",
        "quantity_to_sell_on_facebook": 5,
        "sku": "S0",
    }


@pytest.mark.parametrize("count", [600, PAGED_VARIANTS + 1], ids=["paged", "exported"])
def test_one_location_may_be_the_one_whose_stock_counts(fake, opened, count):
    fake.products = [product(1, [variant(number) for number in range(count)])]
    there = [level(0), level(1, quantities=[{"name": "available", "quantity": -4}])]
    fake.locations = [{"id": "gid://shopify/Location/7", "inventoryLevels": there}]
    store = opened(stock_location="7")
    found = [one for page in pages(lambda cursor: store.volatile(None, cursor)) for one in page.records]
    # The first is counted down by nobody else; the last is not stocked there.
    stock = [(one.fields["availability"], one.fields["quantity_to_sell_on_facebook"]) for one in found]
    assert (stock[0], stock[1], stock[-1], len(stock)) == (
        ("in stock", 3), ("out of stock", 0), ("out of stock", 0), count,
    )  # fmt: skip
    store = opened("another", stock_location="7")
    whole = [one for page in pages(store.full) for one in page.records]
    assert [store.fields(one)["quantity_to_sell_on_facebook"] for one in whole][:3] == [3, 0, 0]


def test_a_location_that_the_shop_does_not_have_is_refused(fake, opened):
    with pytest.raises(StoreRefused, match="no such location"):
        opened(stock_location="7").volatile(None, None)
    assert operations(fake) == ["Shop"]


def test_a_large_shop_is_exported_for_prices_and_stock(fake, opened):
    count = PAGED_VARIANTS + 1
    fake.products = [product(1, [variant(number) for number in range(count)])]
    store = opened()
    found = pages(lambda cursor: store.volatile(None, cursor))
    assert ids(found) == [str(number) for number in range(count)]
    assert operations(fake) == ["Shop", "Count", "RunExport", "Export", "Export"]


def test_a_look_up_reads_many_ids_in_few_calls(fake, opened):
    fake.products = [product(number) for number in range(1, 151)]
    found = opened().fetch(
        [*(str(1000 * number) for number in range(1, 151)), "999", "sku-1", "gid://shopify/Product/1"]
    )
    assert sorted(int(record.retailer_id) for record in found) == [1000 * number for number in range(1, 151)]
    assert operations(fake) == ["Shop", *["VariantsById"] * 3, *["ProductsById"] * 8]


def test_paging_writes_no_file(opened, tmp_path):
    opened().volatile(None, None)
    assert not Path(tmp_path / "one").exists()
