"""One Saleor variant as an item in Meta's field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urljoin

from worker.stores.contract import Fields, StoreConfig, UnreadableRecord
from worker.stores.saleor.description import html_of

Json = Mapping[str, Any]

# Slugs of attributes, "-" written as "_", that mean a field of Meta's. Their words are chosen from a list there, so
# those of another language would mean nothing.
_CHOSEN = {"gender": "gender", "age_group": "age_group", "condition": "condition"}
_FREE = {
    **{name: name for name in ("material", "pattern", "gtin", "mpn", "google_product_category")},
    **dict.fromkeys(("ean", "upc", "isbn", "barcode"), "gtin"),
}


@dataclass(frozen=True, slots=True)
class Options:
    """How this shop wants its variants to be read; see the kind's options."""

    api_url: str
    storefront_url: str
    warehouses: frozenset[str]
    brand: frozenset[str]
    color: frozenset[str]
    size: frozenset[str]
    condition: str

    @classmethod
    def of(cls, config: StoreConfig) -> Options:
        value = config.options
        return cls(
            api_url=config.url,
            storefront_url=value["storefront_url"],
            warehouses=_names(value.get("warehouse", "")),
            brand=_names(value["brand_attributes"]),
            color=_names(value["color_attributes"]),
            size=_names(value["size_attributes"]),
            condition=value["condition"],
        )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def offered(product: Json, channel: str, now: datetime) -> dict[str, bool]:
    """What the channel does with a product: whether customers find it, and whether they may buy it.

    Evaluated when it is read, because a date of publication that passes changes nothing else.
    """
    for listing in dicts(product.get("channelListings")):
        if _slug(listing.get("channel")) == channel:
            published = listing.get("isPublished") is True and _begun(listing.get("publishedAt"), now)
            # What is in no listing can be found by its link alone: its merchant does not want it advertised.
            shown = published and listing.get("visibleInListings") is True
            return {"shown": shown, "for_sale": shown and listing.get("isAvailableForPurchase") is True}
    return {"shown": False, "for_sale": False}


def sold_fields(product: Json, variant: Json, options: Options) -> dict[str, Any]:
    """Price, sale price, availability and quantity. Raises ``UnreadableRecord`` for a price or stock that is none.

    A variant without a price in the channel has no pricing and cannot be bought there. Stock is what Saleor's own
    ``AvailableQuantity…`` loaders compute before reservations: in the warehouses, minus allocated to orders.
    """
    fields = _prices(variant)
    if sku := variant.get("sku"):
        fields["sku"] = sku
    buyable = "price" in fields and product.get("for_sale") is True
    preorder = variant.get("preorder")
    if isinstance(preorder, dict):
        # A preorder sells what is not in stock yet, up to a threshold; it ends by itself, and then is null.
        limit, sold = preorder.get("globalThreshold"), preorder.get("globalSoldUnits")
        left = not isinstance(limit, int) or not isinstance(sold, int) or sold < limit
        fields["availability"] = "preorder" if buyable and left else "out of stock"
        return fields
    if variant.get("trackInventory") is False:
        fields["availability"] = "in stock" if buyable else "out of stock"
        return fields
    quantity = max(_quantity(variant, options), 0) if buyable else 0
    fields["availability"] = "in stock" if quantity else "out of stock"
    fields["quantity_to_sell_on_facebook"] = quantity
    return fields


def item_fields(product: Json, variant: Json, options: Options) -> Fields:
    """The whole item. Raises ``UnreadableRecord`` for shapes that Saleor does not have."""
    told = product.get("translation")
    told = told if isinstance(told, dict) else {}
    pictures = list(dict.fromkeys([*_pictures(variant, options), *_pictures(product, options)]))
    attributes = {**_attributes(product, options), **_attributes(variant, options)}
    fields: dict[str, Any] = {
        "title": told.get("name") or product.get("name"),
        "description": html_of(told.get("description")) or html_of(product.get("description")),
        "link": _link(options.storefront_url, product, variant),
        "image_link": pictures[0] if pictures else None,
        "additional_image_link": pictures[1:],
        "item_group_id": product.get("id"),
        "product_type": " > ".join(_path(product.get("category"))),
        "mpn": variant.get("sku"),
        "condition": options.condition,
        **attributes,
        "additional_variant_attribute": _others(variant, options),
        **sold_fields(product, variant, options),
    }
    if product.get("shown") is not True or "price" not in fields:
        fields["status"] = "archived"
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _prices(variant: Json) -> dict[str, Any]:
    """The price before promotions, and the one to pay where that is lower."""
    pricing = variant.get("pricing")
    if pricing is None:
        return {}
    price, currency = _money(pricing, "price")
    undiscounted, _ = _money(pricing, "priceUndiscounted")
    if undiscounted > price:
        return {"price": _amount(undiscounted, currency), "sale_price": _amount(price, currency)}
    return {"price": _amount(price, currency)}


def _money(pricing: Any, name: str) -> tuple[Decimal, str]:
    taxed = pricing.get(name) if isinstance(pricing, dict) else None
    money = taxed.get("money") if isinstance(taxed, dict) else None
    amount = money.get("amount") if isinstance(money, dict) else None
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise UnreadableRecord(f"The variant's {name} is not a number.")
    # The shortest text that reads back as the same float, without the noise of what was computed.
    return Decimal(repr(round(amount, 6))), str(money.get("currency", "")) if isinstance(money, dict) else ""


def _amount(value: Decimal, currency: str) -> str:
    digits = max(2, -int(value.normalize().as_tuple().exponent))
    return f"{value:.{digits}f} {currency}"


def _quantity(variant: Json, options: Options) -> int:
    stocks = variant.get("stocks")
    if not isinstance(stocks, list):
        raise UnreadableRecord("The variant does not say what is in stock.")
    return sum(
        _integer(stock, "quantity") - _integer(stock, "quantityAllocated")
        for stock in stocks
        if not options.warehouses or _slug(stock.get("warehouse")).lower() in options.warehouses
    )


def _attributes(node: Json, options: Options) -> dict[str, str]:
    """The attributes that mean a field of Meta's."""
    found: dict[str, str] = {}
    for attribute in dicts(node.get("assignedAttributes")):
        slug = _slug(attribute.get("attribute")).lower()
        plain = slug.replace("-", "_")
        named = {"brand": options.brand, "color": options.color, "size": options.size}
        field = next((field for field, slugs in named.items() if slug in slugs), _FREE.get(plain))
        if field is not None and (text := _value(attribute)):
            found.setdefault(field, text)
        elif plain in _CHOSEN and (text := _value(attribute, translated=False)):
            found.setdefault(_CHOSEN[plain], text)
    return found


def _others(variant: Json, options: Options) -> str:
    """What else the variant's choices are, as Meta's free attributes."""
    known = options.brand | options.color | options.size
    pairs = []
    for attribute in dicts(variant.get("assignedAttributes")):
        slug = _slug(attribute.get("attribute")).lower()
        plain = slug.replace("-", "_")
        value = _value(attribute)
        if "choice" in attribute and value and slug not in known and plain not in _FREE and plain not in _CHOSEN:
            # Colon and comma separate names and values there (Meta: "Scent:Fruity,Flavor:Apple").
            label = str(attribute["attribute"].get("name") or slug)
            pairs.append(":".join(part.replace(":", " ").replace(",", " ").strip() for part in (label, value)))
    return ",".join(pairs)


def _value(attribute: Json, *, translated: bool = True) -> str:
    """The attribute's value as text, several joined; "" for none and for kinds that are no text."""
    number = attribute.get("number")
    if isinstance(number, int | float) and not isinstance(number, bool):
        return f"{number:.15g}"
    if isinstance(text := attribute.get("text"), str):
        return str((translated and attribute.get("translation")) or text)
    chosen = attribute.get("choices") if "choices" in attribute else [attribute.get("choice")]
    texts = [(translated and one.get("translation")) or one.get("name") for one in dicts(chosen)]
    return "/".join(text for text in texts if isinstance(text, str) and text.strip())


def _path(category: Any) -> list[str]:
    """The names of a category and those above it, the highest first."""
    if not isinstance(category, dict):
        return []
    told = category.get("translation")
    name = (told.get("name") if isinstance(told, dict) else None) or category.get("name")
    return [*_path(category.get("parent")), *([name] if isinstance(name, str) and name else [])]


def _pictures(node: Json, options: Options) -> Iterable[str]:
    for media in dicts(node.get("media")):
        url = media.get("url")
        if media.get("type") == "IMAGE" and isinstance(url, str) and url:
            yield urljoin(options.api_url, url)


def _link(template: str, product: Json, variant: Json) -> str:
    values = {
        "{slug}": product.get("slug"), "{product_id}": product.get("id"),
        "{variant_id}": variant.get("id"), "{sku}": variant.get("sku"),
    }  # fmt: skip
    for placeholder, value in values.items():
        template = template.replace(placeholder, quote(str(value or ""), safe=""))
    return template


def _begun(instant: Any, now: datetime) -> bool:
    """Whether a date of publication has come; none is one that has (Saleor's ``PublishableModel.is_visible``)."""
    if instant is None:
        return True
    try:
        return isinstance(instant, str) and datetime.fromisoformat(instant) <= now
    except (TypeError, ValueError):
        return False


def _slug(node: Any) -> str:
    slug = node.get("slug") if isinstance(node, dict) else None
    return slug if isinstance(slug, str) else ""


def dicts(value: Any) -> Iterable[dict[str, Any]]:
    """The objects of a list; none of anything else."""
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _integer(holder: Any, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnreadableRecord(f"The variant's {name} is not a whole number.")
    return value
