"""A Medusa shop on its fake, opened and read."""

from __future__ import annotations

from typing import Any

from tests.fakes.medusa import FakeMedusa, product
from worker.stores import Record, StoreConfig
from worker.stores.medusa import KIND, Medusa

NOW = "2026-11-21T12:00:00Z"
LATE = "2026-11-21T11:55:00.000Z"


def opened(fake: Any, key: str = "sk_test", **options: str) -> Medusa:
    values = {"storefront_url": "https://shop.example/p/{handle}?v={variant_id}", **options}
    return KIND.open(StoreConfig("https://api.example/admin", values, None, key, "/nowhere"), fake)


def item(one: dict[str, Any], owner: dict[str, Any] | None = None, fake: FakeMedusa | None = None, **options: str):
    """The fields of the only variant of a shop."""
    fake = fake or FakeMedusa()
    fake.products = [{**(owner or product(1)), "variants": [one]}]
    store = opened(fake, **options)
    return dict(store.fields(store.full(None).records[0]))


def sold(one: dict[str, Any], fake: FakeMedusa, **options: str) -> dict[str, Any]:
    """The same by the volatile pull."""
    fake.products = [product(1, [one])]
    return dict(opened(fake, **options).volatile(None, None).records[0].fields)


def pulled(read) -> tuple[list[Record], list[str]]:
    """Everything that a pull brings, and what it says is gone."""
    records, gone, cursor = [], [], None
    while True:
        page = read(cursor)
        records += page.records
        gone += page.gone
        if page.last:
            return records, gone
        cursor = page.cursor


def changed(store: Medusa, watermark: str = NOW) -> tuple[list[str], list[str]]:
    records, gone = pulled(lambda cursor: store.changed(watermark, cursor))
    return [record.retailer_id for record in records], gone
