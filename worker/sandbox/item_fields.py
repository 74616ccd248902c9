"""What one field of a PRODUCT_ITEM may hold when it comes through ``items_batch``.

One checker per field: it gets the JSON value and returns what is wrong, as the message Meta would give, or None.
Where Meta's pages leave a question open the checker refuses, because what passes here is relied on elsewhere.
``""`` (unset) and null (ignored) never reach a checker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from urllib.parse import urlsplit

from worker.sandbox.money import price_problem

Checker = Callable[[object], str | None]

REQUIRED = ("title", "description", "availability", "condition", "price", "link")
"""Needed to create an item, beside an image and one of ``brand``, ``gtin``, ``mpn``."""

_URL = re.compile(
    r"https?://(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?",
    re.ASCII,
)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--")
_LINK_IN_TEXT = re.compile(r"https?://", re.IGNORECASE)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?[+-]\d\d:?\d\d", re.ASCII)
_WEIGHT = re.compile(r"\d+(\.\d+)? (lb|oz|g|kg)", re.ASCII)
_CAPITALS_TOLERATED = 3  # "USB", "TV": Meta says "ALL CAPS" and gives no length


def _invalid(name: str, why: str) -> str:
    return f"Invalid value: The value of {name} is not valid: {why}."


def url_problem(name: str, value: object) -> str | None:
    if isinstance(value, str) and _URL.fullmatch(value):
        return None
    return f"URL Incorrectly Formatted: {name} must be a complete http or https address."


def _url(name: str) -> Checker:
    return lambda value: url_problem(name, value)


def _link(value: object) -> str | None:
    problem = url_problem("link", value)
    if problem:
        return problem
    parts = urlsplit(str(value))
    host = parts.hostname or ""
    if host in ("facebook.com", "fb.com") or host.endswith((".facebook.com", ".fb.com")):
        return "URL Incorrectly Formatted: link must lead to the merchant's own domain."
    if parts.path in ("", "/") and not parts.query:
        return "URL Incorrectly Formatted: link must lead to the product, not to the domain."
    return None


def _text(name: str, longest: int | None = None) -> Checker:
    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return _invalid(name, "it must be a text")
        if longest is not None and len(value) > longest:
            return _invalid(name, f"it is longer than {longest} characters")
        return _invalid(name, "it is blank") if not value.strip() else None

    return check


def _prose(name: str, longest: int, *, plain: bool) -> Checker:
    text = _text(name, longest)

    def check(value: object) -> str | None:
        problem = text(value)
        if problem:
            return problem
        prose = str(value)
        if prose.isupper() and sum(letter.isupper() for letter in prose) > _CAPITALS_TOLERATED:
            return _invalid(name, "it is all capital letters")
        if plain and _TAG.search(prose):
            return _invalid(name, "it contains HTML tags")
        return _invalid(name, "it contains a link") if plain and _LINK_IN_TEXT.search(prose) else None

    return check


def _one_of(name: str, *allowed: str) -> Checker:
    why = "supported values are " + ", ".join(f'"{value}"' for value in allowed)
    return lambda value: None if isinstance(value, str) and value in allowed else _invalid(name, why)


def _whole_number(name: str, lowest: int = 0, highest: int | None = None) -> Checker:
    def check(value: object) -> str | None:
        if type(value) is not int:
            return _invalid(name, "it must be a whole number")
        in_range = value >= lowest and (highest is None or value <= highest)
        return None if in_range else _invalid(name, "it is out of range")

    return check


def _price(name: str) -> Checker:
    def check(value: object) -> str | None:
        problem = price_problem(value)
        return _invalid(name, problem) if problem else None

    return check


def _window(value: object) -> str | None:
    halves = value.split("/") if isinstance(value, str) else []
    if len(halves) != 2 or not all(_INSTANT.fullmatch(half) for half in halves):
        return _invalid(
            "sale_price_effective_date", "it must be start/end in ISO 8601, each with an offset like -08:00"
        )
    try:
        start, end = (datetime.fromisoformat(half) for half in halves)
    except ValueError:
        return _invalid("sale_price_effective_date", "it holds a date that does not exist")
    if start < end:
        return None
    return "Invalid Date Range: The date range specified in sale_price_effective_date is invalid."


def _day(value: object) -> str | None:
    try:
        date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "")
    except ValueError:
        return _invalid("expiration_date", "it must be YYYY-MM-DD")
    return None


def _media(name: str, most: int, *, may_be_empty: bool) -> Checker:
    def entry_is_good(entry: object) -> bool:
        if not isinstance(entry, Mapping) or not set(entry) <= {"url", "tag"} or url_problem(name, entry.get("url")):
            return False
        tags = entry.get("tag", [])
        return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)

    def check(value: object) -> str | None:
        if not isinstance(value, list) or len(value) > most or not (value or may_be_empty):
            return _invalid(name, f"it must be an array of at most {most} objects")
        if all(map(entry_is_good, value)):
            return None
        return f"URL Incorrectly Formatted: {name} must hold objects of url and tag."

    return check


def _urls(name: str, most: int) -> Checker:
    def check(value: object) -> str | None:
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            return _invalid(name, f"it must be an array of 1 to {most} addresses")
        return next((problem for url in value if (problem := url_problem(name, url))), None)

    return check


def _texts(name: str, most: int, longest: int, allowed: Collection[str] = ()) -> Checker:
    def good(entry: object) -> bool:
        return isinstance(entry, str) and 0 < len(entry) <= longest and (not allowed or entry in allowed)

    def check(value: object) -> str | None:
        fine = isinstance(value, list) and len(value) <= most and all(map(good, value))
        return None if fine else _invalid(name, "it must be an array of known, short texts")

    return check


def _matches(name: str, pattern: re.Pattern[str], why: str) -> Checker:
    return lambda value: None if isinstance(value, str) and pattern.fullmatch(value) else _invalid(name, why)


def _members(name: str, members: Collection[str], required: Collection[str] = ()) -> Checker:
    def check(value: object) -> str | None:
        fine = isinstance(value, Mapping) and set(required) <= set(value) <= set(members)
        return None if fine else _invalid(name, "it must be an object of the documented members")

    return check


def _either(text: Checker, objects: Checker) -> Checker:
    def check(value: object) -> str | None:
        if not isinstance(value, list):
            return text(value)
        return next((problem for entry in value if (problem := objects(entry))), None)

    return check


def _rating(value: object) -> str | None:
    fine = type(value) in (int, float) and 1 <= float(str(value)) <= 5
    return None if fine else _invalid("user_rating", "it must be a number from 1 to 5")


_CAPABILITIES = (
    "marketplace b2c_marketplace buy_on_facebook cpas_parent_catalog marketplace_shops shops daily_deals "
    "ig_onsite_shopping ig_product_tagging c2c_marketplace groups profile da whatsapp ldp mini_shops "
    "business_inbox_in_messenger neighborhoods test_capability"
).split()
_APPLINK = [
    *(f"{system}_{member}" for system in ("ios", "iphone", "ipad") for member in ("url", "app_store_id", "app_name")),
    *(f"android_{member}" for member in ("url", "package", "class", "app_name")),
    *(f"windows_phone_{member}" for member in ("url", "app_id", "app_name")),
]
_VARIANT = ("variant_label", "variant_value")
_ADDRESS = ("street1", "street2", "city", "region", "postal_code", "country")
_SHIPPING = [f"shipping_{member}" for member in ("country", "region", "service", "price_value", "price_currency")]

FIELDS: Mapping[str, Checker] = {
    "title": _prose("title", 100, plain=False),  # the pages say 100 and 200; 100 satisfies both
    "description": _prose("description", 5000, plain=True),
    "rich_text_description": _text("rich_text_description", 9999),
    "short_description": _text("short_description"),
    "availability": _one_of(
        "availability", "in stock", "out of stock", "available for order", "discontinued", "preorder", "pending"
    ),
    "condition": _one_of("condition", "new", "refurbished", "used"),
    "price": _price("price"),
    "sale_price": _price("sale_price"),
    "sale_price_effective_date": _window,
    "link": _link,
    "image": _media("image", 21, may_be_empty=False),
    "image_link": _url("image_link"),
    "additional_image_link": _urls("additional_image_link", 50),
    "brand": _text("brand", 100),
    "item_group_id": _text("item_group_id", 100),
    "size": _text("size", 200),
    "color": _text("color", 100),
    "gender": _one_of("gender", "male", "female", "unisex"),
    "age_group": _one_of("age_group", "newborn", "infant", "toddler", "kids", "adult", "teen", "all ages"),
    "material": _text("material", 200),
    "pattern": _text("pattern", 100),
    "additional_variant_attribute": _either(
        _matches(
            "additional_variant_attribute",
            re.compile(r"[^:,]+:[^:,]+(,[^:,]+:[^:,]+)*"),
            'it must be like "Scent:Fruity,Flavor:Apple"',
        ),
        _members("additional_variant_attribute", _VARIANT, _VARIANT),
    ),
    "quantity_to_sell_on_facebook": _whole_number("quantity_to_sell_on_facebook"),
    "inventory": _whole_number("inventory"),
    "google_product_category": _text("google_product_category", 250),
    "fb_product_category": _text("fb_product_category"),
    "product_type": _text("product_type", 750),
    "gtin": _matches("gtin", re.compile(r"\d{1,70}", re.ASCII), "it must be digits without dashes"),
    "mpn": _text("mpn", 100),
    "status": _one_of("status", "active", "archived"),
    "visibility": _one_of("visibility", "published", "staging", "hidden", "whitelist_only"),
    "disabled_capabilities": _texts("disabled_capabilities", len(_CAPABILITIES), 100, _CAPABILITIES),
    "shipping": _either(_text("shipping"), _members("shipping", _SHIPPING)),
    "shipping_weight": _matches("shipping_weight", _WEIGHT, 'it must be like "10 kg"'),
    "internal_label": _texts("internal_label", 5000, 110),
    **{f"custom_label_{n}": _text(f"custom_label_{n}", 100) for n in range(5)},
    **{f"custom_number_{n}": _whole_number(f"custom_number_{n}", 0, 4294967295) for n in range(5)},
    "mobile_link": _url("mobile_link"),
    "checkout_url": _url("checkout_url"),
    "applink": _members("applink", _APPLINK),
    "video": _media("video", 20, may_be_empty=True),
    "unit_price": _members("unit_price", ("value", "currency", "unit"), ("value", "currency", "unit")),
    "expiration_date": _day,
    "vendor_id": _text("vendor_id", 100),
    "user_rating": _rating,
    "rating_count": _whole_number("rating_count", 1),
    "ordering_index": _whole_number("ordering_index"),
    "origin_country": _text("origin_country"),
    "importer_name": _text("importer_name"),
    "importer_address": _members("importer_address", _ADDRESS, ("street1", "city", "country")),
    "manufacturer_info": _text("manufacturer_info"),
    "wa_compliance_category": _one_of("wa_compliance_category", "DEFAULT", "COUNTRY_ORIGIN_EXEMPT"),
}

_MISSING = {
    "title": 'A required field is missing: Products without "name" information can\'t be uploaded.',
    "description": "Descriptions are missing: Products need to have a description.",
    "availability": "A required field is missing: Products need to have availability listed to run in ads.",
    "price": "A required field is missing: Products need to have prices to run in ads. "
    "Prices must include the cost and an ISO currency code.",
    "image_link": "A required field is missing: Products need to have an image_link or an image.",
    "brand": "A required field is missing: Products need to have a brand, a gtin or an mpn.",
}


def missing(name: str) -> str:
    """Meta's message for a required field that an item would be left without."""
    return _MISSING.get(name) or f"A required field is missing: Products need to have {name}."


def missing_fields(item: Mapping[str, object]) -> list[str]:
    """Required fields that this item lacks, in a fixed order."""
    absent = [name for name in REQUIRED if name not in item]
    if "image_link" not in item and "image" not in item:
        absent.append("image_link")
    if not ("brand" in item or "gtin" in item or "mpn" in item):
        absent.append("brand")
    return absent
