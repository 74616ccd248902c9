"""A Shopify variant as an item, and what the kind accepts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fakes.shopify import picture, product, variant
from worker.errors import BadInput
from worker.stores import Record, StoreConfig, UnreadableRecord, kinds
from worker.stores.shopify import KIND
from worker.stores.shopify.queries import Documents

URL = "https://acme.myshopify.com/admin/api/2026-10/graphql.json"


def config(url: str = "acme.myshopify.com", secret: str | None = "shpat_1", **options: str) -> StoreConfig:
    return StoreConfig(url, options, None, secret, "/nowhere")


def fields(
    one: dict[str, Any], of: dict[str, Any] | None = None, currency: str | None = "USD", **options: str
) -> dict[str, Any]:
    owner = of or product(1)
    shaped = [{**node, "images": [each["image"]["url"] for each in node["media"]]} for node in (owner, one)]
    raw = b"\n".join(msgspec.json.encode(part) for part in (*shaped, currency))
    store = KIND.open(config(**options))
    try:
        return dict(store.fields(Record("1000", raw)))
    finally:
        store.close()


def test_the_registry_knows_shopify():
    assert kinds()["shopify"] is KIND


def test_a_variant_becomes_an_item():
    one = variant(1000, barcode="4006381333931", selectedOptions=[{"name": "Color", "value": "Red"}])
    assert fields(one) == {
        "title": "Product 1",
        "description": "<p>About product 1</p>",
        "link": "https://shop.example/products/product-1?variant=1000",
        "image_link": "https://img.example/1.jpg",
        "brand": "Acme",
        "gtin": "4006381333931",
        "mpn": "S1000",
        "sku": "S1000",
        "item_group_id": "product-1",
        "product_type": "Shirts",
        "condition": "new",
        "color": "Red",
        "price": "12.00 USD",
        "availability": "in stock",
        "quantity_to_sell_on_facebook": 5,
    }


@pytest.mark.parametrize(
    ("price", "compared", "expected", "sale"),
    [
        ("8.00", "12.50", "12.50 USD", "8.00 USD"),
        ("8.00", "8.00", "8.00 USD", None),
        ("8.00", "8.0", "8.00 USD", None),
        ("8.00", "7.99", "8.00 USD", None),
        ("8.00", "0.00", "8.00 USD", None),
        ("8.00", "", "8.00 USD", None),
        ("8.00", None, "8.00 USD", None),
        ("0.00", "5.00", "5.00 USD", "0.00 USD"),
        ("1299", None, "1299 USD", None),
    ],
)
def test_a_price_to_compare_with_is_the_one_before_the_sale(price, compared, expected, sale):
    found = fields(variant(1000, price=price, compareAtPrice=compared))
    assert (found["price"], found.get("sale_price")) == (expected, sale)


@pytest.mark.parametrize("price", [None, "", "free", True, "NaN", "Infinity", {"amount": "1"}])
def test_a_price_that_is_none_makes_the_record_unreadable(price):
    with pytest.raises(UnreadableRecord, match="price is not a number"):
        fields(variant(1000, price=price))


def test_a_shop_without_a_currency_gives_bare_amounts():
    assert fields(variant(1000), currency=None)["price"] == "12.00"


@pytest.mark.parametrize(
    ("there", "expected", "sale"),
    [
        ({"price": {"amount": "15.0", "currencyCode": "CAD"}, "compareAtPrice": None}, "15.0 CAD", None),
        (
            {
                "price": {"amount": "15.0", "currencyCode": "CAD"},
                "compareAtPrice": {"amount": "20.0", "currencyCode": "CAD"},
            },
            "20.0 CAD",
            "15.0 CAD",
        ),
        (
            {
                "price": {"amount": "15.0", "currencyCode": "CAD"},
                "compareAtPrice": {"amount": "20.0", "currencyCode": "USD"},
            },
            "15.0 CAD",
            None,
        ),
    ],
)
def test_with_a_country_its_prices_and_its_currency_count(there, expected, sale):
    found = fields(variant(1000, compareAtPrice="99.00", contextualPricing=there), country="CA")
    assert (found["price"], found.get("sale_price")) == (expected, sale)


def test_a_variant_without_a_price_in_the_country_is_unreadable():
    with pytest.raises(UnreadableRecord, match="option country"):
        fields(variant(1000, contextualPricing=None), country="CA")


@pytest.mark.parametrize(
    ("changes", "availability", "quantity"),
    [
        ({"sellableOnlineQuantity": 3}, "in stock", 3),
        ({"sellableOnlineQuantity": 0, "availableForSale": False}, "out of stock", 0),
        ({"sellableOnlineQuantity": -2, "availableForSale": False}, "out of stock", 0),
        # Stock that lies where nothing is sold online.
        ({"sellableOnlineQuantity": 0}, "out of stock", 0),
        ({"sellableOnlineQuantity": 3, "availableForSale": False}, "out of stock", 0),
        ({"sellableOnlineQuantity": -2, "inventoryPolicy": "CONTINUE"}, "in stock", None),
        ({"sellableOnlineQuantity": 9, "inventoryPolicy": "CONTINUE"}, "in stock", None),
        ({"inventoryPolicy": "CONTINUE", "availableForSale": False}, "out of stock", None),
        ({"tracked": False, "sellableOnlineQuantity": 0}, "in stock", None),
        ({"tracked": False, "availableForSale": False}, "out of stock", None),
    ],
)
def test_stock_is_what_can_be_sold_online(changes, availability, quantity):
    found = fields(variant(1000, **changes))
    assert (found["availability"], found.get("quantity_to_sell_on_facebook")) == (availability, quantity)


@pytest.mark.parametrize(
    "changes", [{"sellableOnlineQuantity": None}, {"availableForSale": None}, {"inventoryItem": None}]
)
def test_stock_that_is_not_said_is_not_invented(changes):
    with pytest.raises(UnreadableRecord):
        fields(variant(1000, **changes))


@pytest.mark.parametrize(
    ("changes", "options", "status"),
    [
        ({}, {}, None),
        ({"status": "DRAFT"}, {}, "archived"),
        ({"status": "ARCHIVED"}, {}, "archived"),
        ({"status": "UNLISTED"}, {}, "archived"),
        ({"onlineStoreUrl": None}, {}, "archived"),
        ({"onlineStoreUrl": None}, {"storefront_url": "https://shop.example/{handle}"}, None),
        ({"onlineStoreUrl": None}, {"publication": "7", "storefront_url": "https://shop.example/{handle}"}, None),
        ({"publishedOnPublication": False}, {"publication": "7"}, "archived"),
        ({"publishedOnPublication": False}, {}, None),
        ({"status": "DRAFT"}, {"publication": "7"}, "archived"),
    ],
)
def test_what_customers_do_not_find_is_archived(changes, options, status):
    assert fields(variant(1000), product(1, **changes), **options).get("status") == status


def test_options_become_color_size_and_free_attributes():
    chosen = [("Colour", "Red"), ("SIZE", "M"), ("Scent: a, b", "Fruity"), ("Title", "Default Title")]
    found = fields(variant(1000, selectedOptions=[{"name": name, "value": value} for name, value in chosen]))
    assert (found["color"], found["size"]) == ("Red", "M")
    assert found["additional_variant_attribute"] == "Scent  a  b:Fruity"


def test_with_a_language_its_translations_count_where_there_are_any():
    told = [
        {"key": "title", "value": "Produit 1"}, {"key": "body_html", "value": "<p>Au sujet du produit</p>"},
        {"key": "handle", "value": "produit-1"}, {"key": "product_type", "value": ""},
    ]  # fmt: skip
    color = {"name": "Color", "value": "Red", "optionValue": {"translations": [{"key": "name", "value": "Rouge"}]}}
    size = {"name": "Size", "value": "M", "optionValue": {"translations": []}}
    found = fields(
        variant(1000, selectedOptions=[color, size]),
        product(1, translations=told),
        language="fr",
        storefront_url="https://shop.example/fr/{handle}",
    )
    assert {name: found[name] for name in ("title", "description", "link", "product_type", "color", "size")} == {
        "title": "Produit 1",
        "description": "<p>Au sujet du produit</p>",
        "link": "https://shop.example/fr/produit-1",
        "product_type": "Shirts",
        "color": "Rouge",
        "size": "M",
    }


def test_translations_are_asked_for_in_the_language_of_the_option_alone():
    assert "translations" not in Documents().export_items
    text = Documents(language="pt-BR").export_items
    assert text.count('translations(locale: "pt-BR")') == 2


def test_the_variants_picture_comes_first_and_none_twice():
    owner = product(1, media=[picture(1), picture(2), picture(3)])
    found = fields(variant(1000, media=[picture(2)]), owner)
    assert found["image_link"] == "https://img.example/2.jpg"
    assert found["additional_image_link"] == ["https://img.example/1.jpg", "https://img.example/3.jpg"]


@pytest.mark.parametrize(
    ("own", "category", "expected"),
    [
        ("Shirts", {"fullName": "Apparel > Shirts"}, "Shirts"),
        ("", {"fullName": "Apparel > Shirts"}, "Apparel > Shirts"),
        ("", None, None),
    ],
)
def test_the_shops_own_type_comes_before_shopifys_category(own, category, expected):
    found = fields(variant(1000), product(1, productType=own, category=category))
    assert found.get("product_type") == expected
    assert "google_product_category" not in found


@pytest.mark.parametrize(
    ("page", "template", "expected"),
    [
        ("https://shop.example/products/a", None, "https://shop.example/products/a?variant=1000"),
        ("https://shop.example/p?id=1", None, "https://shop.example/p?id=1&variant=1000"),
        (None, None, None),
        ("https://shop.example/products/a", "https://x.example/{handle}/{variant_id}", "https://x.example/product-1/1000"),
        (None, "https://x.example/{product_id}?sku={sku}", "https://x.example/1?sku=S1000"),
    ],
)  # fmt: skip
def test_a_link_leads_to_the_variant(page, template, expected):
    options = {"storefront_url": template} if template else {}
    assert fields(variant(1000), product(1, onlineStoreUrl=page), **options).get("link") == expected


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("acme.myshopify.com", URL),
        (" https://acme.myshopify.com/ ", URL),
        ("https://acme.myshopify.com/admin", URL),
        ("https://acme.myshopify.com/admin/api/2026-10/graphql.json", URL),
        ("https://acme.myshopify.com/admin/api/2026-07/graphql.json", URL.replace("2026-10", "2026-07")),
        ("https://admin.shopify.com/store/acme/products?x=1", URL),
        (
            "http://127.0.0.1:9000/admin/api/2026-10/graphql.json",
            "http://127.0.0.1:9000/admin/api/2026-10/graphql.json",
        ),
    ],
)
def test_a_shops_address_becomes_that_of_its_api(given, canonical):
    assert KIND.canonical_url(given) == canonical
    assert KIND.canonical_url(canonical) == canonical


@pytest.mark.parametrize("given", ["https://acme.example/products/shirt", "ftp://acme.myshopify.com", "a:b@c.example"])
def test_what_is_no_shop_address_is_refused(given):
    with pytest.raises(BadInput):
        KIND.canonical_url(given)


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        ("acme.myshopify.com", {"api_version": "2024-01"}, "2024-01"),
        ("https://acme.myshopify.com/admin/api/2024-01/graphql.json", {}, "2024-01"),
        ("acme.myshopify.com", {"storefront_url": "https://x.example/{slug}"}, "{slug}"),
        ("acme.myshopify.com", {"publication": "gid://1"}, "publication"),
        ("acme.myshopify.com", {"stock_location": "gid://1"}, "stock_location"),
        ("acme.myshopify.com", {"country": "Canada"}, "country"),
        ("acme.myshopify.com", {"language": 'fr") }'}, "language"),
        ("acme.myshopify.com", {"condition": "fresh"}, "condition"),
    ],
)
def test_options_that_cannot_work_are_refused(url, options, named):
    with pytest.raises(BadInput) as caught:
        KIND.check(config(url, **options))
    assert named in str(caught.value)


@pytest.mark.parametrize("secret", ["", "two words", "grün"])
def test_a_token_that_is_none_is_refused_without_showing_it(secret):
    with pytest.raises(BadInput) as caught:
        KIND.check(config(secret=secret))
    assert not secret or secret not in str(caught.value)


def test_the_options_version_wins_over_the_addresss():
    KIND.check(config("https://acme.myshopify.com/admin/api/2024-01/graphql.json", api_version="2026-07"))
    KIND.check(config(secret=None))
