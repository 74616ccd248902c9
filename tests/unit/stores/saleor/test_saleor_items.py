"""A Saleor variant as an item."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.saleor import CHANNEL, attribute, category, choice, gid, listing, picture, pricing, product, stock
from tests.fakes.saleor import variant as plain
from tests.unit.stores.saleor.saleor_shop import item, opened, sold
from worker.stores import Record, UnreadableRecord

ID = gid("ProductVariant", 1000)


def variant(**changes: Any) -> dict[str, Any]:
    return plain(1000, **changes)


def rich(*blocks: dict[str, Any]) -> str:
    return json.dumps({"time": 1, "blocks": list(blocks), "version": "2"})


def test_a_variant_becomes_an_item():
    one = variant(
        assignedAttributes=[
            choice("color", "Red", "AssignedSwatchAttribute"),
            choice("size", "M"),
            choice("fit", "Slim, long"),
            attribute("ean", "AssignedPlainTextAttribute", "4006381333931"),
        ],
        media=[picture(7), {"type": "VIDEO", "url": "https://video.example/1"}],
    )
    assert item(one) == {
        "title": "Product 1",
        "description": "<p>About product 1</p>",
        "link": "https://shop.example/p/product-1?variant=UHJvZHVjdFZhcmlhbnQ6MTAwMA%3D%3D",
        "image_link": "https://img.example/7.jpg",
        "additional_image_link": ["https://img.example/1.jpg"],
        "item_group_id": gid("Product", 1),
        "product_type": "Apparel > Shirts",
        "brand": "Acme",
        "gtin": "4006381333931",
        "mpn": "S1000",
        "sku": "S1000",
        "condition": "new",
        "color": "Red",
        "size": "M",
        "additional_variant_attribute": "Fit:Slim  long",
        "price": "12.00 USD",
        "availability": "in stock",
        "quantity_to_sell_on_facebook": 5,
    }


def test_a_variant_without_an_sku_has_none():
    assert item(variant(sku=None)).keys() & {"sku", "mpn"} == set()
    assert "sku" not in sold(variant(sku=None))


@pytest.mark.parametrize(
    ("amount", "undiscounted", "price", "sale"),
    [
        (12.0, 12.0, "12.00 USD", None),
        (9.5, 12.0, "12.00 USD", "9.50 USD"),
        (12.0, 9.5, "12.00 USD", None),
        (1195.08, 1195.08, "1195.08 USD", None),
        (19.990000000000002, 25, "25.00 USD", "19.99 USD"),
        (0.125, 0.125, "0.125 USD", None),
        (1e16, 1e16, "10000000000000000.00 USD", None),
    ],
)
def test_a_price_below_the_undiscounted_one_is_a_sale(amount, undiscounted, price, sale):
    one = variant(pricing={CHANNEL: pricing(amount, undiscounted)})
    for found in (item(one), sold(one)):
        assert (found["price"], found.get("sale_price")) == (price, sale)


def test_the_price_is_that_of_the_channel():
    one = variant(pricing={"channel-pl": pricing(50.0, currency="PLN"), CHANNEL: pricing(12.0)})
    assert item(one)["price"] == "12.00 USD"


@pytest.mark.parametrize(("option", "expected"), [("with_tax", "12.00 USD"), ("without_tax", "3.00 USD")])
def test_the_option_says_whether_prices_have_tax(option, expected):
    assert item(variant(), price=option)["price"] == sold(variant(), price=option)["price"] == expected


@pytest.mark.parametrize(
    ("stocks", "warehouse", "quantity"),
    [
        ([stock(5)], None, 5),
        ([stock(5, 2), stock(4, 1, "outlet")], None, 6),
        ([stock(5, 2), stock(4, 1, "outlet")], "outlet", 3),
        ([stock(5, 2), stock(4, 1, "outlet")], "Main, outlet", 6),
        ([stock(5), stock(100, 0, "of-another-channel")], None, 5),
        ([stock(2, 5)], None, 0),
        ([], None, 0),
    ],
)
def test_stock_is_what_the_channels_warehouses_have_left(stocks, warehouse, quantity):
    options = {"warehouse": warehouse} if warehouse else {}
    for found in (item(variant(stocks=stocks), **options), sold(variant(stocks=stocks), **options)):
        assert found["quantity_to_sell_on_facebook"] == quantity
        assert found["availability"] == ("in stock" if quantity else "out of stock")


def test_stock_that_is_not_tracked_is_never_out():
    found = sold(variant(trackInventory=False, stocks=[stock(0)]))
    assert found["availability"] == "in stock"
    assert "quantity_to_sell_on_facebook" not in found


@pytest.mark.parametrize(
    ("limit", "taken", "expected"), [(None, 7, "preorder"), (10, 9, "preorder"), (10, 10, "out of stock")]
)
def test_a_preorder_lasts_until_its_threshold_is_sold(limit, taken, expected):
    one = variant(preorder={"globalThreshold": limit, "globalSoldUnits": taken}, stocks=[])
    for found in (item(one), sold(one)):
        assert found["availability"] == expected
        assert "quantity_to_sell_on_facebook" not in found


HIDDEN = [
    {"isPublished": False},
    {"publishedAt": "2026-11-21T12:00:01+00:00"},
    {"visibleInListings": False},
]


@pytest.mark.parametrize("changes", HIDDEN)
def test_what_the_channel_does_not_show_is_archived_and_sold_out(changes):
    of = product(1, channelListings=[listing("other"), listing(**changes)])
    assert item(variant(), of)["status"] == "archived"
    assert sold(variant(), of)["availability"] == "out of stock"
    assert sold(variant(), of)["quantity_to_sell_on_facebook"] == 0


@pytest.mark.parametrize("changes", [{"publishedAt": None}, {"publishedAt": "2026-11-21T12:00:00+00:00"}])
def test_what_was_published_is_shown(changes):
    assert "status" not in item(variant(), product(1, channelListings=[listing(**changes)]))


def test_what_may_not_be_bought_yet_is_shown_and_sold_out():
    found = item(variant(), product(1, channelListings=[listing(isAvailableForPurchase=False)]))
    assert "status" not in found
    assert found["availability"] == "out of stock"


def test_a_variant_without_a_price_in_the_channel_is_archived_and_sold_out():
    one = variant(pricing={"channel-pl": pricing(50.0, currency="PLN")})
    assert item(one)["status"] == "archived"
    assert sold(one) == {"sku": "S1000", "availability": "out of stock", "quantity_to_sell_on_facebook": 0}


@pytest.mark.parametrize(
    ("slug", "value", "field", "expected"),
    [
        ("material", "Cotton", "material", "Cotton"),
        ("pattern", "Striped", "pattern", "Striped"),
        ("age-group", "adult", "age_group", "adult"),
        ("gender", "female", "gender", "female"),
        ("condition", "used", "condition", "used"),
        ("google-product-category", "212", "google_product_category", "212"),
        ("mpn", "M-1", "mpn", "M-1"),
    ],
)
def test_an_attribute_named_like_a_field_of_metas_is_that_field(slug, value, field, expected):
    one = choice(slug, value)
    assert item(variant(), product(1, assignedAttributes=[one]))[field] == expected
    found = item(variant(assignedAttributes=[one]))
    assert found[field] == expected
    assert "additional_variant_attribute" not in found


def test_the_variants_attribute_comes_before_its_products():
    of = product(1, assignedAttributes=[choice("color", "Blue")])
    assert item(variant(assignedAttributes=[choice("color", "Red")]), of)["color"] == "Red"


def test_attributes_of_every_kind_are_read_as_text():
    given = [
        attribute("size", "AssignedNumericAttribute", 42.0),
        attribute("color", "AssignedMultiChoiceAttribute", [
            {"name": "Red", "translations": {}}, {"name": "Blue", "translations": {}},
        ]),
        attribute("material", "AssignedPlainTextAttribute", "Wool"),
        attribute("manual", "AssignedFileAttribute", None),
    ]  # fmt: skip
    found = item(variant(assignedAttributes=given))
    assert (found["size"], found["color"], found["material"]) == ("42", "Red/Blue", "Wool")
    assert "additional_variant_attribute" not in found


def test_the_options_name_the_attributes_of_brand_color_and_size():
    of = product(1, assignedAttributes=[choice("hersteller", "Acme")])
    one = variant(assignedAttributes=[choice("farbe", "Rot"), choice("weite", "M")])
    found = item(one, of, brand_attributes="Hersteller", color_attributes="farbe", size_attributes="groesse, weite")
    assert (found["brand"], found["color"], found["size"]) == ("Acme", "Rot", "M")
    assert "additional_variant_attribute" not in found


def test_texts_come_in_the_language_asked_for_where_there_are_any():
    told = {"DE": {"name": "Hemd", "description": rich({"type": "paragraph", "data": {"text": "Über"}})}}
    of = product(1, translations=told, category={**category("Shirts"), "translations": {"DE": {"name": "Hemden"}}})
    one = variant(assignedAttributes=[
        choice("color", "Red", DE="Rot"), choice("gender", "female", DE="weiblich"), choice("fit", "Slim"),
    ])  # fmt: skip
    found = item(one, of, language="de")
    assert (found["title"], found["description"], found["product_type"]) == ("Hemd", "<p>Über</p>", "Hemden")
    # Meta knows genders by its own words alone.
    assert (found["color"], found["gender"], found["additional_variant_attribute"]) == ("Rot", "female", "Fit:Slim")
    untold = item(one, product(1), language="de")
    assert (untold["title"], untold["description"]) == ("Product 1", "<p>About product 1</p>")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rich({"type": "header", "data": {"text": "Big"}}, {"type": "paragraph", "data": {"text": "a <b>b</b>"}}),
         "<p>Big</p><p>a <b>b</b></p>"),
        (rich({"type": "list", "data": {"style": "unordered", "items": ["one", "two"]}}), "<p>one</p><p>two</p>"),
        (rich({"type": "list", "data": {"items": [{"content": "one", "items": [{"content": "two", "items": []}]}]}}),
         "<p>one</p><p>two</p>"),
        (rich({"type": "image", "data": {"file": {"url": "x"}}}, {"type": "quote", "data": {"text": "Q"}}), "<p>Q</p>"),
        (rich(), None),
        ("{}", None),
        (None, None),
        ("no json at all", "no json at all"),
    ],
)  # fmt: skip
def test_rich_text_becomes_paragraphs(given, expected):
    assert item(variant(), product(1, description=given)).get("description") == expected


def test_rich_text_nested_beyond_reason_is_cut_short():
    data: dict[str, Any] = {"content": "deep"}
    for level in range(300):
        data = {"content": str(level), "items": [data]}
    assert item(variant(), product(1, description=rich({"data": data})))["description"].startswith(
        "<p>299</p><p>298</p>"
    )


def test_pictures_come_once_and_with_their_whole_address():
    of = product(1, media=[picture(1), {"type": "IMAGE", "url": "/media/2.jpg"}])
    found = item(variant(media=[picture(1)]), of)
    assert found["image_link"] == "https://img.example/1.jpg"
    assert found["additional_image_link"] == ["https://shop.example/media/2.jpg"]


def test_a_product_without_pictures_and_category_has_none():
    found = item(variant(), product(1, media=[], category=None))
    assert found.keys() & {"image_link", "additional_image_link", "product_type"} == set()


def test_a_link_is_made_of_what_the_template_asks_for():
    link = "https://shop.example/{slug}/{product_id}/{sku}"
    assert item(variant(sku="A/1"), storefront_url=link)["link"] == "https://shop.example/product-1/UHJvZHVjdDox/A%2F1"


OFFERED = b'{"shown":true,"for_sale":true}\n'
PRICED = b'"pricing":{"price":{"money":{"amount":1}},"priceUndiscounted":{"money":{"amount":1}}}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"{}\n{",
        *(OFFERED + one for one in (
            b'{"pricing":{}}',
            b'{"pricing":{"price":{"money":{"amount":"12"}}}}',
            b'{"pricing":{"price":{"money":{"amount":1}},"priceUndiscounted":null}}',
            b"{%b}" % PRICED,
            b'{%b,"stocks":[{"quantity":1}]}' % PRICED,
        )),
    ],
)  # fmt: skip
def test_a_record_of_another_shape_is_unreadable(raw):
    store = opened(None)  # type: ignore[arg-type]  # asks nothing
    with pytest.raises(UnreadableRecord):
        store.fields(Record(ID, raw))
