"""Everything a merchant may change in a Medusa store, made to products that nobody has touched before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.e2e.changes import JOBS, Arrived, Change, Items
from tests.e2e.medusa.merchant import MedusaStore, Variant
from tests.e2e.medusa.store import Product

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "price of a variant": ("volatile", "delta", "full"),
    "sale begins (price list)": ("volatile", "full"),
    "sale ends": ("volatile", "full"),
    "stock set by hand": ("volatile", "delta", "full"),
    "stock reserved by an order": ("volatile", "delta", "full"),
    "title of a product": ("delta", "full"),
    "description of a product": ("delta", "full"),
    "picture of a product": ("full",),
    "product published": ("delta", "full"),
    "product unpublished": ("delta", "full"),
    "product taken out of its sales channel": ("full",),
    "variant added": ("delta", "full"),
    "product added": ("delta", "full"),
    "variant deleted": ("delta", "full"),
    "product deleted": ("delta", "full"),
}
"""The jobs that see each change. docs/medusa.md shows it as measured."""

OPTIONS = {"storefront_url": "https://shop.example/products/{handle}"}
"""Of the shop that is measured."""


class Changes:
    """The changes, in the order of ``EXPECTED``.

    Args:
        products: What the store was filled with, all of it at Meta.
    """

    def __init__(self, store: MedusaStore, products: Sequence[Product]) -> None:
        self._store = store
        self._products = iter([one for one in products if len(one.variants) > 1])
        self._hidden: list[Product] = []
        self._sales: list[tuple[str, Variant]] = []
        self._added = 0

    def prepare(self) -> None:
        """Make what can then be undone: hidden products and sales. A full has to follow."""
        for _ in JOBS:
            self._hidden.append(next(self._products))
            self._store.set_product(self._hidden[-1].id, status="draft")
            variant = next(self._products).variants[0]
            self._sales.append((self._store.begin_sale(variant, 1.25), variant))

    def all(self) -> Sequence[Change]:
        makers = (
            self._price, self._sale, self._end_of_sale, self._stock, self._order,
            self._title, self._description, self._picture, self._publish, self._unpublish, self._withdraw,
            self._add_variant, self._add_product, self._delete_variant, self._delete_product,
        )  # fmt: skip
        return [Change(name, make) for name, make in zip(EXPECTED, makers, strict=True)]

    def _price(self) -> Arrived:
        product = next(self._products)
        variant = product.variants[0]
        self._store.set_price(product.id, variant, 100.5)
        return lambda items: items[variant.id]["price"] == "100.50 USD"

    def _sale(self) -> Arrived:
        variant = next(self._products).variants[0]
        self._store.begin_sale(variant, 1.25)
        return lambda items: items[variant.id].get("sale_price") == "1.25 USD"

    def _end_of_sale(self) -> Arrived:
        price_list, variant = self._sales.pop()
        self._store.end_sale(price_list)
        return lambda items: not items[variant.id].get("sale_price")

    def _stock(self) -> Arrived:
        variant = next(self._products).variants[0]
        self._store.set_stock(variant, 3)
        return lambda items: items[variant.id]["quantity_to_sell_on_facebook"] == 3

    def _order(self) -> Arrived:
        product = next(self._products)
        variant = product.variants[0]
        self._store.set_stock(variant, 2)
        self._store.order(variant, 2)
        return lambda items: (
            items[variant.id]["availability"] == "out of stock"
            and items[variant.id]["quantity_to_sell_on_facebook"] == 0
        )

    def _title(self) -> Arrived:
        product = next(self._products)
        self._store.set_product(product.id, title="A title of its own")
        return lambda items: all(items[one.id]["title"] == "A title of its own" for one in product.variants)

    def _description(self) -> Arrived:
        product = next(self._products)
        self._store.set_product(product.id, description="Words of its own")
        return lambda items: all(items[one.id]["description"] == "Words of its own" for one in product.variants)

    def _picture(self) -> Arrived:
        product = next(self._products)
        address = f"https://images.shop.example/new-{product.id}.jpg"
        self._store.set_product(product.id, images=[{"url": address}])
        return lambda items: all(address in str(items[one.id]) for one in product.variants)

    def _publish(self) -> Arrived:
        product = self._hidden.pop()
        self._store.set_product(product.id, status="published")
        return lambda items: all(items[one.id]["status"] == "active" for one in product.variants)

    def _unpublish(self) -> Arrived:
        product = next(self._products)
        self._store.set_product(product.id, status="draft")
        return lambda items: all(items[one.id]["status"] == "archived" for one in product.variants)

    def _withdraw(self) -> Arrived:
        product = next(self._products)
        self._store.withdraw(product.id)
        return lambda items: all(items[one.id]["status"] == "archived" for one in product.variants)

    def _add_variant(self) -> Arrived:
        product = next(self._products)
        variant = self._store.add_variant(product.id, product.options)
        return lambda items: items.get(variant, {}).get("price") == "77.00 USD"

    def _add_product(self) -> Arrived:
        self._added += 1
        title = f"New product {self._added}"
        _, own = self._store.add_product(title, [({"Size": "M"}, f"NEW-{self._added}", 5.5, 4)])
        return lambda items: items.get(own[0].id, {}).get("title") == title

    def _delete_variant(self) -> Arrived:
        product = next(self._products)
        first, *others = product.variants
        self._store.delete_variant(product.id, first)
        return lambda items: _gone(items, first) and not any(_gone(items, one) for one in others)

    def _delete_product(self) -> Arrived:
        product = next(self._products)
        self._store.delete_product(product.id)
        return lambda items: all(_gone(items, one) for one in product.variants)


def _gone(items: Items, variant: Variant) -> bool:
    return items.get(variant.id, {}).get("status", "archived") == "archived"
