from __future__ import annotations

import pytest

from worker.graph import Explained, explain, is_missing

KNOWN = [
    ("Unrecognised field: A request for item a contains unrecognised field: 'price_x'", "field.unknown", "operator"),
    ("Duplicate retailer_id in batch api call - a.", "duplicate.id", "merchant"),
    (
        "A required field is missing: Products need to have availability listed to run in ads.",
        "availability.missing",
        "merchant",
    ),
    (
        'A required field is missing: Products without "name" information can\'t be uploaded.',
        "title.missing",
        "merchant",
    ),
    (
        "A required field is missing: Products need to have prices to run in ads.",
        "price.missing",
        "merchant",
    ),
    ("A required field is missing: link", "link.missing", "merchant"),
    ("A required field is missing: something new", "field.missing", "merchant"),
    ("Descriptions are missing: Add one.", "description.missing", "merchant"),
    ("URL Incorrectly Formatted: image_link", "link.invalid", "merchant"),
    (
        "These fields have missing information: Make items easier to discover by google_product_category.",
        "google_product_category.missing",
        "merchant",
    ),
    ("These fields have missing information: something new", "field.recommended", "merchant"),
    (
        "Invalid value: (id=a) is invalid: You cannot create a EntProductItem without required field Availability",
        "availability.missing",
        "merchant",
    ),
    ("Invalid value: brand", "value.invalid", "merchant"),
    ("ID conflicts with group ID", "id.used_by_group", "merchant"),
    (
        "There is already a product group with the given retailer id in the other product feed",
        "group.taken",
        "merchant",
    ),
    ("The sale_price_effective_date has an invalid date range", "sale_price_effective_date.invalid", "merchant"),
    ("sale_price is not below price", "sale_price.invalid", "merchant"),
    ("The price '9,99 €' is not valid", "price.invalid", "merchant"),
    ("Descriptions in capital letters are refused", "text.capitals", "merchant"),
    ("The item violates our policies", "policy", "merchant"),
    ("The additional_image_link is not valid", "image_link.invalid", "merchant"),
    ("The title is longer than 200 characters", "text.too_long", "merchant"),
    ("The title exceeds 200 characters", "text.too_long", "merchant"),
    ("Nobody has seen this sentence", "meta.other", "merchant"),
    ("", "meta.other", "merchant"),
]


@pytest.mark.parametrize(("message", "code", "owner"), KNOWN)
def test_every_known_sentence_has_a_code_and_something_to_do(message: str, code: str, owner: str) -> None:
    found = explain(message)
    assert (found.code, found.owner) == (code, owner)
    assert found.message == (message or "Meta gave no reason.")
    assert found.action.endswith(".")
    assert not is_missing(message)


@pytest.mark.parametrize(
    "message",
    [
        "Item a does not exist",
        "The item with id sku.1:2 doesn't exist in this catalog.",
        "Invalid value: Product item with retailer_id a does not exist",
        "(#100) Could not find Product Item for catalog id 77, retailer id a",
        "Item not found: a",
        "Product with retailer id 'a' was not found.",
        "There is no such item",
        "Item not deleted: No item with id a exists.",
    ],
)
def test_sentences_that_say_meta_does_not_have_the_item(message: str) -> None:
    assert is_missing(message)
    assert explain(message) == Explained("item.missing", message, "Nothing: the whole item is sent again.", "meta")


@pytest.mark.parametrize(
    "message",
    [
        "The product image does not exist",
        "Product category not found",
        "Could not find product set",
        "The item's image URL does not exist",
        "Image not found",
        "A required field is missing: title",
    ],
)
def test_other_things_that_are_missing_are_not_the_item(message: str) -> None:
    assert not is_missing(message)


def test_a_long_sentence_is_cut() -> None:
    assert len(explain("price " * 500).message) == 500
