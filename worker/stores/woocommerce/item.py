"""One WooCommerce product, or one variation of it, as an item in Meta's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.stores.contract import Fields, StoreConfig, UnreadableRecord

Json = Mapping[str, Any]

SOLD_FIELDS: tuple[str, ...] = (
    "id", "regular_price", "sale_price", "date_on_sale_from_gmt", "date_on_sale_to_gmt",
    "manage_stock", "stock_quantity", "stock_status",
)  # fmt: skip
# No dates of change and no sales figures: they would make unchanged items look changed.
PRODUCT_FIELDS: tuple[str, ...] = (
    *SOLD_FIELDS, "type", "name", "description", "short_description", "permalink", "status", "catalog_visibility",
    "post_password", "sku", "global_unique_id", "brands", "images", "attributes", "variations",
)  # fmt: skip
VARIATION_FIELDS: tuple[str, ...] = (
    *SOLD_FIELDS, "parent_id", "description", "permalink", "status", "sku", "global_unique_id", "image", "attributes",
)  # fmt: skip

_AVAILABILITY = {"instock": "in stock", "outofstock": "out of stock", "onbackorder": "available for order"}


@dataclass(frozen=True, slots=True)
class Options:
    """How this shop wants its products to be read; see the kind's options."""

    brand_attributes: frozenset[str]
    color_attributes: frozenset[str]
    size_attributes: frozenset[str]
    condition: str

    @classmethod
    def of(cls, config: StoreConfig) -> Options:
        value = config.options
        return cls(
            brand_attributes=_names(value["brand_attributes"]),
            color_attributes=_names(value["color_attributes"]),
            size_attributes=_names(value["size_attributes"]),
            condition=value["condition"],
        )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def sellable(product: Json) -> bool:
    """Whether the shop itself sells this product as one item.

    An external product is bought elsewhere, a grouped one is a page of other products, and types of plugins that have
    variations (subscriptions) have prices of another meaning.
    """
    return product.get("type") not in ("external", "grouped") and not product.get("variations")


def sold_fields(thing: Json, currency: str | None) -> dict[str, Any]:
    """Price, sale and stock of a product or variation. Raises ``UnreadableRecord`` for a price that is no text.

    ``stock_status`` is what WooCommerce's own shop goes by: it heeds the threshold, backorders, and for a variation
    whose ``manage_stock`` is "parent" the stock of its product (``sync_managed_variation_stock_status``).
    """
    fields: dict[str, Any] = {
        "price": _price(thing, "regular_price", currency),
        "sale_price": _price(thing, "sale_price", currency),
    }
    start, end = _instant(thing, "date_on_sale_from_gmt"), _instant(thing, "date_on_sale_to_gmt")
    if fields["sale_price"] is not None and (start or end):
        fields["sale_price_effective_date"] = f"{start}/{end}"
    status = thing.get("stock_status")
    fields["availability"] = _AVAILABILITY.get(status, status) if isinstance(status, str) else None
    quantity = thing.get("stock_quantity")
    # What is on backorder can be bought although nothing, or less, is there.
    managed = thing.get("manage_stock") in (True, "parent") and status != "onbackorder"
    if managed and isinstance(quantity, int | float):
        fields["quantity_to_sell_on_facebook"] = max(int(quantity), 0)
    return {name: value for name, value in fields.items() if value is not None}


def sku_of(thing: Json) -> dict[str, Any]:
    """For shops that make their ids of it. A variation without one of its own is given its product's."""
    return {"sku": thing["sku"]} if thing.get("sku") else {}


def item_fields(product: Json, variation: Json | None, currency: str | None, options: Options) -> Fields:
    """The whole item. Raises ``UnreadableRecord`` for shapes that WooCommerce does not have."""
    own = variation or product
    images = _images(product, variation)
    fields: dict[str, Any] = {
        "title": _title(product, variation),
        "description": own.get("description") or product.get("description") or product.get("short_description"),
        "link": own.get("permalink"),
        "image_link": images[0] if images else None,
        "additional_image_link": images[1:],
        "brand": _brand(product, options),
        "gtin": own.get("global_unique_id"),
        "mpn": own.get("sku"),
        **sku_of(own),
        "item_group_id": str(product["id"]) if variation else None,
        "condition": options.condition,
        **_attributes(product, variation, options),
        **sold_fields(own, currency),
    }
    if _hidden(product, variation):
        fields["status"] = "archived"
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _hidden(product: Json, variation: Json | None) -> bool:
    """Whether a visitor cannot find it; a disabled variation has the status "private"."""
    return (
        (variation is None and not sellable(product))
        or product.get("status") != "publish"
        or bool(variation and variation.get("status") != "publish")
        or product.get("catalog_visibility") == "hidden"
        or bool(product.get("post_password"))
    )


def _title(product: Json, variation: Json | None) -> str | None:
    """As carts and orders name a variation: "Hoodie - Blue, Yes"."""
    name = product.get("name")
    chosen = [value for _, value in _chosen(variation)] if variation else []
    return f"{name} - {', '.join(chosen)}" if isinstance(name, str) and name and chosen else name


def _chosen(variation: Json) -> list[tuple[Json, str]]:
    """The attributes that set this variation apart. One that fits any value ("Any size") has none."""
    return [
        (attribute, option.strip())
        for attribute in _dicts(variation.get("attributes"))
        if isinstance(option := attribute.get("option"), str) and option.strip()
    ]


def _fixed(product: Json) -> Iterable[tuple[Json, str]]:
    """Attributes that hold for the product as a whole, where they have one value."""
    for attribute in _dicts(product.get("attributes")):
        values = attribute.get("options")
        if attribute.get("variation") is not True and isinstance(values, list) and len(values) == 1:
            yield attribute, str(values[0]).strip()


def _attributes(product: Json, variation: Json | None, options: Options) -> dict[str, str]:
    """Color and size by the attribute's name or slug; what else sets a variation apart as Meta's free attributes."""
    named: dict[str, str] = {}
    others: list[str] = []
    chosen = _chosen(variation) if variation else []
    for attribute, value in (*chosen, *_fixed(product)):
        names = _called(attribute)
        if names & options.color_attributes:
            named.setdefault("color", value)
        elif names & options.size_attributes:
            named.setdefault("size", value)
        elif attribute.get("variation") is None:
            # Colon and comma separate names and values there (Meta: "Scent:Fruity,Flavor:Apple").
            label = str(attribute.get("name") or attribute.get("slug") or "")
            others.append(":".join(part.replace(":", " ").replace(",", " ").strip() for part in (label, value)))
    if others:
        named["additional_variant_attribute"] = ",".join(others)
    return named


def _called(attribute: Json) -> set[str]:
    # Shop-wide attributes are taxonomies, whose slugs begin with "pa_".
    slug = str(attribute.get("slug") or "").lower()
    return {str(attribute.get("name") or "").strip().lower(), slug, slug.removeprefix("pa_")} - {""}


def _brand(product: Json, options: Options) -> str | None:
    """WooCommerce has brands since 9.6; before, shops used an attribute."""
    brands = (str(brand.get("name") or "").strip() for brand in _dicts(product.get("brands")))
    attributes = (value for attribute, value in _fixed(product) if _called(attribute) & options.brand_attributes)
    return next((name for name in (*brands, *attributes) if name), None)


def _images(product: Json, variation: Json | None) -> list[str]:
    """The variation's picture before the product's, each once."""
    own = variation.get("image") if variation else None
    candidates = (own, *_dicts(product.get("images")))
    sources = (image.get("src") for image in candidates if isinstance(image, dict))
    return list(dict.fromkeys(source for source in sources if isinstance(source, str) and source))


def _price(thing: Json, name: str, currency: str | None) -> str | None:
    """An amount as text with its currency; None where it is empty, as prices that nobody entered are."""
    value = thing.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise UnreadableRecord(f"The {name} is not an amount.")
    text = str(value)
    try:
        # WooCommerce keeps amounts with a decimal point, whatever its display settings; "1.299" is not a thousand.
        amount = Decimal(text)
        text = f"{amount:f}0" if amount.as_tuple().exponent == -3 else f"{amount:f}"
    except (InvalidOperation, ValueError):
        pass  # the rules say what is wrong with it
    return f"{text} {currency}" if currency else text


def _instant(thing: Json, name: str) -> str:
    # Fields that end in _gmt are UTC and do not say so.
    value = thing.get(name)
    return f"{value}+00:00" if isinstance(value, str) and value else ""


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else ()
