"""A Vendure shop read to its end, for the tests beside this file."""

from __future__ import annotations

from tests.fakes.vendure import FakeVendure, product
from worker.stores import Page, StoreConfig
from worker.stores.vendure import KIND, Vendure


def opened(fake: FakeVendure, **options: str) -> Vendure:
    values = {"storefront_url": "https://shop.example/p/{slug}?v={variant_id}", **options}
    return KIND.open(StoreConfig("https://api.example/admin-api", values, None, "test-key", "/nowhere"), fake)


def item(one: dict, owner: dict | None = None, fake: FakeVendure | None = None, **options: str) -> dict:
    fake = fake or FakeVendure()
    fake.products = [{**(owner or product(1)), "variants": [one]}]
    store = opened(fake, **options)
    return dict(store.fields(store.full(None).records[0]))


def ids(store: Vendure, read=None) -> list[str]:
    found, cursor = [], None
    while True:
        page = (read or store.full)(cursor)
        found += [record.retailer_id for record in page.records]
        if page.last:
            return found
        cursor = page.cursor


def pages(read) -> list[Page]:
    found = [read(None)]
    while not found[-1].last:
        found.append(read(found[-1].cursor))
    return found
