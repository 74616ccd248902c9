"""WooCommerce shops, of each age and over both protocols."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.fakes.woocommerce import FakeWooCommerce, product, variation
from worker.stores import Store, StoreConfig
from worker.stores.woocommerce import KIND

NOW = "2026-11-21T12:00:00"


class WooCommerceSubject(Subject):
    """Ten simple products and ten variations in turn; 120 variations belong to one product, more than a page takes."""

    def __init__(self, tmp_path, *, scheme: str = "https", before_10_3: bool = False) -> None:
        self.fake = FakeWooCommerce(secret=f"cs_{SECRET}")
        self.fake.before_10_3 = before_10_3
        self.scheme = scheme

    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        numbers = [number for number in range(count) if number not in without]
        products = [product(number, **self._own(number)) for number in numbers if self._is_simple(number)]
        if spoil:
            products[BAD]["regular_price"] = {"amount": "?"}
        owned: dict[int, list[dict[str, Any]]] = {}
        for number in numbers:
            if not self._is_simple(number):
                attributes = [{"name": "Number", "slug": "number", "option": str(number)}]
                owned.setdefault(number // 240, []).append(
                    variation(number, attributes=attributes, **self._own(number))
                )
        products += [product(90_000 + place, name="Item", variations=own) for place, own in owned.items()]
        self.fake.products = products

    def touch(self, number: int) -> None:
        # WooCommerce moves the product's time whatever of it was changed.
        for one in self.fake.products:
            if number in (one["id"], *(own["id"] for own in one["variations"])):
                one["date_modified_gmt"] = NOW

    @staticmethod
    def is_row(value: dict[str, Any], number: int) -> bool:
        # Pictures have ids of their own.
        return value.get("id") == number and "src" not in value

    @staticmethod
    def is_meant(path: Sequence[str | int], text: str) -> bool:
        # A type that we do not know is a plugin's, whose products are no items; another number is another product.
        words = text.startswith('"') or text == "1e999"
        numbers = text.removeprefix("-").isdigit()
        return (path[-1] == "type" and words) or (path[-1] in ("id", "parent_id") and numbers) or text == "[]"

    @staticmethod
    def _is_simple(number: int) -> bool:
        return number % 20 < 10

    def _own(self, number: int) -> dict[str, Any]:
        return {"name": self.title(number), "regular_price": f"{number}.50"}

    def open(self) -> Store:
        url = f"{self.scheme}://shop.example/wp-json/wc/v3"
        config = StoreConfig(url, {}, None, f"ck_test:cs_{SECRET}", "/nowhere")
        return KIND.open(config, self.fake)

    @staticmethod
    def title(number: int) -> str:
        return f"Item {number}"
