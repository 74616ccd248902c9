"""The fields that we ask Medusa for, as few as their purpose allows.

No times of change among them: they would make unchanged items look changed.
"""

from __future__ import annotations

from collections.abc import Sequence

# What decides price and availability. Rows of price lists are not among a variant's own prices; see ``prices``.
SOLD: Sequence[str] = (
    "id", "sku", "allow_backorder", "manage_inventory",
    "prices.amount", "prices.currency_code", "prices.min_quantity",
    # Without their rules asked for, all prices look like prices for everybody.
    "prices.price_rules.attribute", "prices.price_rules.value",
    "inventory_items.required_quantity",
    *(f"inventory_items.inventory.location_levels.{name}" for name in
      ("location_id", "stocked_quantity", "reserved_quantity")),
)  # fmt: skip

_PRODUCT = (
    "id", "title", "handle", "description", "status", "thumbnail", "material", "metadata",
    "images.url", "images.rank", "sales_channels.id",
    "collection.title", "type.value", "tags.value", "categories.name",
)  # fmt: skip

ITEM: Sequence[str] = (
    *SOLD, "ean", "upc", "barcode", "thumbnail", "material", "images.url", "images.rank",
    "options.value", "options.option.title", *(f"product.{name}" for name in _PRODUCT),
)  # fmt: skip

CHANGED_PRODUCT: Sequence[str] = ("id", "variants.id", "variants.updated_at")
STOCK: Sequence[str] = ("id", "location_levels.updated_at", "variants.id", "variants.updated_at")
GONE: Sequence[str] = ("id", "variants.id", "variants.deleted_at")

PRICE_LIST: Sequence[str] = (
    "id", "type", "status", "starts_at", "ends_at", "price_list_rules.attribute", "price_list_rules.value",
)  # fmt: skip
LISTED_PRICE: Sequence[str] = (
    "id", "amount", "currency_code", "min_quantity", "price_set.variant.id",
    "price_rules.attribute", "price_rules.value",
)  # fmt: skip


def fields(names: Sequence[str]) -> tuple[str, str]:
    """The parameter that asks for them."""
    return "fields", ",".join(names)
