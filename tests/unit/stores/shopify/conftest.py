"""A Shopify shop of three variants, and stores that read it."""

from __future__ import annotations

import pytest

from tests.fakes.shopify import FakeShopify, product, variant
from worker.stores import StoreConfig
from worker.stores.shopify import KIND, Shopify


@pytest.fixture
def fake() -> FakeShopify:
    return FakeShopify([product(1), product(2, [variant(2000), variant(2001)])])


@pytest.fixture
def opened(fake, tmp_path):
    stores: list[Shopify] = []

    def open_(machine: str = "one", **options: str) -> Shopify:
        config = StoreConfig("acme.myshopify.com", options, None, "test-token", str(tmp_path / machine))
        stores.append(KIND.open(config, fake))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()
