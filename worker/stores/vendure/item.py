"""One Vendure variant as an item in Meta's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urljoin

from worker.stores.contract import Fields, StoreConfig, UnreadableRecord

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How this shop wants its variants to be read; see the kind's options."""

    api_url: str
    storefront_url: str
    with_tax: bool
    compare_at: str | None
    stock_location: str | None
    brand_facet: str
    color_options: frozenset[str]
    size_options: frozenset[str]
    condition: str
    currency: str | None

    @classmethod
    def of(cls, config: StoreConfig) -> Options:
        value = config.options
        return cls(
            api_url=config.url,
            storefront_url=value["storefront_url"],
            with_tax=value["price"] == "with_tax",
            compare_at=value.get("compare_at_field"),
            stock_location=value.get("stock_location"),
            brand_facet=value["brand_facet"].lower(),
            color_options=_names(value["color_options"]),
            size_options=_names(value["size_options"]),
            condition=value["condition"],
            currency=config.currency,
        )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def sold_fields(variant: Json, settings: Json, options: Options) -> dict[str, Any]:
    """Price, sale price, availability and quantity. Raises ``UnreadableRecord`` for a price or stock that is no number.

    Money is an integer in 10^-``moneyStrategyPrecision`` units, whatever the currency (Vendure's MoneyStrategy).
    Vendure reduces prices by promotions, which apply to an order and show in no product; a shop that shows reduced
    prices keeps the price before in a custom field. One that is equal or lower means nothing.
    Stock is what Vendure's own ``getSaleableStockLevel`` computes: on hand, minus allocated to orders, minus the
    threshold, here perhaps of one location alone; a variant whose inventory is not tracked can always be bought.
    """
    if "currencyCode" not in variant:
        raise UnreadableRecord("Vendure has no price in this channel for the variant, or for another of its product.")
    amount = _integer(variant, "priceWithTax" if options.with_tax else "price")
    was = _compared(variant, options.compare_at)
    currency = variant.get("currencyCode") or options.currency
    fields: dict[str, Any] = {"price": _money(amount, settings, currency)}
    if was is not None and was > amount:
        fields["price"], fields["sale_price"] = _money(was, settings, currency), fields["price"]
    flag = variant.get("trackInventory")
    if flag == "FALSE" or (flag != "TRUE" and settings.get("track") is False):
        fields["availability"] = "in stock"
        return fields
    levels = variant.get("stockLevels")
    if not isinstance(levels, list):
        raise UnreadableRecord("The variant has no stock levels.")
    own = variant.get("useGlobalOutOfStockThreshold") is False
    threshold = _integer(variant, "outOfStockThreshold") if own else _integer(settings, "threshold")
    free = sum(
        _integer(level, "stockOnHand") - _integer(level, "stockAllocated")
        for level in levels
        if options.stock_location is None or _location(level) == options.stock_location
    )
    saleable = free - threshold
    fields["availability"] = "in stock" if saleable > 0 else "out of stock"
    fields["quantity_to_sell_on_facebook"] = max(saleable, 0)
    return fields


def _location(level: Any) -> str:
    found = level.get("stockLocationId") if isinstance(level, dict) else None
    if not isinstance(found, str | int):
        raise UnreadableRecord("The variant has stock without a location.")
    return str(found)


def _compared(variant: Json, field: str | None) -> int | None:
    """The price before a reduction; None where there is none."""
    own = variant.get("customFields") if field else None
    return _integer(own, field) if field and isinstance(own, dict) and own.get(field) is not None else None


def _money(amount: int, settings: Json, currency: str | None) -> str:
    digits = settings.get("digits")
    price = f"{Decimal(amount).scaleb(-digits if isinstance(digits, int) else -2):f}"
    return f"{price} {currency}" if currency else price


def sku_of(variant: Json) -> dict[str, Any]:
    """For shops that make their ids of it."""
    return {"sku": variant["sku"]} if variant.get("sku") else {}


def item_fields(product: Json, variant: Json, settings: Json, options: Options) -> Fields:
    """The whole item. Raises ``UnreadableRecord`` for shapes that Vendure does not have."""
    product_id, variant_id = str(product["id"]), str(variant["id"])
    facets = [*_dicts(product.get("facetValues")), *_dicts(variant.get("facetValues"))]
    images = _images(product, variant, options.api_url)
    fields: dict[str, Any] = {
        "title": variant.get("name") or product.get("name"),
        "description": product.get("description"),
        "link": _link(options.storefront_url, product, variant),
        "image_link": images[0] if images else None,
        "additional_image_link": images[1:],
        "brand": next((value.get("name") for value in facets if _code(value, "facet") == options.brand_facet), None),
        # A prefix, because ids of products and variants are counted apart and Meta wants them all different.
        "item_group_id": f"product-{product_id}",
        "condition": options.condition,
        **sku_of(variant),
        **_options(variant, options),
        **sold_fields(variant, settings, options),
    }
    if product.get("enabled") is False or variant.get("enabled") is False:
        fields["status"] = "archived"
    if not variant_id:
        raise UnreadableRecord("The variant has no id.")
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _options(variant: Json, options: Options) -> dict[str, str]:
    """Color and size by the option group's code or name; the other groups as Meta's free attributes."""
    named: dict[str, str] = {}
    others: list[str] = []
    # Vendure promises no order, and an edited option comes last.
    for option in sorted(_dicts(variant.get("options")), key=lambda one: _code(one, "group")):
        group = option.get("group")
        value = option.get("name")
        if not isinstance(group, dict) or not isinstance(value, str) or not value.strip():
            continue
        names = {str(group.get("code", "")).lower(), str(group.get("name", "")).strip().lower()}
        if names & options.color_options:
            named.setdefault("color", value)
        elif names & options.size_options:
            named.setdefault("size", value)
        else:
            # Colon and comma separate names and values there (Meta: "Scent:Fruity,Flavor:Apple").
            label = str(group.get("name") or group.get("code") or "")
            others.append(":".join(part.replace(":", " ").replace(",", " ").strip() for part in (label, value)))
    if others:
        named["additional_variant_attribute"] = ",".join(others)
    return named


def _images(product: Json, variant: Json, api_url: str) -> list[str]:
    """The variant's picture before the product's, each once. Vendure gives paths where no asset URL is set."""
    candidates = (
        variant.get("featuredAsset"), *_dicts(variant.get("assets")),
        product.get("featuredAsset"), *_dicts(product.get("assets")),
    )  # fmt: skip
    previews = (asset.get("preview") for asset in candidates if isinstance(asset, dict))
    return list(dict.fromkeys(urljoin(api_url, url) for url in previews if isinstance(url, str) and url))


def _link(template: str, product: Json, variant: Json) -> str:
    values = {
        "{slug}": product.get("slug"), "{product_id}": product["id"],
        "{variant_id}": variant["id"], "{sku}": variant.get("sku"),
    }  # fmt: skip
    for placeholder, value in values.items():
        template = template.replace(placeholder, quote(str(value or ""), safe=""))
    return template


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _code(value: Json, member: str) -> str:
    inner = value.get(member)
    return str(inner.get("code", "")).lower() if isinstance(inner, dict) else ""


def _integer(holder: Any, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnreadableRecord(f"The variant's {name} is not a whole number.")
    return value
