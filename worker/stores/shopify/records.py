"""Variants as records: the same bytes whether they came from an export or from a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from worker.stores.contract import Record
from worker.stores.shopify.exports import ExportFile
from worker.stores.shopify.item import number_of
from worker.stores.shopify.lists import Lists
from worker.stores.shopify.queries import IMAGES, Documents

PRODUCTS_FIRST = 20


def exported(export: ExportFile, product: dict[str, Any], currency: str | None) -> Iterator[Record]:
    """The variants of one product of an export."""
    media: list[dict[str, Any]] = []
    variants: list[dict[str, Any]] = []
    for child in export.children(product):
        (variants if "/ProductVariant/" in str(child.get("id")) else media).append(child)
    shaped = _shaped(product, media[:IMAGES])
    for variant in variants:
        yield _record(shaped, _shaped(variant, list(islice(export.children(variant), 1))), currency)


class Listed:
    """Makes records of listed variants. Keeps the products of the page before, which the next one often begins with."""

    def __init__(self, lists: Lists, documents: Documents) -> None:
        self._lists = lists
        self._documents = documents
        self._products: dict[str, dict[str, Any]] = {}

    def records(self, variants: Sequence[dict[str, Any]], currency: str | None) -> list[Record]:
        """Each product is read once for all of its variants; a variant whose product has just gone is left out."""
        owners = {_owner(variant): None for variant in variants}
        missing = [gid for gid in owners if gid and gid not in self._products]
        found = self._lists.nodes(self._documents.products_by_id, missing, PRODUCTS_FIRST)
        read = {node["id"]: _shaped(node, _media(node)) for node in found}
        self._products = {gid: one for gid in owners if (one := self._products.get(gid) or read.get(gid))}
        return [
            _record(product, _shaped(variant, _media(variant)), currency)
            for variant in variants
            if (product := self._products.get(_owner(variant)))
        ]


def _record(product: dict[str, Any], variant: dict[str, Any], currency: str | None) -> Record:
    """Product, variant and currency as JSON, one per line."""
    parts = (msgspec.json.encode(part, order="sorted") for part in (product, variant, currency))
    return Record(number_of(variant.get("id")), b"\n".join(parts))


def _shaped(node: dict[str, Any], media: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What of a product or variant decides its items."""
    left_out = ("media", "variants", "product", "updatedAt", "__parentId")
    images = [image.get("url") for one in media if isinstance(image := one.get("image"), dict)]
    return {**{name: value for name, value in node.items() if name not in left_out}, "images": images}


def _media(node: dict[str, Any]) -> list[dict[str, Any]]:
    media = node.get("media")
    nodes = media.get("nodes") if isinstance(media, dict) else None
    return [one for one in nodes if isinstance(one, dict)] if isinstance(nodes, list) else []


def _owner(variant: dict[str, Any]) -> str:
    product = variant.get("product")
    return str(product.get("id", "")) if isinstance(product, dict) else ""
