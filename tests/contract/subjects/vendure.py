"""A Vendure shop."""

from __future__ import annotations

import httpx

from tests.contract.subjects.subject import SECRET
from tests.fakes.vendure import FakeVendure, product, variant
from worker.stores import Store, StoreConfig
from worker.stores.vendure import KIND, Vendure


class VendureSubject:
    name_of_the_bad_one = "7"
    remote = True

    def __init__(self, tmp_path) -> None:
        self.fake = FakeVendure(key=SECRET)

    def fill(self, count: int, *, spoil: bool = False) -> None:
        # Two variants a product, numbered like the items of a feed.
        variants = [variant(number, name=self.title(number), priceWithTax=number * 100 + 50) for number in range(count)]
        if spoil:
            variants[7]["priceWithTax"] = {"amount": "?"}
        self.fake.products = [product(90_000 + start // 2, variants[start : start + 2]) for start in range(0, count, 2)]

    def open(self) -> Store:
        options = {"storefront_url": "https://shop.example/{slug}"}
        config = StoreConfig("https://shop.example/admin-api", options, None, SECRET, "/nowhere")
        defaults = {option.name: option.default for option in KIND.options if option.default is not None}
        return Vendure(config, defaults, self.fake)

    def answer_with(self, response: httpx.Response) -> None:
        self.fake.override = response

    @staticmethod
    def title(number: int) -> str:
        return f"Item {number}"
