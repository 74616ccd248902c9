"""What a field may hold: strict where Meta is, and where Meta's pages leave it open."""

from __future__ import annotations

import pytest

from tests.unit.sandbox.sandbox_calls import Meta, create, update
from worker.sandbox.item_fields import FIELDS, missing_fields
from worker.sandbox.money import displayed

LONG_LINK = "https://shop.example/p/1?colour=red&x=%C3%A9#top"

GOOD = [
    ("price", "9.99 USD"),
    ("price", "490 JPY"),
    ("price", "1.250 KWD"),
    ("sale_price_effective_date", "2026-11-01T00:00+00:00/2026-12-01T23:59-0800"),
    ("sale_price_effective_date", "2026-11-01T00:00:00-08:00/2026-12-01T00:00:00-08:00"),
    ("link", LONG_LINK),
    ("link", "http://127.0.0.1:3000/p/1"),
    ("title", "x" * 100),
    ("title", "USB"),
    ("title", "日本語の商品"),
    ("description", "5 < 6 and 7 > 3"),
    ("availability", "preorder"),
    ("gtin", "2000000000107"),
    ("quantity_to_sell_on_facebook", 0),
    ("additional_image_link", ["https://images.shop.example/2.jpg"]),
    ("image", [{"url": "https://images.shop.example/2.jpg", "tag": ["main"]}]),
    ("additional_variant_attribute", "Scent:Fruity,Flavor:Apple"),
    ("additional_variant_attribute", [{"variant_label": "Scent", "variant_value": "Fruity"}]),
    ("custom_number_0", 4294967295),
    ("shipping_weight", "1.5 kg"),
    ("expiration_date", "2027-01-31"),
    ("disabled_capabilities", ["da", "shops"]),
    ("video", []),
]
BAD = [
    ("price", "9.99"),
    ("price", "$9.99"),
    ("price", "9,99 USD"),
    ("price", "1,299.00 USD"),
    ("price", "9.99\u00a0USD"),
    ("price", "9.99  USD"),
    ("price", "9.99 usd"),
    ("price", "9.99 ZZZ"),
    ("price", "490.5 JPY"),
    ("price", "9.999 USD"),
    ("price", "0.00 USD"),
    ("price", "-1.00 USD"),
    ("price", 9.99),
    ("sale_price_effective_date", "2026-11-01/2026-12-01"),
    ("sale_price_effective_date", "2026-11-01T00:00Z/2026-12-01T00:00Z"),
    ("sale_price_effective_date", "2026-11-01T00:00+00:00"),
    ("sale_price_effective_date", "2026-12-01T00:00+00:00/2026-11-01T00:00+00:00"),
    ("sale_price_effective_date", "2026-02-30T00:00+00:00/2026-11-01T00:00+00:00"),
    ("link", "shop.example/p/1"),
    ("link", "ftp://shop.example/p/1"),
    ("link", "https://shop.example/p 1"),
    ("link", "https://shop.example/é"),
    ("link", "https://shop.example/"),
    ("link", "https://shop.example"),
    ("link", "https://www.facebook.com/p/1"),
    ("link", "https://user:secret@shop.example/p/1"),
    ("title", "x" * 101),
    ("title", "BIG SALE"),
    ("title", "   "),
    ("title", 7),
    ("description", "<p>Soft</p>"),
    ("description", "See https://other.example/"),
    ("description", "ALL OF IT SHOUTED"),
    ("description", "x" * 5001),
    ("availability", "in_stock"),
    ("availability", "In Stock"),
    ("availability", "mark_as_sold"),
    ("condition", "open_box_new"),
    ("gtin", "20-0000-0000107"),
    ("quantity_to_sell_on_facebook", -1),
    ("quantity_to_sell_on_facebook", "4"),
    ("quantity_to_sell_on_facebook", True),
    ("additional_image_link", "https://images.shop.example/2.jpg"),
    ("additional_image_link", []),
    ("image", []),
    ("image", [{"link": "https://images.shop.example/2.jpg"}]),
    ("gender", "Female"),
    ("custom_number_0", 4294967296),
    ("shipping_weight", "heavy"),
    ("expiration_date", "31.01.2027"),
    ("disabled_capabilities", ["everything"]),
    ("status", "hidden"),
    ("brand", "x" * 101),
    ("video", ""),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_taken(name: str, value: object) -> None:
    assert FIELDS[name](value) is None


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_with_a_labelled_text(name: str, value: object) -> None:
    meta = Meta()
    meta.push(create("a"))
    before = meta.items
    [(retailer_id, message)] = meta.errors(update("a", **{name: value}))
    assert retailer_id == "a"
    assert message.partition(":")[0] in ("Invalid value", "URL Incorrectly Formatted", "Invalid Date Range")
    assert meta.items == before


@pytest.mark.parametrize(
    ("left_out", "absent"),
    [
        ("title", ["title"]),
        ("image_link", ["image_link"]),
        ("brand", ["brand"]),
        ("color", []),
    ],
)
def test_required_fields(left_out: str, absent: list[str]) -> None:
    item = {name: value for name, value in create("a")["data"].items() if name != left_out}
    assert missing_fields(item) == absent


def test_an_image_replaces_image_link_and_an_mpn_the_brand() -> None:
    item = {name: value for name, value in create("a")["data"].items() if name not in ("image_link", "brand")}
    assert missing_fields({**item, "image": [], "mpn": "M-1"}) == []


def test_an_id_has_at_most_100_characters() -> None:
    assert len(Meta().errors(create("x" * 101))) == 1


def test_the_old_name_of_the_quantity_is_still_taken() -> None:
    meta = Meta()
    meta.push(create("a", inventory=4))
    assert meta.items["a"]["quantity_to_sell_on_facebook"] == 4


@pytest.mark.parametrize(
    ("written", "read"), [("1299 USD", "$1,299.00"), ("490 JPY", "¥490"), ("1.25 KWD", "KWD 1.250")]
)
def test_reads_show_a_price_in_another_form_than_it_was_written(written: str, read: str) -> None:
    assert displayed(written) == read
