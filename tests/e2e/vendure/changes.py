"""Everything a merchant may change in a Vendure store, made to products that nobody has touched before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from tests.e2e.changes import JOBS, Arrived, Change, Items
from tests.e2e.vendure.merchant import VendureStore

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "price of a variant": ("volatile", "delta", "full"),
    "sale begins (price before in a custom field)": ("volatile", "delta", "full"),
    "sale ends": ("volatile", "delta", "full"),
    "stock set by hand": ("volatile", "delta", "full"),
    "stock taken by an order": ("volatile", "full"),
    "name of a variant": ("delta", "full"),
    "description of a product": ("delta", "full"),
    "picture of a product": ("delta", "full"),
    "product disabled": ("delta", "full"),
    "product enabled": ("delta", "full"),
    "variant disabled": ("delta", "full"),
    "variant enabled": ("delta", "full"),
    "variant added": ("delta", "full"),
    "product added": ("delta", "full"),
    "variant deleted": ("full",),
    "product deleted": ("full",),
}
"""The jobs that see each change. docs/vendure.md shows it as measured."""

OPTIONS = {"storefront_url": "https://shop.example/products/{slug}", "compare_at_field": "compareAtPrice"}
"""Of the shop that is measured."""


class Changes:
    """The changes, in the order of ``EXPECTED``.

    Args:
        items: Meta's catalog after a full run. Products that are there with all their variants take part.
    """

    def __init__(self, store: VendureStore, items: Items) -> None:
        self._store = store
        rows = sorted(store.variants(), key=lambda row: int(row["productId"]))
        products = {
            product: [str(row["id"]) for row in own]
            for product, own in groupby(rows, lambda row: str(row["productId"]))
        }
        sold = [(product, own) for product, own in products.items() if all(variant in items for variant in own)]
        # What needs siblings takes from those that have some; everything else would use them up.
        several = [one for one in sold if len(one[1]) > 1]
        self._families = iter(several[: 2 * len(JOBS)])
        self._products: Iterator[tuple[str, list[str]]] = iter(
            [one for one in sold if one not in several[: 2 * len(JOBS)]]
        )
        self._hidden_products: list[tuple[str, list[str]]] = []
        self._hidden_variants: list[str] = []
        self._reduced: list[str] = []

    def prepare(self) -> None:
        """Make what can then be undone: hidden products and variants, and reduced prices. A full has to follow."""
        for _ in JOBS:
            product, own = next(self._products)
            self._store.set_product_enabled(product, enabled=False)
            self._hidden_products.append((product, own))
            self._hidden_variants.append(self._variant())
            self._store.set_variant_enabled(self._hidden_variants[-1], enabled=False)
            self._reduced.append(self._variant())
            self._store.set_compare_at(self._reduced[-1], 9_999_00)

    def all(self) -> Sequence[Change]:
        makers = (
            self._price, self._sale, self._end_of_sale, self._stock, self._order,
            self._name, self._description, self._picture,
            self._disable_product, self._enable_product, self._disable_variant, self._enable_variant,
            self._add_variant, self._add_product, self._delete_variant, self._delete_product,
        )  # fmt: skip
        return [Change(name, make) for name, make in zip(EXPECTED, makers, strict=True)]

    def _variant(self) -> str:
        return next(self._products)[1][0]

    def _price(self) -> Arrived:
        variant = self._variant()
        self._store.set_price(variant, 100_00)
        return lambda items: items[variant]["price"] == "120.00 USD"

    def _sale(self) -> Arrived:
        variant = self._variant()
        self._store.set_compare_at(variant, 9_999_00)
        return lambda items: items[variant]["price"] == "9999.00 USD" and bool(items[variant].get("sale_price"))

    def _end_of_sale(self) -> Arrived:
        variant = self._reduced.pop()
        self._store.set_compare_at(variant, None)
        return lambda items: items[variant]["price"] != "9999.00 USD" and not items[variant].get("sale_price")

    def _stock(self) -> Arrived:
        variant = self._variant()
        self._store.set_stock(variant, 3)
        return lambda items: items[variant]["quantity_to_sell_on_facebook"] == 3

    def _order(self) -> Arrived:
        variant = self._variant()
        left = self._store.saleable(variant) - 2
        self._store.order(variant, 2)
        return lambda items: items[variant]["quantity_to_sell_on_facebook"] == left

    def _name(self) -> Arrived:
        variant = self._variant()
        self._store.set_variant_name(variant, "A name of its own")
        return lambda items: items[variant]["title"] == "A name of its own"

    def _description(self) -> Arrived:
        product, own = next(self._products)
        self._store.set_product_description(product, "Words of its own")
        return lambda items: all(items[variant]["description"] == "Words of its own" for variant in own)

    def _picture(self) -> Arrived:
        product, own = next(self._products)
        address = self._store.set_picture(product)
        return lambda items: all(address in str(items[variant]) for variant in own)

    def _disable_product(self) -> Arrived:
        product, own = next(self._products)
        self._store.set_product_enabled(product, enabled=False)
        return lambda items: all(items[variant]["status"] == "archived" for variant in own)

    def _enable_product(self) -> Arrived:
        product, own = self._hidden_products.pop()
        self._store.set_product_enabled(product, enabled=True)
        return lambda items: all(items[variant]["status"] == "active" for variant in own)

    def _disable_variant(self) -> Arrived:
        variant = self._variant()
        self._store.set_variant_enabled(variant, enabled=False)
        return lambda items: items[variant]["status"] == "archived"

    def _enable_variant(self) -> Arrived:
        variant = self._hidden_variants.pop()
        self._store.set_variant_enabled(variant, enabled=True)
        return lambda items: items[variant]["status"] == "active"

    def _add_variant(self) -> Arrived:
        product, _ = next(self._families)
        variant = self._store.add_variant(product, "A new variant")
        return lambda items: items.get(variant, {}).get("title") == "A new variant"

    def _add_product(self) -> Arrived:
        product, _ = next(self._products)
        variant = self._store.add_product(product, "A new product")
        return lambda items: items.get(variant, {}).get("title") == "A new product"

    def _delete_variant(self) -> Arrived:
        _, own = next(self._families)
        self._store.delete_variant(own[0])
        return lambda items: _gone(items, own[0]) and not any(_gone(items, variant) for variant in own[1:])

    def _delete_product(self) -> Arrived:
        product, own = next(self._products)
        self._store.delete_product(product)
        return lambda items: all(_gone(items, variant) for variant in own)


def _gone(items: Items, variant: str) -> bool:
    return items.get(variant, {}).get("status", "archived") == "archived"
