"""A Vendure shop."""

from __future__ import annotations

from collections.abc import Container

from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.fakes.vendure import FakeVendure, product, variant
from worker.stores import Store, StoreConfig
from worker.stores.vendure import KIND

NOW = "2026-11-21T12:00:00.000Z"


class VendureSubject(Subject):
    """Two variants a product, numbered like the items of a feed."""

    def __init__(self, tmp_path) -> None:
        self.fake = FakeVendure(key=SECRET)

    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        variants = [variant(number, name=self.title(number), priceWithTax=number * 100 + 50) for number in range(count)]
        if spoil:
            variants[BAD]["priceWithTax"] = {"amount": "?"}
        self.fake.products = []
        for start in range(0, count, 2):
            own = [variants[number] for number in (start, start + 1) if number < count and number not in without]
            if own:
                self.fake.products.append(product(90_000 + start // 2, own))

    def touch(self, number: int) -> None:
        for one in self.fake.products:
            for own in one["variants"]:
                if own["id"] == str(number):
                    own["updatedAt"] = NOW

    def open(self) -> Store:
        options = {"storefront_url": "https://shop.example/{slug}"}
        config = StoreConfig("https://shop.example/admin-api", options, None, SECRET, "/nowhere")
        return KIND.open(config, self.fake)

    @staticmethod
    def title(number: int) -> str:
        return f"Item {number}"
