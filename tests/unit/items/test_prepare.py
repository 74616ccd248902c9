from __future__ import annotations

from typing import Any

import pytest

from tests.unit.items.sample import SHIRT, said, sent, shirt
from worker.items import prepare, prepare_volatile, sold_out


def test_a_clean_item_is_sent_as_it_is() -> None:
    item = shirt()
    assert sent(item) == {"id": "sku-1", **SHIRT, "status": "active"}
    assert (item.content_ok, item.volatile_ok, item.archived, item.findings) == (True, True, False, ())


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("title", "title.missing"),
        ("description", "description.missing"),
        ("condition", "condition.missing"),
        ("link", "link.missing"),
        ("image_link", "image.missing"),
        ("brand", "brand.missing"),
    ],
)
@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_required_content_field_is_never_invented(field: str, code: str, nothing: str | None) -> None:
    item = shirt(**{field: nothing})
    # A picture's address of white space was given, so it is invalid rather than missing.
    if field == "image_link" and nothing == " \n":
        code = "image.invalid"
    assert said(item) == [(code, "error")]
    assert (item.content_ok, item.volatile_ok) == (False, True)
    assert field not in sent(item)


@pytest.mark.parametrize("stand_in", [{"gtin": "4006381333931"}, {"mpn": "X-1"}])
def test_a_gtin_or_an_mpn_stands_in_for_the_brand(stand_in: dict[str, str]) -> None:
    item = shirt(brand=None, **stand_in)
    assert (item.content_ok, item.findings) == (True, ())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"link": "shop.example/p/1"}, "link.invalid"),
        ({"link": "ftp://shop.example/p/1"}, "link.invalid"),
        ({"link": "https://shop.example/a b"}, "link.invalid"),
        ({"link": 7}, "link.invalid"),
        ({"image_link": "/i/1.jpg"}, "image.invalid"),
        ({"image_link": None, "image": [{"url": "x"}]}, "image.invalid"),
        ({"condition": "shiny"}, "condition.invalid"),
        ({"title": {"en": "Red"}}, "title.invalid"),
    ],
)
def test_what_meta_would_refuse_in_content_is_an_error(changes: dict[str, Any], code: str) -> None:
    item = shirt(**changes)
    assert said(item) == [(code, "error")]
    assert (item.content_ok, item.volatile_ok) == (False, True)


@pytest.mark.parametrize(
    ("retailer_id", "code"), [("", "id.missing"), ("x" * 101, "id.too_long"), ("sku-\ud800", "id.invalid")]
)
def test_an_id_that_meta_refuses_stops_both_halves(retailer_id: str, code: str) -> None:
    item = prepare(retailer_id, SHIRT, "USD")
    assert said(item) == [(code, "error")]
    assert (item.content_ok, item.volatile_ok) == (False, False)
    assert prepare_volatile(retailer_id, SHIRT, "USD").volatile_ok is False


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"gtin": "n/a"}, "gtin", "gtin.invalid"),
        ({"gtin": "123"}, "gtin", "gtin.invalid"),
        ({"gender": "dog"}, "gender", "gender.invalid"),
        ({"age_group": 7}, "age_group", "age_group.invalid"),
        ({"mpn": "x" * 101}, "mpn", "mpn.too_long"),
        ({"google_product_category": "x" * 251}, "google_product_category", "google_product_category.too_long"),
        ({"custom_number_0": "-1"}, "custom_number_0", "custom_number_0.invalid"),
        ({"custom_number_0": 2.5}, "custom_number_0", "custom_number_0.invalid"),
        ({"user_rating": 6}, "user_rating", "user_rating.invalid"),
        ({"unit_price": "cheap"}, "unit_price", "unit_price.invalid"),
        ({"expiration_date": "tomorrow"}, "expiration_date", "expiration_date.invalid"),
        ({"mobile_link": "m.shop.example"}, "mobile_link", "mobile_link.invalid"),
        ({"item_group_id": "sku-1"}, "item_group_id", "item_group_id.equals_id"),
        ({"additional_image_link": ["x"]}, "additional_image_link", "additional_image_link.invalid"),
        ({"color": {"r": 1}}, "color", "color.invalid"),
        ({"disabled_capabilities": ["tv"]}, "disabled_capabilities", "disabled_capabilities.invalid"),
    ],
)
def test_a_doubtful_optional_value_is_left_out_and_never_refuses_its_item(
    changes: dict[str, Any], field: str, code: str
) -> None:
    item = shirt(**changes)
    assert said(item) == [(code, "warning")]
    assert (item.content_ok, item.volatile_ok) == (True, True)
    assert field not in sent(item)


def test_a_wrong_check_digit_is_sent_as_the_store_gave_it() -> None:
    item = shirt(gtin="4006381333932")
    assert sent(item)["gtin"] == "4006381333932"
    assert item.findings == ()


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        ("title", "  Red\u00a0 <b>shirt</b> ", "Red shirt"),
        ("title", "RED SHIRT", "Red shirt"),
        ("title", "USB-C HUB 4K", "USB-C hub 4K"),
        ("title", "BMW", "BMW"),
        ("title", "MEN'S T-SHIRT WITH LED-LAMP", "Men's t-shirt with LED-lamp"),
        ("title", 1984, "1984"),
        ("title", "word " * 30, "word " * 19 + "word"),
        ("title", "x" * 150, "x" * 100),
        ("title", "Fish &amp; chips", "Fish & chips"),
        ("title", "size <M> & up", "size <M> & up"),
        ("description", "<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree"),
        ("description", "&lt;p&gt;One &amp;amp; two&lt;/p&gt;", "One & two"),
        ("description", "a<script>if (a < b) alert('<p>')</script>b<style>p{}</style>c", "abc"),
        ("description", "a<!-- no -->b", "ab"),
        ("description", 'a <img alt="x > y"> b', "a b"),
        ("description", "one\r\n\r\n\r\n\r\ntwo \n three\x07", "one\n\ntwo\nthree"),
        ("description", "GREAT SHIRT. BUY NOW! 100% COTTON", "Great shirt. Buy now! 100% cotton"),
        ("condition", "https://schema.org/NewCondition", "new"),
        ("condition", "Used - Good", "used"),
        ("condition", "used_like_new", "used"),
        ("brand", "b" * 101, "b" * 100),
        ("gender", "Women", "female"),
        ("age_group", "all_ages", "all ages"),
        ("color", ["Red", "Blue"], "Red, Blue"),
        ("google_product_category", "Apparel &amp; Accessories  > X", "Apparel &amp; Accessories  > X"),
        ("google_product_category", 2271, "2271"),
        ("product_type", "A > B > C", "A > B > C"),
        ("link", " https://shop.example/é?a=1&amp;b=2#x ", "https://shop.example/é?a=1&amp;b=2#x"),
        ("custom_label_0", "SUMMER <2026>", "SUMMER <2026>"),
        ("gtin", "978-3-16-148410-0", "9783161484100"),
        ("gtin", 4006381333931, "4006381333931"),
        ("gtin", 4006381333931.0, "4006381333931"),
        ("custom_number_1", "1,299", 1299),
        ("custom_number_1", 7.0, 7),
        ("user_rating", "4.5", 4.5),
        ("expiration_date", "2026-12-31T23:59:00Z", "2026-12-31"),
        ("internal_label", "a, b,,c", ["a", "b", "c"]),
        ("internal_label", "['a','b']", ["a", "b"]),
        ("internal_label", '["a","b"]', ["a", "b"]),
        ("internal_label", ("a", 1), ["a", "1"]),
        ("disabled_capabilities", "shops,DA", ["shops", "da"]),
        (
            "additional_image_link",
            "https://a.example/w_1,h_2/1.jpg,https://a.example/2.jpg",
            ["https://a.example/w_1,h_2/1.jpg", "https://a.example/2.jpg"],
        ),
        ("additional_image_link", '["https://a.example/1.jpg"]', ["https://a.example/1.jpg"]),
        ("image", "https://a.example/1.jpg", [{"url": "https://a.example/1.jpg"}]),
        (
            "image",
            [{"url": "https://a.example/1.jpg", "tag": "main"}],
            [{"url": "https://a.example/1.jpg", "tag": ["main"]}],
        ),
        ("video", ["https://a.example/v.mp4"], [{"url": "https://a.example/v.mp4"}]),
        ("additional_variant_attribute", "Scent:Fruity,Flavor:Apple", "Scent:Fruity,Flavor:Apple"),
        (
            "additional_variant_attribute",
            {"Scent": "Fruity"},
            [{"variant_label": "Scent", "variant_value": "Fruity"}],
        ),
        ("shipping", "US:CA:Ground:9.99 USD", "US:CA:Ground:9.99 USD"),
        ("shipping", '[{"shipping_country":"US"}]', [{"shipping_country": "US"}]),
        ("applink", '{"ios_url":"app://1","x":null}', {"ios_url": "app://1"}),
        ("unit_price", {"value": 10.0, "unit": "lb"}, {"unit": "lb", "value": 10.0}),
        ("shipping_weight", "10 kg", "10 kg"),
    ],
)
def test_values_are_sent_in_metas_form(field: str, given: Any, expected: Any) -> None:
    assert sent(shirt(**{field: given})).get(field) == expected


@pytest.mark.fault("S17")
def test_lists_keep_what_is_good_of_them() -> None:
    item = shirt(additional_image_link=["https://a.example/1.jpg", "x", *["https://a.example/2.jpg"] * 60])
    assert len(sent(item)["additional_image_link"]) == 50
    assert said(item) == [("additional_image_link.invalid", "warning"), ("additional_image_link.too_many", "warning")]


@pytest.mark.parametrize(
    ("alias", "field", "value"),
    [
        ("name", "title", "Shirt"),
        ("url", "link", "https://shop.example/x"),
        ("image_url", "image_link", "https://shop.example/x.jpg"),
        ("g:title", "title", "Shirt"),
        ("Image Link", "image_link", "https://shop.example/x.jpg"),
        ("inventory", "quantity_to_sell_on_facebook", 4),
        ("manufacturer_part_number", "mpn", "X"),
        ("category", "google_product_category", "166"),
        ("retailer_product_group_id", "item_group_id", "G"),
    ],
)
def test_old_and_feed_names_mean_the_field(alias: str, field: str, value: Any) -> None:
    fields = {name: given for name, given in SHIRT.items() if name != field}
    assert sent(prepare("sku-1", fields | {alias: value}, "USD"))[field] == value


def test_metas_name_beats_an_older_one() -> None:
    assert sent(shirt(name="Old"))["title"] == "Red shirt"
    assert sent(prepare("sku-1", {"name": "Old"} | SHIRT, "USD"))["title"] == "Red shirt"


def test_nested_feed_columns_become_objects() -> None:
    item = shirt(
        **{
            "image[0].url": "https://a.example/1.jpg",
            "image[0].tag[0]": "main",
            "image[1].url": "https://a.example/2.jpg",
            "applink.ios_url": "app://1",
        }
    )
    assert sent(item)["image"] == [
        {"url": "https://a.example/1.jpg", "tag": ["main"]},
        {"url": "https://a.example/2.jpg"},
    ]
    assert sent(item)["applink"] == {"ios_url": "app://1"}


def test_unknown_fields_are_left_out_without_a_word() -> None:
    item = shirt(colour_code="#f00", internal="x")
    assert sent(item) == sent(shirt())
    assert item.findings == ()


@pytest.mark.parametrize("hidden", [{"status": "archived"}, {"visibility": "hidden"}, {"visibility": "staging"}])
def test_an_item_that_the_store_hides_is_archived_whatever_else_is_wrong(hidden: dict[str, str]) -> None:
    item = shirt(price=None, title=None, **hidden)
    assert (item.archived, item.content_ok, item.volatile_ok, item.findings) == (True, True, True, ())


def test_an_item_of_unknown_status_is_shown_with_a_warning() -> None:
    item = shirt(status="perhaps")
    assert (item.archived, said(item)) == (False, [("status.invalid", "warning")])


def test_bytes_that_are_no_text_are_replaced_with_a_warning() -> None:
    item = shirt(title="Red \ud800 shirt")
    assert sent(item)["title"] == "Red \ufffd shirt"
    assert said(item) == [("title.not_utf8", "warning")]


def test_the_volatile_half_is_the_same_by_either_way() -> None:
    fields = SHIRT | {"sale_price": "7.99", "inventory": "3", "sale_price_effective_date": "2026-01-01/2026-02-01"}
    whole, half = prepare("sku-1", fields, "USD"), prepare_volatile("sku-1", fields, "USD")
    assert (half.volatile_fp, half.volatile, half.band) == (whole.volatile_fp, whole.volatile, whole.band)


def test_content_and_volatile_move_apart() -> None:
    old, priced, titled = shirt(), shirt(price="8.99 USD"), shirt(title="Blue shirt")
    assert (priced.content_fp == old.content_fp, priced.volatile_fp == old.volatile_fp) == (True, False)
    assert (titled.content_fp == old.content_fp, titled.volatile_fp == old.volatile_fp) == (False, True)
    assert shirt(price="9.99 EUR").volatile_fp != old.volatile_fp


def test_an_item_with_a_broken_price_is_sent_out_of_stock_with_what_is_valid() -> None:
    broken = shirt(price="free", inventory=4)
    fp, half = sold_out(broken)
    assert half[8:] == b'"availability":"out of stock","quantity_to_sell_on_facebook":4'
    assert fp != broken.volatile_fp
    assert sold_out(shirt())[0] == shirt(availability="out of stock").volatile_fp


def test_messages_name_the_value_on_one_short_line() -> None:
    (found,) = shirt(link="x\n" * 200).findings
    assert found.message == f'The link "{"x " * 30}…" is not a complete http or https address.'
    assert found.action == "Give the whole link, starting with https://."
