"""One Shopify variant as an item in Meta's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, urlsplit

from worker.stores.contract import Fields, StoreConfig, UnreadableRecord

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How this shop wants its variants to be read; see the kind's options."""

    storefront_url: str | None
    publication: bool
    contextual: bool
    location: bool
    color_options: frozenset[str]
    size_options: frozenset[str]
    condition: str

    @classmethod
    def of(cls, config: StoreConfig) -> Options:
        value = config.options
        return cls(
            storefront_url=value.get("storefront_url"),
            publication="publication" in value,
            contextual="country" in value,
            location="stock_location" in value,
            color_options=_names(value["color_options"]),
            size_options=_names(value["size_options"]),
            condition=value["condition"],
        )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def number_of(gid: Any) -> str:
    """``123`` of ``gid://shopify/ProductVariant/123``; "" for anything else."""
    number = gid.rpartition("/")[2].partition("?")[0] if isinstance(gid, str) else ""
    return number if number.isascii() and number.isdigit() else ""


def sold_fields(variant: Json, currency: str | None, options: Options) -> dict[str, Any]:
    """Price, sale price, availability and quantity. Raises ``UnreadableRecord`` for a price or stock that is none.

    A ``compareAtPrice`` above the price is the price before the reduction (help.shopify.com, "Sale pricing"); one
    that is equal or lower means nothing. ``sellableOnlineQuantity`` counts the locations that sell online, which
    ``inventoryQuantity`` does not; a shop may name one location instead. Untracked stock, and stock that may be sold
    below zero (inventory policy CONTINUE), has no quantity: Meta would count it down to a false "out of stock".
    """
    price, was = _prices(variant, currency, options)
    fields: dict[str, Any] = {"price": _money(*price)}
    if was is not None and was[0] > price[0]:
        fields["price"], fields["sale_price"] = _money(*was), _money(*price)
    item = variant.get("inventoryItem")
    tracked = item.get("tracked") if isinstance(item, dict) else None
    for_sale = variant.get("availableForSale")
    if not isinstance(tracked, bool) or not isinstance(for_sale, bool):
        raise UnreadableRecord("The variant does not say whether it is for sale.")
    if not tracked or variant.get("inventoryPolicy") == "CONTINUE":
        fields["availability"] = "in stock" if for_sale else "out of stock"
        return fields
    sellable = _available_there(item) if options.location else variant.get("sellableOnlineQuantity")
    if not isinstance(sellable, int) or isinstance(sellable, bool):
        raise UnreadableRecord("The variant's stock is not a whole number.")
    fields["availability"] = "in stock" if for_sale and sellable > 0 else "out of stock"
    fields["quantity_to_sell_on_facebook"] = max(sellable, 0) if for_sale else 0
    return fields


def _available_there(item: Any) -> Any:
    """What one location has; 0 where the item is not stocked (schema, ``InventoryItem.inventoryLevel``: null)."""
    if not isinstance(item, dict) or "inventoryLevel" not in item:
        return None
    level = item["inventoryLevel"]
    if level is None:
        return 0
    rows = level.get("quantities") if isinstance(level, dict) else None
    states = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return next((row.get("quantity") for row in states if row.get("name") == "available"), None)


def sku_of(variant: Json) -> dict[str, Any]:
    """For shops that make their ids of it."""
    return {"sku": variant["sku"]} if variant.get("sku") else {}


def item_fields(product: Json, variant: Json, currency: str | None, options: Options) -> Fields:
    """The whole item. Raises ``UnreadableRecord`` for shapes that Shopify does not have."""
    category = product.get("category")
    told = _translated(product)
    pictures = list(dict.fromkeys([*_texts(variant.get("images")), *_texts(product.get("images"))]))
    fields: dict[str, Any] = {
        "title": told.get("title") or product.get("title"),
        "description": told.get("body_html") or product.get("descriptionHtml"),
        "link": _link(
            {**product, "handle": told.get("handle") or product.get("handle")}, variant, options.storefront_url
        ),
        "image_link": pictures[0] if pictures else None,
        "additional_image_link": pictures[1:],
        "brand": product.get("vendor"),
        "gtin": variant.get("barcode"),
        "mpn": variant.get("sku"),
        **sku_of(variant),
        # A prefix, because ids of products and variants are counted apart and Meta wants them all different.
        "item_group_id": f"product-{number_of(product.get('id'))}",
        # Shopify's taxonomy is not Google's and its ids are letters, so it says nothing to google_product_category.
        "product_type": told.get("product_type") or product.get("productType") or (category or {}).get("fullName"),
        "condition": options.condition,
        **_options(variant, options),
        **sold_fields(variant, currency, options),
    }
    if not _shown(product, options):
        fields["status"] = "archived"
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _translated(thing: Any) -> dict[str, str]:
    """The translations of a product or of an option's value by Shopify's keys; none where no language is asked for."""
    rows = thing.get("translations") if isinstance(thing, dict) else None
    entries = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {
        row["key"]: text
        for row in entries
        if isinstance(row.get("key"), str) and isinstance(text := row.get("value"), str)
    }


def _shown(product: Json, options: Options) -> bool:
    """Whether customers find the product.

    UNLISTED can be bought by its link alone (schema, ``ProductStatus``): its merchant does not want it advertised.
    Without a publication to ask for, what has no address in the online store is not sold there (schema,
    ``Product.onlineStoreUrl``); a shop with another storefront has none, so there the status decides alone.
    """
    if product.get("status") != "ACTIVE":
        return False
    if options.publication:
        return product.get("publishedOnPublication") is True
    return options.storefront_url is not None or bool(product.get("onlineStoreUrl"))


def _prices(
    variant: Json, currency: str | None, options: Options
) -> tuple[tuple[Decimal, str | None], tuple[Decimal, str | None] | None]:
    """The price to pay and the one to compare with, each with its currency."""
    if options.contextual:
        there = variant.get("contextualPricing")
        price, was = (there.get("price"), there.get("compareAtPrice")) if isinstance(there, dict) else (None, None)
        if not isinstance(price, dict):
            raise UnreadableRecord("The variant has no price in the country of the option country.")
        found = _amount(price.get("amount"), "price"), price.get("currencyCode")
        if not isinstance(was, dict) or was.get("currencyCode") != price.get("currencyCode"):
            return found, None
        return found, (_amount(was.get("amount"), "compareAtPrice"), was.get("currencyCode"))
    was = variant.get("compareAtPrice")
    compared = None if was in (None, "") else (_amount(was, "compareAtPrice"), currency)
    return (_amount(variant.get("price"), "price"), currency), compared


def _amount(value: Any, name: str) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str) else Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or isinstance(value, bool):
        raise UnreadableRecord(f"The variant's {name} is not a number.")
    return amount


def _money(amount: Decimal, currency: str | None) -> str:
    return f"{amount:f} {currency}" if currency else f"{amount:f}"


def _options(variant: Json, options: Options) -> dict[str, str]:
    """Color and size by the option's name; the others as Meta's free attributes."""
    named: dict[str, str] = {}
    others: list[str] = []
    chosen = variant.get("selectedOptions")
    for option in chosen if isinstance(chosen, list) else ():
        name, value = (option.get("name"), option.get("value")) if isinstance(option, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str) or not value.strip():
            continue
        if (name, value) == ("Title", "Default Title"):
            continue  # Shopify's stand-in for a product without options
        value = _translated(option.get("optionValue")).get("name") or value
        if name.strip().lower() in options.color_options:
            named.setdefault("color", value)
        elif name.strip().lower() in options.size_options:
            named.setdefault("size", value)
        else:
            # Colon and comma separate names and values there (Meta: "Scent:Fruity,Flavor:Apple").
            others.append(":".join(part.replace(":", " ").replace(",", " ").strip() for part in (name, value)))
    if others:
        named["additional_variant_attribute"] = ",".join(others)
    return named


def _link(product: Json, variant: Json, template: str | None) -> str | None:
    """The variant's page: the template's, else the product's in the online store with ``variant`` chosen."""
    number = number_of(variant.get("id"))
    if template is None:
        page = product.get("onlineStoreUrl")
        if not isinstance(page, str) or not page:
            return None
        return f"{page}{'&' if urlsplit(page).query else '?'}variant={number}"
    values = {
        "{handle}": product.get("handle"), "{product_id}": number_of(product.get("id")),
        "{variant_id}": number, "{sku}": variant.get("sku"),
    }  # fmt: skip
    for placeholder, value in values.items():
        template = template.replace(placeholder, quote(str(value or ""), safe=""))
    return template


def _texts(value: Any) -> Iterable[str]:
    return (entry for entry in value if isinstance(entry, str) and entry) if isinstance(value, list) else ()
