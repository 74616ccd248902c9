"""A Vendure variant as an item."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.vendure import FakeVendure, product, variant
from tests.unit.stores.vendure.vendure_shops import item, opened
from worker.errors import Permanent, StoreRefused
from worker.stores import UnreadableRecord


def test_a_variant_becomes_an_item():
    options = [
        {"name": "Red", "code": "red", "group": {"code": "shirt-color", "name": "Color"}},
        {"name": "M", "code": "m", "group": {"code": "size", "name": "Größe"}},
        {"name": "8GB, fast", "code": "8gb", "group": {"code": "laptop-ram", "name": "RAM"}},
    ]
    one = variant(5, options=options, featuredAsset={"preview": "/assets/5.jpg"})
    assert item(one, product(1, slug="röd tröja")) == {
        "title": "Variant 5",
        "sku": "S5",
        "description": "<p>About product 1</p>",
        "link": "https://shop.example/p/r%C3%B6d%20tr%C3%B6ja?v=5",
        "image_link": "https://api.example/assets/5.jpg",
        "additional_image_link": ["https://img.example/1.jpg"],
        "brand": "Acme",
        "item_group_id": "product-1",
        "condition": "new",
        "color": "Red",
        "size": "M",
        "additional_variant_attribute": "RAM:8GB  fast",
        "price": "12.00 USD",
        "availability": "in stock",
        "quantity_to_sell_on_facebook": 5,
    }


def test_the_order_of_options_changes_no_item():
    options = [
        {"name": "Oak", "code": "oak", "group": {"code": "wood", "name": "Wood"}},
        {"name": "Oil", "code": "oil", "group": {"code": "finish", "name": "Finish"}},
    ]
    found = [item(variant(5, options=some)) for some in (options, options[::-1])]
    assert [one["additional_variant_attribute"] for one in found] == ["Finish:Oil,Wood:Oak"] * 2


@pytest.mark.parametrize(
    ("changes", "settings", "sold"),
    [
        ({"stockLevels": [{"stockOnHand": 2, "stockAllocated": 2}]}, {}, ("out of stock", 0)),
        ({"stockLevels": [{"stockOnHand": 2, "stockAllocated": 5}]}, {}, ("out of stock", 0)),
        ({"stockLevels": []}, {}, ("out of stock", 0)),
        ({"stockLevels": [{"stockOnHand": 1, "stockAllocated": 0}] * 2}, {}, ("in stock", 2)),
        ({}, {"outOfStockThreshold": 5}, ("out of stock", 0)),
        (
            {"useGlobalOutOfStockThreshold": False, "outOfStockThreshold": -3},
            {"outOfStockThreshold": 5},
            ("in stock", 8),
        ),
        ({"trackInventory": "FALSE"}, {}, ("in stock", None)),
        ({"trackInventory": "INHERIT"}, {"trackInventory": False}, ("in stock", None)),
        ({"trackInventory": "TRUE"}, {"trackInventory": False}, ("in stock", 5)),
    ],
)
def test_stock_is_what_vendure_itself_would_sell(changes, settings, sold):
    fake = FakeVendure()
    fake.settings.update(settings)
    found = item(variant(1, **changes), fake=fake)
    assert (found["availability"], found.get("quantity_to_sell_on_facebook")) == sold


def test_prices_are_read_with_or_without_tax_and_by_the_shops_precision():
    assert item(variant(1), price="without_tax")["price"] == "10.00 USD"
    fake = FakeVendure()
    fake.settings["serverConfig"] = {"moneyStrategyPrecision": 3}
    assert item(variant(1, currencyCode="KWD"), fake=fake)["price"] == "1.200 KWD"


@pytest.mark.parametrize(
    ("was", "prices"),
    [
        (1500, ("15.00 USD", "12.00 USD")),
        (1200, ("12.00 USD", None)),
        (900, ("12.00 USD", None)),
        (None, ("12.00 USD", None)),
    ],
)
def test_a_custom_field_may_hold_the_price_before_a_reduction(was, prices):
    fake = FakeVendure([product(1, [variant(1, customFields={"compareAtPrice": was})])])
    store = opened(fake, compare_at_field="compareAtPrice")
    item = dict(store.fields(store.full(None).records[0]))
    assert (item["price"], item.get("sale_price")) == prices
    sold = store.volatile(None, None).records[0].fields
    assert (sold["price"], sold.get("sale_price")) == prices
    lists = [text for text in fake.documents if not text.startswith("query Settings")]
    assert ["customFields { compareAtPrice }" in text for text in lists] == [True, True]


def test_no_custom_field_is_asked_for_where_no_option_names_one():
    fake = FakeVendure([product(1)])
    opened(fake).full(None)
    assert all("customFields" not in text for text in fake.documents)


def test_a_custom_field_that_the_shop_does_not_have_is_named():
    fake = FakeVendure([product(1)])
    body = b'{"errors": [{"message": "", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]}'
    fake.override = httpx.Response(400, headers={"content-type": "application/json"}, stream=httpx.ByteStream(body))
    with pytest.raises(Permanent) as caught:
        opened(fake, compare_at_field="rrp").full(None)
    assert "custom field rrp" in caught.value.action


def test_one_stock_location_may_be_the_one_that_counts():
    levels = [
        {"stockOnHand": 7, "stockAllocated": 2, "stockLocationId": "1"},
        {"stockOnHand": 4, "stockAllocated": 1, "stockLocationId": "2"},
    ]
    fake = FakeVendure([product(1, [variant(1, stockLevels=levels)])])
    for options, sold in (({}, 8), ({"stock_location": "2"}, 3), ({"stock_location": "1"}, 5)):
        store = opened(fake, **options)
        item = store.fields(store.full(None).records[0])
        found = store.volatile(None, None).records[0].fields
        assert [one["quantity_to_sell_on_facebook"] for one in (item, found)] == [sold, sold]


def test_a_stock_location_that_the_shop_does_not_have_is_refused():
    fake = FakeVendure([product(1)])
    with pytest.raises(StoreRefused, match="no such stock location"):
        opened(fake, stock_location="9").volatile(None, None)
    assert [name for name, _ in fake.asked] == ["Settings"]


@pytest.mark.parametrize(("owner", "one"), [({"enabled": False}, {}), ({}, {"enabled": False})])
def test_what_the_shop_hides_is_archived(owner, one):
    assert item(variant(1, **one), product(1, **owner))["status"] == "archived"


@pytest.mark.parametrize(
    "changes",
    [
        {"priceWithTax": None},
        {"priceWithTax": 1.5},
        {"stockLevels": None},
        {"stockLevels": [{}]},
        {"customFields": {"rrp": "12.00"}},
    ],
)
def test_a_variant_of_another_shape_is_unreadable(changes):
    with pytest.raises(UnreadableRecord):
        item(variant(1, **changes), compare_at_field="rrp")
