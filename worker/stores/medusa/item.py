"""One Medusa variant as an item in Meta's field names."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from worker.stores.contract import Fields, StoreConfig, UnreadableRecord
from worker.stores.medusa.api import Json
from worker.stores.medusa.prices import Market, Offer, price_fields

# What Medusa's dashboard gives a product without options.
_NO_OPTION = ("Default option", "Default option value")
# More of anything than a shop has; beyond it numbers are no longer exact.
_MOST = 10**15


@dataclass(frozen=True, slots=True)
class Options:
    """How this shop wants its variants to be read; see the kind's options."""

    storefront_url: str
    region: str | None
    sales_channel: str | None
    brand_metadata: str
    color_options: frozenset[str]
    size_options: frozenset[str]
    condition: str

    @classmethod
    def of(cls, config: StoreConfig) -> Options:
        value = config.options
        return cls(
            storefront_url=value["storefront_url"],
            region=value.get("region"),
            sales_channel=value.get("sales_channel"),
            brand_metadata=value["brand_metadata"],
            color_options=_names(value["color_options"]),
            size_options=_names(value["size_options"]),
            condition=value["condition"],
        )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def sold_fields(variant: Json, market: Market, locations: Collection[str] | None, offer: Offer) -> dict[str, Any]:
    """Price, sale, availability, quantity and SKU. Raises ``UnreadableRecord`` for shapes that Medusa does not have.

    What is not counted, and what may be ordered beyond its stock, has no quantity: Meta would count it down to a false
    "out of stock".
    """
    fields: dict[str, Any] = dict(price_fields(variant, market, offer))
    if isinstance(sku := variant.get("sku"), str) and sku:
        fields["sku"] = sku
    counted, backorder = variant.get("manage_inventory"), variant.get("allow_backorder")
    if not isinstance(counted, bool) or not isinstance(backorder, bool):
        raise UnreadableRecord("The variant does not say whether its stock is counted.")
    if not counted:
        fields["availability"] = "in stock"
        return fields
    saleable = _saleable(variant, locations)
    if backorder:
        fields["availability"] = "in stock" if saleable > 0 else "available for order"
        return fields
    fields["availability"] = "in stock" if saleable > 0 else "out of stock"
    fields["quantity_to_sell_on_facebook"] = max(saleable, 0)
    return fields


def _saleable(variant: Json, locations: Collection[str] | None) -> int:
    """How many can be sold, as Medusa's own ``getVariantAvailability`` has it: a kit is as many as its scarcest part.

    A variant that is counted and has no inventory item has nothing.
    """
    parts = variant.get("inventory_items")
    if not isinstance(parts, list):
        raise UnreadableRecord("The variant has no list of inventory items.")
    found: list[int] = []
    for part in parts:
        inventory = part.get("inventory") if isinstance(part, dict) else None
        levels = inventory.get("location_levels") if isinstance(inventory, dict) else None
        if not isinstance(levels, list) or not all(isinstance(level, dict) for level in levels):
            raise UnreadableRecord("The variant has an inventory item without stock levels.")
        there = [level for level in levels if locations is None or level.get("location_id") in locations]
        free = sum(_quantity(level, "stocked_quantity") - _quantity(level, "reserved_quantity") for level in there)
        required = _quantity(part, "required_quantity")
        if required <= 0:
            raise UnreadableRecord("The variant's required_quantity is not above zero.")
        found.append(math.floor(free / required))
    return min(found, default=0)


def item_fields(variant: Json, market: Market, locations: Collection[str] | None, offer: Offer, own: Options) -> Fields:
    """The whole item. Raises ``UnreadableRecord`` for shapes that Medusa does not have."""
    product = variant.get("product")
    if not isinstance(product, dict) or not isinstance(product.get("id"), str):
        raise UnreadableRecord("The variant has no product.")
    images = _images(product, variant)
    metadata, collection = product.get("metadata"), product.get("collection")
    categories = sorted(_texts(product.get("categories"), "name"))
    fields: dict[str, Any] = {
        "title": product.get("title"),
        "description": product.get("description"),
        "link": _link(own.storefront_url, product, variant),
        "image_link": images[0] if images else None,
        "additional_image_link": images[1:],
        "brand": metadata.get(own.brand_metadata) if isinstance(metadata, dict) else None,
        "gtin": variant.get("ean") or variant.get("upc") or variant.get("barcode"),
        "mpn": variant.get("sku"),
        "item_group_id": product["id"],
        "product_type": _first(product.get("type"), "value") or (categories[0] if categories else None),
        "internal_label": [*_texts([collection], "title"), *sorted(_texts(product.get("tags"), "value"))],
        "material": variant.get("material") or product.get("material"),
        "condition": own.condition,
        **_options(variant, own),
        **sold_fields(variant, market, locations, offer),
    }
    if not _shown(product, own):
        fields["status"] = "archived"
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _shown(product: Json, own: Options) -> bool:
    """Whether customers find the product: Medusa's Store API shows what is published and in the visitor's channel."""
    channels = product.get("sales_channels")
    if not isinstance(channels, list):
        raise UnreadableRecord("The product does not say which sales channels it is in.")
    ids = set(_texts(channels, "id"))
    return product.get("status") == "published" and (own.sales_channel in ids if own.sales_channel else bool(ids))


def _options(variant: Json, own: Options) -> dict[str, str]:
    """Color and size by the option's title; the others as Meta's free attributes."""
    named: dict[str, str] = {}
    others: list[str] = []
    for chosen in _dicts(variant.get("options")):
        title, value = _first(chosen.get("option"), "title"), chosen.get("value")
        if not title or not isinstance(value, str) or not value.strip() or (title, value) == _NO_OPTION:
            continue
        if title.strip().lower() in own.color_options:
            named["color"] = value
        elif title.strip().lower() in own.size_options:
            named["size"] = value
        else:
            # Colon and comma separate names and values there (Meta: "Scent:Fruity,Flavor:Apple").
            others.append(":".join(part.replace(":", " ").replace(",", " ").strip() for part in (title, value)))
    if others:
        # Medusa gives them in any order.
        named["additional_variant_attribute"] = ",".join(sorted(others))
    return named


def _images(product: Json, variant: Json) -> list[str]:
    """The variant's pictures if it has any, else the product's, each once.

    A variant has those of its product that belong to no other variant. The product's thumbnail may show another one.
    """
    rows = list(_dicts(variant.get("images"))) or list(_dicts(product.get("images")))
    rows.sort(key=lambda row: (_rank(row), str(row.get("url"))))
    urls = list(_texts(rows, "url"))
    cover = product.get("thumbnail")
    candidates = (variant.get("thumbnail"), cover if cover in urls or not urls else None, *urls)
    return list(dict.fromkeys(url for url in candidates if isinstance(url, str) and url))


def _rank(row: Json) -> int:
    rank = row.get("rank")
    return rank if isinstance(rank, int) else 0


def _link(template: str, product: Json, variant: Json) -> str:
    values = {
        "{handle}": product.get("handle"), "{product_id}": product["id"],
        "{variant_id}": variant["id"], "{sku}": variant.get("sku"),
    }  # fmt: skip
    for placeholder, value in values.items():
        template = template.replace(placeholder, quote(str(value or ""), safe=""))
    return template


def _dicts(value: Any) -> Iterable[Json]:
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _texts(value: Any, member: str) -> Iterable[str]:
    return (entry[member] for entry in _dicts(value) if isinstance(entry.get(member), str) and entry[member])


def _first(value: Any, member: str) -> str | None:
    return next(iter(_texts([value], member)), None)


def _quantity(holder: Json, name: str) -> float:
    value = holder.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_MOST <= value <= _MOST:
        raise UnreadableRecord(f"The variant's {name} is not a number of pieces.")
    return value
