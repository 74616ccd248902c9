"""Reads: items under the names in which Meta returns them, filters, cursors."""

from __future__ import annotations

import base64
import binascii
import bisect
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from worker.sandbox.answers import GraphRefusal, flag, known_parameters, too_much_data, wrong_parameter
from worker.sandbox.apply import Catalog, Item
from worker.sandbox.filters import condition, filterable
from worker.sandbox.money import displayed

DEFAULT_FIELDS = ("id", "name", "retailer_id")
_DEFAULT_PAGE = 25
_CATALOG_FIELDS = ("id", "name", "product_count", "feed_count", "vertical")

_RENAMED = {
    "title": "name",
    "link": "url",
    "item_group_id": "retailer_product_group_id",
    "additional_image_link": "additional_image_urls",
    "additional_variant_attribute": "additional_variant_attributes",
    "google_product_category": "category",
    "mpn": "manufacturer_part_number",
    "internal_label": "tags",
    "disabled_capabilities": "capabilities_disabled_by_user",
    "applink": "applinks",
    "video": "videos",
}
_SAME = (
    "description rich_text_description short_description availability condition brand size color gender age_group "
    "material pattern quantity_to_sell_on_facebook fb_product_category product_type gtin mobile_link "
    "expiration_date vendor_id ordering_index origin_country importer_name importer_address manufacturer_info "
    "wa_compliance_category custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4 "
    "custom_number_0 custom_number_1 custom_number_2 custom_number_3 custom_number_4"
).split()
_COMPUTED = (
    "id retailer_id price sale_price currency sale_price_start_date sale_price_end_date image_url images inventory "
    "status visibility review_status image_fetch_status errors product_catalog"
).split()
ITEM_FIELDS = (*_COMPUTED, *_SAME, *_RENAMED.values())


def field_names(params: Mapping[str, Any], known: Sequence[str], default: Sequence[str]) -> list[str]:
    """The ``fields`` parameter. Raises ``GraphRefusal`` for a name that the node does not have."""
    text = params.get("fields")
    if text is None:
        return list(default)
    names = [name.strip() for name in str(text).split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise GraphRefusal(100, f"Tried accessing nonexisting field ({name[:100]})")
    return names


def catalog_node(catalog: Catalog, params: Mapping[str, Any]) -> dict[str, Any]:
    """GET /{catalog}."""
    known_parameters(params, "fields")
    values = {
        "id": catalog.id,
        "name": f"Sandbox catalog {catalog.id}",
        "product_count": len(catalog.items),
        "feed_count": 0,
        "vertical": "commerce",
    }
    names = field_names(params, _CATALOG_FIELDS, default=("id", "name"))
    return {name: values[name] for name in dict.fromkeys(("id", *names))}


def aliased(catalog: Catalog, alias: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """GET /catalog:{catalog}:{base64url(retailer_id)}."""
    encoded = alias.split(":", 2)[2] if alias.count(":") == 2 else ""
    try:
        retailer_id = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise wrong_parameter("id", "must be catalog:{catalog id}:{base64url of the retailer id}") from None
    item = catalog.items.get(retailer_id)
    if item is None:
        raise GraphRefusal(100, f"Could not find Product Item for catalog id {catalog.id}, retailer id {retailer_id}")
    return projected(catalog, retailer_id, item, params)


def projected(catalog: Catalog, retailer_id: str, item: Item, params: Mapping[str, Any]) -> dict[str, Any]:
    """GET /{item}."""
    known_parameters(params, "fields", "catalog_id")
    return _project(catalog, retailer_id, item, field_names(params, ITEM_FIELDS, DEFAULT_FIELDS))


def listing(catalog: Catalog, params: Mapping[str, Any], max_page: int, base_url: str) -> dict[str, Any]:
    """GET /{catalog}/products: items in the order of creation.

    ``cursors.after`` stands on the last page too; what ends a listing is the absence of ``paging.next``.
    ``paging.next`` holds no token, unlike Meta's: addresses get logged.
    """
    known_parameters(params, "fields", "filter", "limit", "after", "before", "summary", "bulk_pagination")
    names = field_names(params, ITEM_FIELDS, DEFAULT_FIELDS)
    flag(params, "bulk_pagination", False)
    limit = _limit(params, max_page)
    accepts = condition(str(params["filter"])) if "filter" in params else None
    matching = catalog.listed()
    if accepts is not None:
        matching = [entry for entry in matching if accepts(filterable(entry[1], catalog.items[entry[1]]))]
    if "before" in params:
        stop = bisect.bisect_left(matching, (_position(params, "before"), ""))
        start = max(0, stop - limit)
    else:
        start = bisect.bisect_left(matching, (_position(params, "after") + 1, "")) if "after" in params else 0
        stop = start + limit
    page = matching[start:stop]
    answer: dict[str, Any] = {"data": [_project(catalog, key, catalog.items[key], names) for _, key in page]}
    if page:
        after = _cursor(page[-1][0])
        answer["paging"] = {"cursors": {"before": _cursor(page[0][0]), "after": after}}
        if stop < len(matching):
            kept = {name: value for name, value in params.items() if name not in ("after", "before")}
            answer["paging"]["next"] = f"{base_url}?{urlencode({**kept, 'after': after})}"
    if flag(params, "summary", False):
        answer["summary"] = {"total_count": len(matching)}
    return answer


def _limit(params: Mapping[str, Any], max_page: int) -> int:
    text = str(params.get("limit", _DEFAULT_PAGE))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise wrong_parameter("limit", "must be a positive integer")
    if int(text) > max_page:
        raise too_much_data()
    return int(text)


def _cursor(node: int) -> str:
    return base64.urlsafe_b64encode(f"node:{node}".encode()).decode()


def _position(params: Mapping[str, Any], name: str) -> int:
    try:
        kind, _, node = base64.b64decode(str(params[name]), altchars=b"-_", validate=True).decode().partition(":")
        if kind == "node":
            return int(node)
    except ValueError:
        pass
    raise wrong_parameter(name, "must be a cursor of this listing")


def _project(catalog: Catalog, retailer_id: str, item: Item, names: Sequence[str]) -> dict[str, Any]:
    """Fields without a value are left out, as Meta does; ``id`` is always there."""
    fields = item.fields
    archived = fields.get("status") == "archived"
    values: dict[str, Any] = {new: fields[old] for old, new in _RENAMED.items() if old in fields}
    values.update({name: fields[name] for name in _SAME if name in fields})
    if "image" in fields:
        images = [entry["url"] for entry in fields["image"]]
    else:
        images = [fields["image_link"]] if "image_link" in fields else []
    start, _, end = fields.get("sale_price_effective_date", "").partition("/")
    computed = {
        "id": str(item.node),
        "retailer_id": retailer_id,
        "price": displayed(fields["price"]) if "price" in fields else None,
        "sale_price": displayed(fields["sale_price"]) if "sale_price" in fields else None,
        "currency": fields["price"][-3:] if "price" in fields else None,
        "sale_price_start_date": start or None,
        "sale_price_end_date": end or None,
        "image_url": images[0] if images else None,
        "images": images or None,
        "inventory": fields.get("quantity_to_sell_on_facebook"),
        "status": "STAGING" if archived else "PUBLISHED",
        "visibility": "staging" if archived else fields.get("visibility", "published"),
        "review_status": "",
        "image_fetch_status": "NO_STATUS",
        "errors": None,
        "product_catalog": {"id": catalog.id},
    }
    values.update({name: value for name, value in computed.items() if value is not None})
    return {name: values[name] for name in dict.fromkeys(("id", *names)) if name in values}
