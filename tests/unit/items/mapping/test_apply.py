from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.items.sample import SHIRT
from tests.unit.items.test_properties import CURRENCIES, ITEMS
from worker.items import prepare, prepare_volatile
from worker.items.mapping import ItemMapping, parse

QUANTITY = "quantity_to_sell_on_facebook"


def made(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The shirt with some fields changed, under a mapping."""
    return dict(parse(document).apply(SHIRT | changes))


def included(document: dict[str, Any], **changes: Any) -> bool:
    return made(document, **changes).get("status") != "archived"


@pytest.mark.parametrize(
    ("buffer", "stock", "sent"),
    [
        (2, {QUANTITY: 5, "availability": "in stock"}, (3, "in stock")),
        (2, {QUANTITY: 2, "availability": "in stock"}, (0, "out of stock")),
        (2, {QUANTITY: "1", "availability": "In_Stock"}, (0, "out of stock")),
        (2, {"inventory": 3, "availability": None}, (1, None)),
        (0, {QUANTITY: 0, "availability": "in stock"}, (0, "in stock")),
        # What sells without stock, what is gone anyway, and what has no number.
        (2, {QUANTITY: 1, "availability": "preorder"}, (0, "preorder")),
        (2, {QUANTITY: 1, "availability": "available for order"}, (0, "available for order")),
        (2, {QUANTITY: -3, "availability": "in stock"}, (-3, "out of stock")),
        (2, {QUANTITY: "some", "availability": "in stock"}, ("some", "in stock")),
        (2, {"availability": "in stock"}, (None, "in stock")),
    ],
)
def test_held_back_pieces_are_not_offered(buffer: int, stock: dict[str, Any], sent: tuple[Any, Any]) -> None:
    found = made({"stock": {"buffer": buffer}}, **stock)
    assert (found.get(QUANTITY), found.get("availability")) == sent


PICTURES = {"image_link": "https://a.example/1", "additional_image_link": "https://a.example/2,https://a.example/3"}


@pytest.mark.parametrize(
    ("images", "first", "others"),
    [
        ({"choose": "first"}, 1, None),
        ({"choose": "last"}, 3, [1, 2]),
        ({"choose": 2}, 2, [1, 3]),
        ({"choose": 9}, 1, [2, 3]),
        ({"most": 2}, 1, [2]),
        ({"choose": "last", "most": 1}, 3, None),
    ],
)
def test_another_picture_comes_first_and_fewer_are_sent(images: Any, first: int, others: list[int] | None) -> None:
    found = made({"images": images}, **PICTURES)
    link = "https://a.example/{}".format
    untouched = PICTURES["additional_image_link"] if images == {"choose": "first"} else None
    expected = untouched or (others and [link(number) for number in others])
    assert (found["image_link"], found.get("additional_image_link")) == (link(first), expected)


def test_pictures_with_tags_are_chosen_among_too() -> None:
    pictures = [{"url": "https://a.example/1"}, {"url": "https://a.example/2", "tag": ["x"]}]
    assert made({"images": {"choose": "last", "most": 1}}, image=pictures)["image"] == pictures[1:]


def test_what_is_no_address_never_comes_first() -> None:
    found = made({"images": {"choose": "last"}}, additional_image_link=["https://a.example/2", "/3.jpg"])
    assert found["image_link"] == "https://a.example/2"
    assert found["additional_image_link"] == [SHIRT["image_link"], "/3.jpg"]


CATEGORIES = {
    "category": [
        {"when": {"product_type": ["shoes*", "* > boots"]}, "set": {"google_product_category": "187"}},
        {"when": {"product_type": "Shoes > Winter", "brand": "Acme"}, "set": {"custom_label_0": "never"}},
        {"set": {"category": "1", "custom_number_0": 7}},
    ]
}


@pytest.mark.parametrize(
    ("product_type", "category"),
    [("Shoes > Winter", "187"), ("Women > Boots", "187"), ("Boots", "1"), (None, "1"), (["Hats", "SHOES"], "187")],
)
def test_the_first_rule_that_holds_sets_the_category(product_type: Any, category: str) -> None:
    found = made(CATEGORIES, product_type=product_type, google_product_category="5")
    assert found["google_product_category"] == category
    assert found.get("custom_number_0") == (7 if category == "1" else None)
    assert "custom_label_0" not in found


@pytest.mark.parametrize(
    ("document", "fields", "expected"),
    [
        ({"include": {"brand": "ac*"}}, {}, True),
        ({"include": {"brand": "other"}}, {}, False),
        ({"include": {"brand": "acme", "gender": "male"}}, {"gender": "male"}, True),
        ({"include": {"brand": "acme", "gender": "male"}}, {"gender": "female"}, False),
        ({"include": [{"brand": "other"}, {"gender": "female"}]}, {"gender": "female"}, True),
        ({"exclude": {"sku": ["test-?", "x*"]}}, {"sku": "TEST-1"}, False),
        ({"exclude": {"sku": ["test-?", "x*"]}}, {"sku": "TEST-12"}, True),
        ({"exclude": [{"brand": "other"}, {"title": "red *"}]}, {}, False),
        ({"include": {"brand": "acme"}, "exclude": {"title": "red*"}}, {}, False),
        ({"exclude": {"tags": "clearance"}}, {"internal_label": ["new", "Clearance"]}, False),
        ({"exclude": {"gtin": ""}}, {}, False),  # an absent field is empty text
        ({"exclude": {"gtin": ""}}, {"gtin": "12345678"}, True),
        ({"exclude": {"gtin": "?*"}}, {}, True),
    ],
)
def test_a_filter_hides_what_it_leaves_out(document: Any, fields: dict[str, Any], expected: bool) -> None:
    assert included(document, **fields) is expected


def test_what_the_store_hides_is_not_shown_by_a_filter() -> None:
    assert not included({"include": {"brand": "acme"}}, status="archived")


def test_a_filter_looks_at_what_the_store_says_and_not_at_what_a_rule_made_of_it() -> None:
    rules = {"category": [{"set": {"product_type": "Clearance"}}], "exclude": {"product_type": "Clearance"}}
    assert included(rules, product_type="Shirts")


DOCUMENT: dict[str, Any] = {
    "stock": {"buffer": 3},
    "images": {"choose": 2, "most": 3},
    **CATEGORIES,
    "exclude": [{"title": "*a*"}, {"internal_label": "b*"}],
}
STOCK = {
    QUANTITY: st.integers(-5, 9) | st.text(max_size=3),
    "availability": st.sampled_from(["in stock", "preorder", "", "x"]),
}
STOCKED = st.builds(lambda item, stock: item | stock, ITEMS, st.fixed_dictionaries({}, optional=STOCK))


@given(STOCKED, st.none() | CURRENCIES)
def test_both_ways_to_the_volatile_half_agree(fields: dict[str, Any], currency: str | None) -> None:
    mapping = parse(DOCUMENT)
    whole = prepare("sku-1", mapping.apply(fields), currency)
    half = prepare_volatile("sku-1", mapping.apply_volatile(fields), currency)
    assert (half.volatile, half.volatile_fp, half.band) == (whole.volatile, whole.volatile_fp, whole.band)


@given(STOCKED, st.none() | CURRENCIES)
def test_a_mapping_that_says_nothing_changes_nothing(fields: dict[str, Any], currency: str | None) -> None:
    assert prepare("sku-1", ItemMapping().apply(fields), currency) == prepare("sku-1", fields, currency)
