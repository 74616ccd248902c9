"""How one Medusa variant becomes an item, and how many of it can be sold."""

from __future__ import annotations

import pytest

from tests.fakes.medusa import CHANNEL, LOCATION, FakeMedusa, image, level, option, part, product, variant
from tests.unit.stores.medusa.medusa_shops import item, sold
from worker.items.prepare import prepare
from worker.stores import UnreadableRecord


def test_a_variant_becomes_an_item():
    owner = product(
        1,
        handle="röd tröja",
        metadata={"brand": "Acme"},
        type={"value": "Shirts"},
        categories=[{"name": "Winter"}],
        collection={"title": "New"},
        tags=[{"value": "warm"}, {"value": "eco"}],
        material="wool",
        images=[image("https://img.example/b.jpg", 1), image("https://img.example/a.jpg", 0)],
    )
    options = [option("RAM", "8GB, fast"), option("Color", "Red"), option("SIZE", "M"), option("Fit", "slim")]
    found = item(variant(5, options=options, ean="4006381333931", upc="x"), owner)
    assert found == {
        "title": "Product 1",
        "description": "About product 1",
        "link": "https://shop.example/p/r%C3%B6d%20tr%C3%B6ja?v=5",
        "image_link": "https://img.example/a.jpg",
        "additional_image_link": ["https://img.example/b.jpg"],
        "brand": "Acme",
        "gtin": "4006381333931",
        "mpn": "S5",
        "sku": "S5",
        "item_group_id": "prod_000001",
        "product_type": "Shirts",
        "internal_label": ["New", "eco", "warm"],
        "material": "wool",
        "condition": "new",
        "color": "Red",
        "size": "M",
        "additional_variant_attribute": "Fit:slim,RAM:8GB  fast",
        "price": "12.00 USD",
        "availability": "in stock",
        "quantity_to_sell_on_facebook": 5,
    }
    assert prepare("5", found, None).findings == ()


def test_what_medusa_gives_in_another_order_is_the_same_item():
    options = [option("Fit", "slim"), option("RAM", "8GB")]
    pictures = [image("https://img.example/a.jpg", 0), image("https://img.example/b.jpg", 1)]
    tags = [{"value": "a"}, {"value": "b"}]
    categories = [{"name": "A"}, {"name": "B"}]
    there = item(variant(1, options=options), product(1, images=pictures, tags=tags, categories=categories))
    back = product(1, images=pictures[::-1], tags=tags[::-1], categories=categories[::-1])
    assert item(variant(1, options=options[::-1]), back) == there


def test_a_product_without_options_has_no_attribute():
    found = item(variant(1, options=[option("Default option", "Default option value")]))
    assert "additional_variant_attribute" not in found


@pytest.mark.parametrize(
    ("own", "of_product", "pictures"),
    [
        # The dashboard's thumbnail is one of the pictures; it comes first.
        ({}, {"thumbnail": "https://i.example/2", "images": ["1", "2"]}, ["2", "1"]),
        ({}, {"thumbnail": "https://i.example/t", "images": []}, ["t"]),
        # A variant's pictures leave out those of the other variants, which the product's thumbnail may be.
        ({"images": ["2"]}, {"thumbnail": "https://i.example/1", "images": ["1", "2"]}, ["2"]),
        ({"thumbnail": "https://i.example/v", "images": ["2"]}, {"images": ["1"]}, ["v", "2"]),
        ({}, {"images": []}, []),
    ],
)
def test_pictures_are_the_variants_own_before_the_products(own, of_product, pictures):
    def rows(found):
        urls = [image(f"https://i.example/{name}", rank) for rank, name in enumerate(found.get("images", []))]
        return {**found, "images": urls}

    found = item(variant(1, **rows(own)), product(1, **rows(of_product)))
    links = [*([found["image_link"]] if "image_link" in found else []), *found.get("additional_image_link", [])]
    assert links == [f"https://i.example/{name}" for name in pictures]


@pytest.mark.parametrize(
    ("changes", "availability", "quantity"),
    [
        ({"inventory_items": [part("i", level(2, 2))]}, "out of stock", 0),
        ({"inventory_items": [part("i", level(2, 5))]}, "out of stock", 0),
        ({"inventory_items": [part("i")]}, "out of stock", 0),
        ({"inventory_items": []}, "out of stock", 0),
        ({"inventory_items": [part("i", level(1), level(3, 1, "sloc_02"))]}, "in stock", 3),
        ({"inventory_items": [part("i", level(9)), part("j", level(7), required=2)]}, "in stock", 3),
        ({"inventory_items": [part("i", level(1)), part("j", level(1), required=2)]}, "out of stock", 0),
        ({"inventory_items": [], "manage_inventory": False}, "in stock", None),
        ({"allow_backorder": True}, "in stock", None),
        ({"allow_backorder": True, "inventory_items": [part("i", level(0))]}, "available for order", None),
    ],
)
def test_stock_is_what_medusa_itself_would_sell(changes, availability, quantity):
    for found in (item(variant(1, **changes)), sold(variant(1, **changes), FakeMedusa())):
        assert (found["availability"], found.get("quantity_to_sell_on_facebook")) == (availability, quantity)


def test_the_stock_that_counts_is_that_of_the_location_or_of_the_channel():
    fake = FakeMedusa()
    fake.locations = [LOCATION, "sloc_02", "sloc_03"]
    fake.channels[CHANNEL] = [LOCATION, "sloc_02"]
    one = variant(1, inventory_items=[part("i", level(1), level(20, 0, "sloc_02"), level(300, 0, "sloc_03"))])
    name = "quantity_to_sell_on_facebook"
    assert sold(one, fake)[name] == 321
    assert sold(one, fake, sales_channel=CHANNEL)[name] == 21
    assert sold(one, fake, stock_location="sloc_03")[name] == 300
    assert sold(one, fake, sales_channel=CHANNEL, stock_location="sloc_02")[name] == 20


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected"])
def test_what_is_not_published_is_archived(status):
    assert item(variant(1), product(1, status=status))["status"] == "archived"
    assert "status" not in item(variant(1), product(1))


def test_what_is_in_no_channel_or_in_another_one_is_archived():
    elsewhere = product(1, sales_channels=[{"id": "sc_02"}])
    assert "status" not in item(variant(1), elsewhere)
    assert item(variant(1), product(1, sales_channels=[]))["status"] == "archived"
    assert item(variant(1), elsewhere, sales_channel=CHANNEL)["status"] == "archived"
    assert "status" not in item(variant(1), product(1), sales_channel=CHANNEL)


def test_a_variant_without_a_sku_has_none():
    found = item(variant(1, sku=None))
    assert {"sku", "mpn"} & found.keys() == set()
    assert "sku" not in sold(variant(1, sku=None), FakeMedusa())
    assert sold(variant(1), FakeMedusa())["sku"] == "S1"


@pytest.mark.parametrize(
    "changes",
    [
        {"prices": None},
        {"prices": [{"amount": 1}]},
        {"prices": [{"amount": None, "currency_code": "usd", "min_quantity": None, "rules": {}}]},
        {"inventory_items": None},
        {"inventory_items": [{"required_quantity": 1, "inventory": None}]},
        {"inventory_items": [part("i", level("7"))]},
        {"inventory_items": [part("i", level(True))]},
        {"inventory_items": [part("i", level(7), required=0)]},
        {"manage_inventory": None},
        {"allow_backorder": "no"},
    ],
)
def test_a_variant_of_another_shape_is_unreadable_and_spoils_no_other(changes):
    with pytest.raises(UnreadableRecord):
        item(variant(1, **changes))


@pytest.mark.parametrize("changes", [{"sales_channels": None}, {"id": None}])
def test_a_product_of_another_shape_makes_its_variants_unreadable(changes):
    with pytest.raises(UnreadableRecord):
        item(variant(1), product(1, **changes))
