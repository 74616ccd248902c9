"""A Medusa shop."""

from __future__ import annotations

from collections.abc import Container

from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.fakes.medusa import FakeMedusa, price, product, variant
from worker.stores import Store, StoreConfig
from worker.stores.medusa import KIND

NOW = "2026-11-21T12:00:00.000Z"


class MedusaSubject(Subject):
    """Two variants a product, numbered like the items of a feed."""

    def __init__(self, tmp_path) -> None:
        self.fake = FakeMedusa(key=f"sk_{SECRET}")

    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        variants = [variant(number, prices=[price(number + 0.5)]) for number in range(count)]
        if spoil:
            variants[BAD]["prices"][0]["amount"] = {"value": "?"}
        self.fake.products = []
        for start in range(0, count, 2):
            own = [variants[number] for number in (start, start + 1) if number < count and number not in without]
            if own:
                self.fake.products.append(product(start // 2, own, title=self.title(start)))

    def touch(self, number: int) -> None:
        for one in self.fake.products:
            for own in one["variants"]:
                if own["id"] == str(number):
                    own["updated_at"] = NOW

    def open(self) -> Store:
        options = {"storefront_url": "https://shop.example/{handle}"}
        config = StoreConfig("https://shop.example/admin", options, None, f"sk_{SECRET}", "/nowhere")
        return KIND.open(config, self.fake)

    @staticmethod
    def title(number: int) -> str:
        # The product's: a variant has none of its own.
        return f"Items {number - number % 2} and {number - number % 2 + 1}"
