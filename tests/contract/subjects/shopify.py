"""A Shopify shop."""

from __future__ import annotations

import httpx

from tests.contract.subjects.subject import SECRET
from tests.fakes import shopify
from worker.stores import Store, StoreConfig
from worker.stores.shopify import KIND


class ShopifySubject:
    name_of_the_bad_one = "7"
    remote = True

    def __init__(self, tmp_path) -> None:
        self.fake = shopify.FakeShopify(token=SECRET)
        self.spool = tmp_path / "spool"

    def fill(self, count: int, *, spoil: bool = False) -> None:
        variants = [shopify.variant(number, price=f"{number}.50") for number in range(count)]
        if spoil:
            variants[7]["price"] = "?"
        self.fake.products = [
            shopify.product(90_000 + start // 2, variants[start : start + 2], title=self.title(start))
            for start in range(0, count, 2)
        ]

    def open(self) -> Store:
        config = StoreConfig(KIND.canonical_url("shop.myshopify.com"), {}, None, SECRET, str(self.spool))
        return KIND.open(config, self.fake)

    def answer_with(self, response: httpx.Response) -> None:
        self.fake.override = response

    @staticmethod
    def title(number: int) -> str:
        # The product's: a variant has none of its own.
        return f"Items {number - number % 2} and {number - number % 2 + 1}"
