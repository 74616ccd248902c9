"""What the columns of a feed mean: names, aliases, and columns that spell out nested values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

ID_NAMES = ("id", "retailer_id", "content_id", "offer_id", "product_id", "item_id")
"""Names under which files carry Meta's ``id``; where several occur, the first of this list is meant."""

VOLATILE = frozenset({
    "price", "sale_price", "sale_price_effective_date", "sale_price_start_date", "sale_price_end_date", "availability",
    "quantity_to_sell_on_facebook",
})  # fmt: skip

VOLATILE_AND_SKU = VOLATILE | {"sku"}
"""What is read of a record for its price and stock: a shop may make its ids of the SKU."""

# Old names that Meta still accepts (Catalog fields), what Google's files call the same thing (Product data
# specification, Local inventory, Content API "Products"), and what exporters for both write. More aliases, which
# every store may use, are in items.fields.
_ALIASES = {
    "inventory": "quantity_to_sell_on_facebook",
    "quantity": "quantity_to_sell_on_facebook",
    "sell_on_google_quantity": "quantity_to_sell_on_facebook",
    "product_link": "link",
    "product_url": "link",
    "additional_image": "additional_image_link",
    "additional_images": "additional_image_link",
    "google_category": "google_product_category",
    "facebook_product_category": "fb_product_category",
    "product_types": "product_type",
    "product_tags": "internal_label",
    "image_url": "image_link",
    "additional_image_url": "additional_image_link",
    "additional_image_links": "additional_image_link",
}

# One of these beside the id makes a first line a header; a page of prose has none of them.
_TELLTALE = VOLATILE | frozenset({
    "title", "description", "link", "image_link", "image[0].url", "brand", "condition", "item_group_id", "status",
    "visibility", "additional_image_link", "google_product_category", "fb_product_category", "product_type", "gtin",
    "mpn", "color", "size",
})  # fmt: skip

MOST_COLUMNS = 1000
LONGEST_NAMES = 64 << 10
"""Bytes of all names together. Catalogs know some 150 columns; the layouts of many feeds are kept in memory."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_GAP = re.compile(r"[\s\-]+")
_NESTED = re.compile(r"([a-z0-9_]+)((?:\[[0-9]{1,2}\]|\.[a-z0-9_]+){1,8})")
_STEP = re.compile(r"\[([0-9]{1,2})\]|\.([a-z0-9_]+)")

Path = tuple[str | int, ...]


def plain_name(text: str) -> str:
    """``g:Image Link`` → ``image_link``: lower case, underscores, no namespace of Google's.

    ``imageLink`` too, as Google's Content API has it.
    """
    name = _HUMP.sub("_", text.strip("\ufeff \t\r\n\"'"))
    name = _GAP.sub("_", name.lower())
    return name[2:] if name.startswith(("g:", "c:")) else name


@lru_cache(maxsize=256)
def column_paths(names: tuple[str, ...]) -> list[Path | None]:
    """For each column where its value belongs in the item; None for one that another column makes superfluous.

    An alias yields to the column that carries the proper name, and a nested column to a plain one of its name.
    """
    plain = [plain_name(name) for name in names]
    offered = frozenset(plain)
    taken: set[Path] = set()
    paths: list[Path | None] = []
    id_name = next((name for name in ID_NAMES if name in offered), None)
    for name in plain:
        path: Path | None = ("id",) if name == id_name else _path(name)
        if path is None or path in taken or (name in ID_NAMES and name != id_name):
            paths.append(None)
            continue
        whole = path[:1]
        is_alias = path != ("id",) and len(path) == 1 and path[0] != name
        hidden = (is_alias and path[0] in offered) or (len(path) > 1 and whole[0] in offered)
        paths.append(None if hidden else path)
        if not hidden:
            taken.add(path)
    return paths


def is_header(names: Iterable[str]) -> bool:
    """Whether these cells name columns: an id and at least one more that catalogs have."""
    plain = {plain_name(name) for name in names}
    return any(name in plain for name in ID_NAMES) and any(
        name in _TELLTALE or _ALIASES.get(name) in _TELLTALE for name in plain
    )


def _path(name: str) -> Path | None:
    if not name:
        return None
    nested = _NESTED.fullmatch(name)
    if nested is None:
        return (_ALIASES.get(name, name),)
    steps = (int(index) if index else key for index, key in _STEP.findall(nested[2]))
    return (nested[1], *steps)


def place(fields: dict[str, Any], path: Path, value: Any) -> None:
    """Set one nested value. Lists grow as dicts keyed by index until ``settle`` closes their gaps."""
    at: dict[Any, Any] = fields
    for step in path[:-1]:
        inner = at.get(step)
        if not isinstance(inner, dict):
            inner = at[step] = {}
        at = inner
    at[path[-1]] = value


def settle(value: Any) -> Any:
    """Turn dicts keyed by index into lists in index order: ``image[0].url`` becomes ``[{"url": …}]``."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [settle(value[key]) for key in sorted(value)]
    return {str(key): settle(inner) for key, inner in value.items()}


def with_status(fields: dict[str, Any]) -> Mapping[str, Any]:
    """Meta's older ``visibility`` column as ``status``: hidden and staging items are archived ones."""
    visibility = fields.pop("visibility", None)
    if visibility and "status" not in fields:
        hidden = str(visibility).strip().lower() in ("hidden", "staging")
        fields["status"] = "archived" if hidden else "active"
    return fields
