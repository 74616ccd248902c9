"""What Meta says about single items, turned into something a merchant can act on.

Meta gives no codes there, only sentences. What stands before the first colon is stable, the rest is not
(https://developers.facebook.com/documentation/ads-commerce/marketing-api/reference/product-catalog/items_batch).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from worker.errors import Owner
from worker.graph.scrub import scrub

_MAX_CHARS = 500


@dataclass(frozen=True, slots=True)
class Explained:
    """One finding. ``code`` is stable and ours, ``message`` Meta's own words, ``action`` what ``owner`` can do."""

    code: str
    message: str
    action: str
    owner: Owner


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    code: str
    action: str
    owner: Owner = "merchant"


def _rule(pattern: str, code: str, action: str, owner: Owner = "merchant") -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE | re.DOTALL), code, action, owner)


# What follows the noun must not be another noun: "the product image does not exist" is about the image.
_OTHER = r"(?!.{0,3}\b(image|url|link|video|group|set|categor|catalog|type|feed))"
_MISSING = re.compile(
    rf"\b(item|product|retailer[_ ]id)\b{_OTHER}(?:(?!image|\burl|link|video|group|categor).){{0,160}}?"
    r"\b(does not|doesn't|do not|did not) exist"
    rf"|\bcould not find (the |any )?(product item|item|product)\b{_OTHER}"
    rf"|\b(item|product|retailer[_ ]id)( with .{{1,120}}| '.{{1,100}}')? (was )?not found"
    rf"|\bno such (product item|item|product)\b{_OTHER}"
    r"|\bno (product item|item|product) with (id|retailer[_ ]id) .{1,120} exists",
    re.IGNORECASE,
)

# The first that matches counts: what names a field stands before what only names the kind of problem.
_RULES = (
    _rule(r"^duplicate retailer_id", "duplicate.id", "Give each item of the store an id of its own."),
    _rule(
        r"conflicts with group id|retailer_id_used_by_group",
        "id.used_by_group",
        "Use a group id that is not the id of an item.",
    ),
    _rule(
        r"already a product group with the given retailer id",
        "group.taken",
        "Remove the other feed or sync that already fills this catalog with the same group.",
    ),
    _rule(
        r"^unrecognised field|^unrecognized field",
        "field.unknown",
        "Report the field name; the rest was saved.",
        "operator",
    ),
    _rule(
        r"missing.*\bavailability\b|without required field availability",
        "availability.missing",
        "Give the item an availability or a stock level.",
    ),
    _rule(
        r"missing.*\bprices?\b|without required field price",
        "price.missing",
        "Give the item a price with its currency.",
    ),
    _rule(r"missing.*(\"name\"|\btitle\b|\bname\b)", "title.missing", "Give the item a name."),
    _rule(
        r"missing.*google_product_category",
        "google_product_category.missing",
        "Choose a Google product category, so that the item is found more easily.",
    ),
    _rule(
        r"^descriptions? (are|is) missing|missing.*\bdescription", "description.missing", "Give the item a description."
    ),
    _rule(r"missing.*\bimage", "image_link.missing", "Give the item a picture."),
    _rule(r"missing.*\b(url|link)\b", "link.missing", "Give the item a page of its own in the shop."),
    _rule(r"missing.*\bbrand\b", "brand.missing", "Give the item a brand, a GTIN or a manufacturer's part number."),
    _rule(r"missing.*\bcondition\b", "condition.missing", "Say whether the item is new, refurbished or used."),
    _rule(r"^a required field is missing", "field.missing", "Fill in the field that the message names."),
    _rule(
        r"^these fields have missing information",
        "field.recommended",
        "Fill in the field that the message names; the item is shown without it.",
    ),
    _rule(
        r"^url incorrectly formatted",
        "link.invalid",
        "Correct the address: it starts with http:// or https:// and has no spaces.",
    ),
    _rule(
        r"date range|sale_price_effective_date",
        "sale_price_effective_date.invalid",
        "Let the sale end after it starts.",
    ),
    _rule(r"sale[_ ]price", "sale_price.invalid", "Set a sale price below the price, in the same currency."),
    _rule(r"\bprices?\b", "price.invalid", "Set a price above zero with its currency."),
    _rule(r"\bavailability\b", "availability.invalid", "Set a stock level, or one of Meta's availability values."),
    _rule(
        r"capital letters|all[- ]caps|uppercase",
        "text.capitals",
        "Write the text in ordinary capital and small letters.",
    ),
    _rule(r"image", "image_link.invalid", "Use a JPEG or PNG picture of at least 500 by 500 pixels and at most 8 MB."),
    _rule(
        r"policy|policies|prohibited",
        "policy",
        "Read Meta's commerce policies; change the item or ask for a review in Commerce Manager.",
    ),
    _rule(r"too long|longer than|exceeds|maximum length", "text.too_long", "Shorten the text that the message names."),
    _rule(r"^invalid value", "value.invalid", "Correct the value that the message names."),
)
_DEFAULT = ("meta.other", "Correct what the message names; the item goes again when its data changes.")


def explain(message: str) -> Explained:
    """The finding behind one of Meta's sentences about an item; ``meta.other`` for a sentence we do not know."""
    text = tidy(message)
    if is_missing(text):
        return Explained("item.missing", text, "Nothing: the whole item is sent again.", "meta")
    for rule in _RULES:
        if rule.pattern.search(text):
            return Explained(rule.code, text, rule.action, rule.owner)
    return Explained(_DEFAULT[0], text, _DEFAULT[1], "merchant")


def is_missing(message: str) -> bool:
    """Whether Meta says that it does not have the item: its ``UPDATE`` needs the content too, its removal is done.

    Meta documents that such an update "is not completed", not in which words.
    """
    return _MISSING.search(message) is not None


def tidy(message: Any) -> str:
    """Meta's sentence as it may be stored and shown: one line, no credentials, at most 500 characters."""
    text = scrub(message, max_chars=_MAX_CHARS) if isinstance(message, str) else ""
    return text or "Meta gave no reason."
