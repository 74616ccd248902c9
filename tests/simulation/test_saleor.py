"""A Saleor shop through the whole pull: which change reaches Meta by which job, and a token that is revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.changes import Arrived, Change, measure_changes
from tests.fakes.saleor import CHANNEL, FakeSaleor, listing, number_of, picture, pricing, product, stock, variant
from tests.simulation.world import World
from worker.stores import StoreConfig
from worker.stores.saleor import KIND
from worker.sync.context import Context

# So much is untouched that no job's changes look like an accident.
PLAIN, HIDDEN, PAIRS = range(100, 300), range(300, 310), range(310, 320)
OPTIONS = {"channel": CHANNEL, "storefront_url": "https://shop.example/p/{slug}"}


@pytest.fixture
def fake() -> FakeSaleor:
    return FakeSaleor(token="token")


@pytest.fixture
def shop(world: World, fake: FakeSaleor, monkeypatch: pytest.MonkeyPatch) -> World:
    config = StoreConfig("https://shop.example/graphql/", OPTIONS, None, "token", "/nowhere")
    plain: Callable[[], Context] = world.context
    monkeypatch.setattr(world, "context", lambda: replace(plain(), open_store=lambda _: KIND.open(config, fake)))
    return world


class Merchant:
    """Makes each change to a product of its own. Meta has all of these products but the hidden ones."""

    def __init__(self, fake: FakeSaleor) -> None:
        self._fake = fake
        self._plain = self._some(PLAIN, product)
        self._hidden = self._some(HIDDEN, lambda number: product(number, channelListings=[listing(isPublished=False)]))
        self._pairs = self._some(
            PAIRS, lambda number: product(number, [variant(10 * number), variant(10 * number + 1)])
        )

    def _some(self, numbers: range, make: Callable[[int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
        made = [make(number) for number in numbers]
        self._fake.products += made
        return iter(made)

    def title(self) -> Arrived:
        one = next(self._plain)
        self._fake.edit(one, name="Renamed")
        return self._shows(one, title="Renamed")

    def picture(self) -> Arrived:
        one = next(self._plain)
        one["media"] = [picture(9)]
        return self._shows(one, image_link="https://img.example/9.jpg")

    def price(self) -> Arrived:
        return self._sells(price="15.00 USD", pricing={CHANNEL: pricing(15.0)})

    def sale(self) -> Arrived:
        return self._sells(price="12.00 USD", sale_price="9.00 USD", pricing={CHANNEL: pricing(9.0, 12.0)})

    def stock(self) -> Arrived:
        return self._sells(quantity_to_sell_on_facebook=3, stocks=[stock(3)])

    def order(self) -> Arrived:
        return self._sells(availability="out of stock", stocks=[stock(5, 5)])

    def unpublished(self) -> Arrived:
        one = self._unpublish()
        return lambda items: one["id"] not in items

    def unpublished_and_not_sold(self) -> Arrived:
        one = self._unpublish()
        return lambda items: items.get(one["id"], {}).get("availability") in (None, "out of stock")

    def published(self) -> Arrived:
        one = next(self._hidden)
        one["channelListings"] = [listing()]
        return self._shows(one, availability="in stock")

    def deleted(self) -> Arrived:
        one = next(self._plain)
        self._fake.products.remove(one)
        return lambda items: one["variants"][0]["id"] not in items

    def variant_added(self) -> Arrived:
        one = next(self._plain)
        added = variant(10 * number_of(one["id"]) + 5)
        one["variants"].append(added)
        return lambda items: added["id"] in items

    def variant_removed(self) -> Arrived:
        removed = next(self._pairs)["variants"].pop()
        return lambda items: removed["id"] not in items

    def _sells(self, pricing: Any = None, stocks: Any = None, **shown: Any) -> Arrived:
        one = next(self._plain)
        one["variants"][0].update({name: value for name, value in (("pricing", pricing), ("stocks", stocks)) if value})
        return self._shows(one, **shown)

    def _unpublish(self) -> dict[str, Any]:
        one = next(self._plain)
        one["channelListings"] = [listing(isPublished=False)]
        return one["variants"][0]

    @staticmethod
    def _shows(one: dict[str, Any], **fields: Any) -> Arrived:
        name = one["variants"][0]["id"]
        return lambda items: name in items and fields.items() <= items[name].items()


ARRIVES = {
    "price": ("volatile", "delta", "full"),
    "sale": ("volatile", "delta", "full"),
    "stock": ("volatile", "delta", "full"),
    "order": ("volatile", "delta", "full"),
    "unpublished_and_not_sold": ("volatile", "delta", "full"),
    "unpublished": ("delta", "full"),
    "published": ("delta", "full"),
    "title": ("delta", "full"),
    "picture": ("delta", "full"),
    "variant_added": ("delta", "full"),
    "variant_removed": ("full",),
    "deleted": ("full",),
}


def test_which_change_reaches_meta_by_which_job(shop: World, fake: FakeSaleor) -> None:
    merchant = Merchant(fake)
    done = shop.run_to_rest("full")
    assert (done["state"], done["created"]) == ("succeeded", len(PLAIN) + 2 * len(PAIRS))
    changes = [Change(name, getattr(merchant, name)) for name in ARRIVES]
    assert measure_changes(changes, shop.run_to_rest, shop.at_meta) == ARRIVES


@pytest.mark.fault("S23")
@pytest.mark.invariant("I9")
def test_a_token_that_is_revoked_removes_nothing(shop: World, fake: FakeSaleor) -> None:
    Merchant(fake)
    shop.run_to_rest("full")
    before = shop.at_meta()
    fake.token = "another"
    done = shop.run_to_rest("full")
    assert (done["state"], done["removed"]) == ("failed", 0)
    assert done["error"] == (
        "https://shop.example/graphql/ does not accept our token for reading products. "
        "Give the token of an active app that has the permission MANAGE_PRODUCTS."
    )
    assert shop.at_meta() == before
