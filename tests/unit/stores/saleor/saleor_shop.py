"""Open a Saleor shop and pull it to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.saleor import CHANNEL, FakeSaleor, product
from worker.stores import Page, StoreConfig
from worker.stores.saleor import KIND, Saleor

URL = "https://shop.example/graphql/"
LINK = "https://shop.example/p/{slug}?variant={variant_id}"


def config(url: str = URL, secret: str | None = "test-token", **options: str) -> StoreConfig:
    return StoreConfig(url, {"channel": CHANNEL, "storefront_url": LINK, **options}, None, secret, "/nowhere")


def opened(fake: FakeSaleor, **options: str) -> Saleor:
    return KIND.open(config(**options), fake)


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


def volatile(store: Saleor) -> list[Page[Any]]:
    return pages(lambda cursor: store.volatile(None, cursor))


def item(one: dict[str, Any], of: dict[str, Any] | None = None, **options: str) -> dict[str, Any]:
    """The only variant of the only product, as the full pull reads it."""
    store = opened(FakeSaleor([{**(of or product(1)), "variants": [one]}]), **options)
    (record,) = store.full(None).records
    return dict(store.fields(record))


def sold(one: dict[str, Any], of: dict[str, Any] | None = None, **options: str) -> dict[str, Any]:
    """The same, as the volatile pull reads it."""
    (record,) = opened(FakeSaleor([{**(of or product(1)), "variants": [one]}]), **options).volatile(None, None).records
    return dict(record.fields)
