"""Pull a Shopify shop to the end, and see what it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.shopify import FakeShopify
from worker.stores import Page
from worker.stores.shopify import Shopify

WATERMARK = "2026-11-21T11:00:00Z"
SINCE = "2026-11-21T10:50:00Z"
NOW = "2026-11-21T11:30:00Z"


def pages(read: Callable[[str | None], Page[Any]]) -> list[Page[Any]]:
    found: list[Page[Any]] = []
    cursor = None
    while True:
        found.append(read(cursor))
        if found[-1].last:
            return found
        cursor = found[-1].cursor


def ids(found: list[Page[Any]]) -> list[str]:
    return [record.retailer_id for page in found for record in page.records]


def delta(store: Shopify) -> list[Page[Any]]:
    return pages(lambda cursor: store.changed(WATERMARK, cursor))


def operations(fake: FakeShopify) -> list[str]:
    return [name for name, _ in fake.asked]
