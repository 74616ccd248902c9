"""How a WooCommerce product is understood: its item, its price and stock, and what is left out."""

from __future__ import annotations

import pytest

from tests.fakes.woocommerce import FakeWooCommerce, product, variation
from tests.unit.stores.woocommerce.woocommerce_pulls import ids, item, items, opened, read
from worker.errors import StoreRefused
from worker.stores.woocommerce import WooCommerce

BLUE = {"id": 1, "name": "Color", "slug": "pa_color", "option": "Blue"}


def test_a_simple_product_becomes_an_item():
    one = product(
        12,
        sku="hoodie",
        global_unique_id="4006381333931",
        brands=[{"id": 3, "name": "Acme", "slug": "acme"}],
        images=[{"id": 1, "src": "https://img.example/a.jpg"}, {"id": 2, "src": "https://img.example/b.jpg"}],
        attributes=[
            {"id": 1, "name": "Farbe", "slug": "pa_color", "variation": False, "options": ["Gray"]},
            {"id": 2, "name": "Size", "slug": "pa_size", "variation": False, "options": ["S", "M"]},
            {"id": 0, "name": "Washing", "slug": "Washing", "variation": False, "options": ["30 degrees"]},
        ],
    )
    assert item(one) == {
        "title": "Product 12",
        "description": "<p>About product 12</p>\n",
        "link": "https://shop.example/product/product-12/",
        "image_link": "https://img.example/a.jpg",
        "additional_image_link": ["https://img.example/b.jpg"],
        "brand": "Acme",
        "gtin": "4006381333931",
        "mpn": "hoodie",
        "sku": "hoodie",
        "color": "Gray",
        "condition": "new",
        "price": "10 USD",
        "availability": "in stock",
    }


def test_a_variation_is_an_item_with_what_only_its_product_knows():
    attributes = [
        BLUE,
        {"id": 2, "name": "Größe", "slug": "pa_size", "option": "L"},
        {"id": 0, "name": "Logo", "slug": "logo", "option": "Yes, big"},
        {"id": 3, "name": "Any", "slug": "any", "option": ""},
    ]
    one = variation(34, attributes=attributes, image={"id": 5, "src": "https://img.example/34.jpg"})
    brand = {"id": 0, "name": "Brand", "slug": "Brand", "variation": False, "options": ["Acme"]}
    assert item(product(11, name="Hoodie", variations=[one], attributes=[brand])) == {
        "title": "Hoodie - Blue, L, Yes, big",
        "description": "<p>About product 11</p>\n",
        "link": "https://shop.example/product/p/?attribute_size=34",
        "image_link": "https://img.example/34.jpg",
        "additional_image_link": ["https://img.example/11.jpg"],
        "brand": "Acme",
        "mpn": "S34",
        "sku": "S34",
        "item_group_id": "11",
        "color": "Blue",
        "size": "L",
        "additional_variant_attribute": "Logo:Yes  big",
        "condition": "new",
        "price": "10 USD",
        "availability": "in stock",
    }


def test_a_variable_product_is_no_item_and_its_own_description_yields_to_the_variations():
    found = items(FakeWooCommerce([product(11, variations=[variation(34, description="Its own"), variation(35)])]))
    assert {name: one["description"] for name, one in found.items()} == {
        "34": "Its own", "35": "<p>About product 11</p>\n",
    }  # fmt: skip


def test_attributes_are_named_by_the_shops_options():
    attributes = [
        {"name": "Farve", "slug": "pa_farve", "variation": False, "options": ["Blå"]},
        {"name": "Mærke", "slug": "pa_maerke", "variation": False, "options": ["Acme"]},
    ]
    found = item(
        product(1, attributes=attributes), color_attributes="farve", brand_attributes="Mærke", condition="used"
    )
    assert (found["color"], found["brand"], found["condition"]) == ("Blå", "Acme", "used")


@pytest.mark.parametrize(
    ("sold", "fields"),
    [
        ({"regular_price": "20", "sale_price": "18"}, {"price": "20 USD", "sale_price": "18 USD"}),
        ({"regular_price": "1.299"}, {"price": "1.2990 USD"}),
        ({"regular_price": ".5"}, {"price": "0.5 USD"}),
        ({"regular_price": "12,50"}, {"price": "12,50 USD"}),
        ({"regular_price": "", "sale_price": ""}, {}),
        ({"regular_price": "", "sale_price": "", "price": "9.99"}, {}),
        (
            {
                "sale_price": "8",
                "date_on_sale_from_gmt": "2026-11-20T23:00:00",
                "date_on_sale_to_gmt": "2026-11-30T22:59:59",
            },
            {
                "price": "10 USD",
                "sale_price": "8 USD",
                "sale_price_effective_date": "2026-11-20T23:00:00+00:00/2026-11-30T22:59:59+00:00",
            },
        ),
        (
            {"sale_price": "8", "date_on_sale_to_gmt": "2026-11-30T22:59:59"},
            {"price": "10 USD", "sale_price": "8 USD", "sale_price_effective_date": "/2026-11-30T22:59:59+00:00"},
        ),
        ({"sale_price": "", "date_on_sale_to_gmt": "2026-11-30T22:59:59"}, {"price": "10 USD"}),
    ],
)
def test_prices_are_told_as_they_were_entered(sold, fields):
    found = item(product(1, **sold))
    assert {name: value for name, value in found.items() if "price" in name} == fields


@pytest.mark.parametrize(
    ("stock", "sold"),
    [
        ({"stock_status": "instock"}, ("in stock", None)),
        ({"stock_status": "outofstock"}, ("out of stock", None)),
        ({"stock_status": "onbackorder"}, ("available for order", None)),
        ({"manage_stock": True, "stock_quantity": 7}, ("in stock", 7)),
        ({"manage_stock": "parent", "stock_quantity": 40}, ("in stock", 40)),
        ({"manage_stock": True, "stock_quantity": 2.5}, ("in stock", 2)),
        ({"manage_stock": True, "stock_quantity": None}, ("in stock", None)),
        ({"manage_stock": False, "stock_quantity": 3}, ("in stock", None)),
        ({"manage_stock": True, "stock_quantity": -2, "stock_status": "outofstock"}, ("out of stock", 0)),
        # With backorders and something left, what is left is told; with none, none is asked for.
        ({"manage_stock": True, "stock_quantity": 3, "backorders": "yes"}, ("in stock", 3)),
        (
            {"manage_stock": True, "stock_quantity": -2, "backorders": "notify", "stock_status": "onbackorder"},
            ("available for order", None),
        ),
        ({"stock_status": "preorder"}, ("preorder", None)),
    ],
)
def test_stock_is_what_woocommerce_itself_would_sell(stock, sold):
    for one in (product(1, **stock), product(1, variations=[variation(2, **stock)])):
        found = item(one)
        assert (found["availability"], found.get("quantity_to_sell_on_facebook")) == sold


@pytest.mark.parametrize(
    ("owner", "own"),
    [
        ({"status": "draft"}, {}),
        ({"status": "pending"}, {}),
        ({"status": "private"}, {}),
        ({"status": "future"}, {}),
        ({"catalog_visibility": "hidden"}, {}),
        ({"post_password": "open sesame"}, {}),
        ({}, {"status": "private"}),
    ],
)
def test_what_the_shop_hides_is_archived(owner, own):
    assert item(product(1, variations=[variation(2, **own)], **owner))["status"] == "archived"
    assert item(product(1, **{**owner, **own}))["status"] == "archived"


@pytest.mark.parametrize("visibility", ["visible", "catalog", "search"])
def test_what_can_be_found_in_one_place_is_shown(visibility):
    assert "status" not in item(product(1, catalog_visibility=visibility))


@pytest.mark.parametrize("kind", ["external", "grouped", "variable-subscription"])
def test_what_the_shop_does_not_sell_as_an_item_is_archived_with_the_reason(kind):
    variations = [variation(5)] if kind == "variable-subscription" else []
    fake = FakeWooCommerce([product(1), product(2, type=kind, variations=variations)])
    store = opened(fake)
    pages = read(store.full)
    assert ids(pages) == ["1", "2"]
    assert [store.fields(record).get("status") for page in pages for record in page.records] == [None, "archived"]
    notices = [notice for page in pages for notice in page.notices]
    assert [(notice.retailer_id, notice.code) for notice in notices] == [("", f"product.type.{kind}")]


def test_the_currency_is_the_shops_setting_and_the_option_goes_before_it():
    fake = FakeWooCommerce([product(1)])
    fake.settings["general/woocommerce_currency"] = "JPY"
    assert item_price(opened(fake, "EUR")) == "10 JPY"
    assert item_price(opened(fake, "EUR", currency="SEK")) == "10 SEK"
    fake.may_read_settings = False
    assert item_price(opened(fake, "EUR")) == "10 EUR"
    with pytest.raises(StoreRefused, match="does not tell us its currency"):
        opened(fake).full(None)


def item_price(store: WooCommerce) -> str:
    return store.fields(store.full(None).records[0])["price"]


def test_a_shop_whose_prices_have_to_include_tax_is_refused_when_they_do_not():
    fake = FakeWooCommerce([product(1)])
    assert item_price(opened(fake, prices="with_tax")) == "10 USD"
    fake.settings["tax/woocommerce_prices_include_tax"] = "no"
    assert item_price(opened(fake)) == "10 USD"
    with pytest.raises(StoreRefused, match="keeps its prices without tax"):
        opened(fake, prices="with_tax").full(None)
    fake.may_read_settings = False
    with pytest.raises(StoreRefused, match="does not tell us how it keeps them"):
        opened(fake, "USD", prices="with_tax").full(None)
