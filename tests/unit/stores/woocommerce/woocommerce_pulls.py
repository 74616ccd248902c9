"""Open a WooCommerce shop and pull it to the end."""

from __future__ import annotations

from tests.fakes.woocommerce import FakeWooCommerce
from worker.stores import StoreConfig
from worker.stores.woocommerce import KIND, WooCommerce

URL = "https://shop.example/wp-json/wc/v3"
LATER = "2026-11-21T11:55:00"


def opened(fake: FakeWooCommerce, fallback: str | None = None, **options: str) -> WooCommerce:
    """``fallback`` is the currency of the shop's own row; everything else an option of the kind."""
    return KIND.open(StoreConfig(URL, options, fallback, "ck_test:cs_test", "/nowhere"), fake)


def items(fake: FakeWooCommerce, **options: str) -> dict[str, dict]:
    store = opened(fake, **options)
    return {record.retailer_id: dict(store.fields(record)) for page in read(store.full) for record in page.records}


def item(one: dict, **options: str) -> dict:
    return next(iter(items(FakeWooCommerce([one]), **options).values()))


def read(ask, cursor: str | None = None) -> list:
    found = []
    while True:
        page = ask(cursor)
        found.append(page)
        if page.last:
            return found
        cursor = page.cursor


def ids(pages: list) -> list[str]:
    return [record.retailer_id for page in pages for record in page.records]


def changed(store: WooCommerce, watermark: str = "2026-11-21T12:00:00Z") -> list:
    return read(lambda cursor: store.changed(watermark, cursor))


def volatile(store: WooCommerce) -> list:
    return read(lambda cursor: store.volatile(None, cursor))
