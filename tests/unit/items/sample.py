"""A valid item, from which every test takes something away."""

from __future__ import annotations

from typing import Any

import msgspec

from worker.items import Prepared, PreparedVolatile, compose, prepare

SHIRT: dict[str, Any] = {
    "title": "Red shirt",
    "description": "A soft shirt of combed cotton.",
    "condition": "new",
    "link": "https://shop.example/p/1",
    "image_link": "https://shop.example/i/1.jpg",
    "brand": "Acme",
    "price": "9.99 USD",
    "availability": "in stock",
}


def shirt(**changes: Any) -> Prepared:
    """The shirt with some fields changed; None takes a field away."""
    return prepare("sku-1", SHIRT | changes, "USD")


def sent(prepared: Prepared) -> dict[str, Any]:
    """What a record with both halves says about the item."""
    data: dict[str, Any] = msgspec.json.decode(
        compose(prepared.retailer_id, prepared.content, prepared.volatile, 0), type=dict
    )["data"]
    return data


def said(prepared: Prepared | PreparedVolatile) -> list[tuple[str, str]]:
    """Codes and severities of the findings."""
    return [(found.code, found.severity) for found in prepared.findings]
