"""The one table of catalog fields: everything else in ``items`` is driven by it.

Names, limits and enums are those of Meta's ``items_batch`` reference for ``item_type=PRODUCT_ITEM`` and of its
"Catalog fields" page; where the two disagree on a length, the shorter one satisfies both.

``bit`` numbers an optional field in the mask of an encoded half and in a shop's ``fields_sent``. Both are stored,
so numbers are append-only: a new field takes the next free one, a removed field leaves a gap. A field without a bit
is never unset at Meta: required fields, and ``previous_id``, which only links an item to its past once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

Half = Literal["content", "volatile"]
Kind = Literal[
    "title",  # one line of text, markup removed, capitals lowered
    "line",  # one line of text, markup removed
    "paragraphs",  # text with line breaks, markup removed, capitals lowered
    "verbatim",  # as the store gave it, without the white space around it
    "url",
    "urls",
    "images",
    "videos",
    "price",
    "window",
    "availability",
    "quantity",
    "choice",
    "labels",
    "integer",
    "number",
    "gtin",
    "date",
    "object",
    "shipping",
    "variant",
    "status",
]


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table.

    Attributes:
        limit: Most characters of a text, most entries of a list; None: Meta names none.
        cuts: A text over its limit is cut at a word; otherwise (identities, categories, markup) it is left out.
        choices: Accepted spelling -> Meta's value, in lower case with spaces; empty: any value.
        low, high: Bounds of a number, both allowed.
        bit: Number in the mask of optional fields; None: never unset.
        aliases: Old and read-side names of the same field.
    """

    name: str
    kind: Kind
    bit: int | None = None
    half: Half = "content"
    required: bool = False
    limit: int | None = None
    cuts: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    aliases: tuple[str, ...] = ()


def _same(*values: str) -> dict[str, str]:
    return {value.replace("_", " "): value for value in values}


AVAILABILITY = MappingProxyType(
    {
        **_same("in stock", "out of stock", "available for order", "discontinued", "preorder", "pending"),
        # Google's spelling and schema.org's ItemAvailability, which stores paste into feeds.
        "instock": "in stock",
        "outofstock": "out of stock",
        "soldout": "out of stock",
        "sold out": "out of stock",
        "pre order": "preorder",
        "presale": "preorder",
        "backorder": "available for order",
        "back order": "available for order",
        "availablefororder": "available for order",
        "madetoorder": "available for order",
        "limitedavailability": "in stock",
        "limited availability": "in stock",
        "onlineonly": "in stock",
        "available": "in stock",
        "unavailable": "out of stock",
        "not available": "out of stock",
        "true": "in stock",
        "yes": "in stock",
        "false": "out of stock",
        "no": "out of stock",
    }
)
# The reference for writing knows three conditions; the finer ones that items can be read with are narrowed to them.
_CONDITION = {
    **_same("new", "refurbished", "used"),
    "newcondition": "new",
    "brand new": "new",
    "refurbishedcondition": "refurbished",
    "usedcondition": "used",
    "damagedcondition": "used",
    "used like new": "used",
    "used good": "used",
    "used fair": "used",
    "cpo": "used",
    "open box new": "used",
}
_GENDER = {
    **_same("male", "female", "unisex"),
    "m": "male",
    "man": "male",
    "men": "male",
    "mens": "male",
    "f": "female",
    "woman": "female",
    "women": "female",
    "womens": "female",
}
_AGE_GROUP = {
    **_same("newborn", "infant", "toddler", "kids", "adult", "teen"),
    "all ages": "all ages",
    "kid": "kids",
    "children": "kids",
    "teens": "teen",
    "adults": "adult",
}
_CAPABILITIES = _same(
    *"marketplace b2c_marketplace buy_on_facebook cpas_parent_catalog marketplace_shops shops daily_deals"
    " ig_onsite_shopping ig_product_tagging c2c_marketplace groups profile da whatsapp ldp mini_shops"
    " business_inbox_in_messenger neighborhoods test_capability".split()
)
_STATUS = {
    "active": "active",
    "published": "active",
    "archived": "archived",
    # Values of ``visibility``, the old name: none of these three is shown to the public.
    "hidden": "archived",
    "staging": "archived",
    "whitelist only": "archived",
}
_UINT32 = 4294967295

TABLE: tuple[Field, ...] = (
    # Order is the order of the members in every encoded half; a change re-sends every item.
    Field("title", "title", required=True, limit=100, cuts=True, aliases=("name",)),
    Field("description", "paragraphs", required=True, limit=5000, cuts=True),
    Field("rich_text_description", "verbatim", 0, limit=9999),
    Field("short_description", "paragraphs", 1),
    Field("condition", "choice", required=True, choices=_CONDITION),
    Field("link", "url", required=True, aliases=("url",)),
    Field("image", "images", 2, limit=21, aliases=("images",)),
    # Required unless ``image`` is given, so it has no bit: Meta ignores it beside ``image``.
    Field("image_link", "url", aliases=("image_url",)),
    Field("additional_image_link", "urls", 3, limit=50, aliases=("additional_image_urls", "additional_image_links")),
    # Required, but a gtin or an mpn may stand in for it.
    Field("brand", "line", 4, limit=100, cuts=True),
    Field("item_group_id", "verbatim", 5, limit=100, aliases=("retailer_product_group_id",)),
    Field("size", "line", 6, limit=200, cuts=True),
    Field("color", "line", 7, limit=100, cuts=True, aliases=("colour",)),
    Field("gender", "choice", 8, choices=_GENDER),
    Field("age_group", "choice", 9, choices=_AGE_GROUP),
    Field("material", "line", 10, limit=200, cuts=True),
    Field("pattern", "line", 11, limit=100, cuts=True),
    Field("additional_variant_attribute", "variant", 12, aliases=("additional_variant_attributes",)),
    Field("google_product_category", "verbatim", 13, limit=250, aliases=("category",)),
    Field("fb_product_category", "verbatim", 14),
    Field("product_type", "verbatim", 15, limit=750),
    Field("gtin", "gtin", 16, limit=70),
    Field("mpn", "verbatim", 17, limit=100, aliases=("manufacturer_part_number",)),
    Field("disabled_capabilities", "labels", 18, choices=_CAPABILITIES, aliases=("capabilities_disabled_by_user",)),
    Field("shipping", "shipping", 19),
    Field("shipping_weight", "verbatim", 20),
    Field("internal_label", "labels", 21, limit=5000, aliases=("product_tags", "tags")),
    *(Field(f"custom_label_{n}", "verbatim", 22 + n, limit=100, cuts=True) for n in range(5)),
    *(Field(f"custom_number_{n}", "integer", 27 + n, low=0, high=_UINT32) for n in range(5)),
    Field("mobile_link", "url", 32),
    Field("checkout_url", "url", 33),
    Field("applink", "object", 34, aliases=("applinks",)),
    Field("video", "videos", 35, limit=20, aliases=("videos",)),
    Field("unit_price", "object", 36),
    Field("expiration_date", "date", 37),
    Field("vendor_id", "verbatim", 38, limit=100),
    Field("user_rating", "number", 39, low=1, high=5),
    Field("rating_count", "integer", 40, low=1, high=_UINT32),
    Field("ordering_index", "integer", 41, low=0, high=_UINT32),
    Field("origin_country", "verbatim", 42),
    Field("importer_name", "verbatim", 43),
    Field("importer_address", "object", 44),
    Field("manufacturer_info", "verbatim", 45),
    Field("wa_compliance_category", "verbatim", 46),
    Field("previous_id", "verbatim", limit=100),
    Field("price", "price", half="volatile", required=True),
    Field("sale_price", "price", 47, half="volatile"),
    Field("sale_price_effective_date", "window", 48, half="volatile"),
    Field("availability", "availability", half="volatile", required=True, choices=AVAILABILITY),
    Field("quantity_to_sell_on_facebook", "quantity", 49, half="volatile", aliases=("inventory",)),
)

# Sent by ``compose`` and not part of a half: an item is active whenever its content is sent.
STATUS = Field("status", "status", choices=_STATUS, aliases=("visibility",))
# The two ends of a sale as older surfaces name them; they become ``sale_price_effective_date``.
SALE_START, SALE_END = "sale_price_start_date", "sale_price_end_date"

FIELDS: Mapping[str, Field] = MappingProxyType({row.name: row for row in (*TABLE, STATUS)})
CONTENT = tuple(row for row in TABLE if row.half == "content")
VOLATILE = tuple(row for row in TABLE if row.half == "volatile")

NAMES: Mapping[str, str] = MappingProxyType(
    {alias: row.name for row in FIELDS.values() for alias in (row.name, *row.aliases)}
    | {SALE_START: SALE_START, SALE_END: SALE_END}
)
"""Every accepted name -> the canonical one."""

_NAME_CHARS = 64


def canonical(name: str) -> str | None:
    """Meta's name for a feed column such as ``g:Image Link``; None for a column that is no catalog field."""
    return _canonical(name) if len(name) <= _NAME_CHARS else None


@lru_cache(maxsize=4096)
def _canonical(name: str) -> str | None:
    plain = name.strip().lower().removeprefix("g:").replace(" ", "_").replace("-", "_")
    return NAMES.get(plain)
