"""WooCommerce shops, of each age and over both protocols."""

from __future__ import annotations

from typing import Any

import httpx

from tests.contract.subjects.subject import SECRET
from tests.fakes.woocommerce import FakeWooCommerce, product, variation
from worker.stores import Store, StoreConfig
from worker.stores.woocommerce import KIND, WooCommerce


class WooCommerceSubject:
    """Simple products first, then variations, as the pull reads them."""

    name_of_the_bad_one = "7"
    remote = True

    def __init__(self, tmp_path, *, scheme: str = "https", before_10_3: bool = False) -> None:
        self.fake = FakeWooCommerce(secret=f"cs_{SECRET}")
        self.fake.before_10_3 = before_10_3
        self.scheme = scheme

    def fill(self, count: int, *, spoil: bool = False) -> None:
        simple = count // 2
        products = [product(number, **self._own(number)) for number in range(simple)]
        if spoil:
            products[7]["regular_price"] = {"amount": "?"}
        variations = [variation(number, **self._own(number)) for number in range(simple, count)]
        for place, start in enumerate(range(0, len(variations), 120)):
            parent = product(90_000 + place, name="Item", variations=variations[start : start + 120])
            products.append(parent)
            for one in parent["variations"]:
                one["attributes"] = [{"name": "Number", "slug": "number", "option": str(one["id"])}]
        self.fake.products = products

    def _own(self, number: int) -> dict[str, Any]:
        return {"name": self.title(number), "regular_price": f"{number}.50"}

    def open(self) -> Store:
        url = f"{self.scheme}://shop.example/wp-json/wc/v3"
        config = StoreConfig(url, {}, None, f"ck_test:cs_{SECRET}", "/nowhere")
        defaults = {option.name: option.default for option in KIND.options if option.default is not None}
        return WooCommerce(config, defaults, self.fake)

    def answer_with(self, response: httpx.Response) -> None:
        self.fake.override = response

    @staticmethod
    def title(number: int) -> str:
        return f"Item {number}"
