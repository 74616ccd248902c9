"""A Saleor shop."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.fakes import saleor
from worker.stores import Page, Record, Store, StoreConfig
from worker.stores.saleor import KIND, Saleor

OPTIONS = {"channel": saleor.CHANNEL, "storefront_url": "https://shop.example/{slug}"}
NOW = "2026-11-21T12:00:00+00:00"


class SaleorSubject(Subject):
    """Two variants a product, which has the title of both."""

    def __init__(self, tmp_path) -> None:
        self.fake = saleor.FakeSaleor(token=SECRET)

    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        variants = [saleor.variant(number, pricing=self._pricing(number)) for number in range(count)]
        if spoil:
            variants[BAD]["pricing"][saleor.CHANNEL]["price"] = None
        self.fake.products = []
        for start in range(0, count, 2):
            own = [variants[number] for number in (start, start + 1) if number < count and number not in without]
            if own:
                self.fake.products.append(saleor.product(90_000 + start // 2, own, name=self.title(start)))

    @staticmethod
    def _pricing(number: int) -> dict[str, Any]:
        return {saleor.CHANNEL: saleor.pricing(number + 0.5)}

    def touch(self, number: int) -> None:
        for one in self.fake.products:
            for own in one["variants"]:
                if self.is_row(own, number):
                    own["updatedAt"] = NOW

    def open(self) -> Store:
        config = StoreConfig("https://shop.example/graphql/", OPTIONS, None, SECRET, "/nowhere")
        return Numbered(KIND.open(config, self.fake))

    @staticmethod
    def title(number: int) -> str:
        return f"Items {number - number % 2} and {number - number % 2 + 1}"

    @staticmethod
    def is_row(value: dict[str, Any], number: int) -> bool:
        return value.get("id") == saleor.gid("ProductVariant", number)


class Numbered:
    """The store with its ids decoded: the suite counts items from 0, and Saleor's ids hold such numbers in base64."""

    def __init__(self, store: Saleor) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def full(self, cursor: str | None) -> Page[Any]:
        return self._numbered(self._store.full(cursor))

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Any]:
        return self._numbered(self._store.changed(watermark, cursor))

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[Any]:
        return self._numbered(self._store.volatile(watermark, cursor))

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        ids = [saleor.gid("ProductVariant", int(one)) if one.isdigit() else one for one in retailer_ids]
        return [_numbered(record) for record in self._store.fetch(ids) or ()]

    @staticmethod
    def _numbered(page: Page[Any]) -> Page[Any]:
        notices = [replace(one, retailer_id=_number(one.retailer_id)) for one in page.notices]
        return replace(page, records=[_numbered(one) for one in page.records], notices=notices)


def _numbered(record: Any) -> Any:
    return record._replace(retailer_id=_number(record.retailer_id))


def _number(retailer_id: str) -> str:
    return str(saleor.number_of(retailer_id)) if retailer_id else ""
