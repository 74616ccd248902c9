"""A Shopify shop."""

from __future__ import annotations

from collections.abc import Container

from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.fakes import shopify
from worker.stores import Store, StoreConfig
from worker.stores.shopify import KIND

NOW = "2026-11-21T12:00:00Z"


class ShopifySubject(Subject):
    """Two variants a product, which has the title of both."""

    def __init__(self, tmp_path) -> None:
        self.fake = shopify.FakeShopify(token=SECRET)
        self.spool = tmp_path / "spool"

    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        variants = [shopify.variant(number, price=f"{number}.50") for number in range(count)]
        if spoil:
            variants[BAD]["price"] = "?"
        self.fake.products = []
        for start in range(0, count, 2):
            own = [variants[number] for number in (start, start + 1) if number < count and number not in without]
            if own:
                self.fake.products.append(shopify.product(90_000 + start // 2, own, title=self.title(start)))

    def touch(self, number: int) -> None:
        for one in self.fake.products:
            for own in one["variants"]:
                if self.is_row(own, number):
                    own["updatedAt"] = NOW

    def open(self) -> Store:
        config = StoreConfig(KIND.canonical_url("shop.myshopify.com"), {}, None, SECRET, str(self.spool))
        return KIND.open(config, self.fake)

    @staticmethod
    def title(number: int) -> str:
        return f"Items {number - number % 2} and {number - number % 2 + 1}"
