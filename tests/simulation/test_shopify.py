"""A Shopify shop through the whole pull: exports that take their time, a delta, a volatile push, a deletion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.shopify import FakeShopify, product, variant
from tests.simulation.world import SLUG, World
from worker.stores import StoreConfig
from worker.stores.shopify import KIND
from worker.sync import dry_run
from worker.sync.context import Context

LATER = "2026-11-21T13:00:00Z"


@pytest.fixture
def fake() -> FakeShopify:
    return FakeShopify([product(1), product(2, [variant(2000), variant(2001)])], token="token")


@pytest.fixture
def shop(world: World, fake: FakeShopify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    config = StoreConfig("acme.myshopify.com", {}, None, "token", str(tmp_path / "spool"))
    plain: Callable[[], Context] = world.context
    monkeypatch.setattr(world, "context", lambda: replace(plain(), open_store=lambda _: KIND.open(config, fake)))
    return world


def at_meta(world: World, name: str) -> dict[str, Any]:
    return {number: item.get(name) for number, item in world.at_meta().items()}


def test_a_shop_reaches_meta_and_its_changes_follow(shop: World, fake: FakeShopify) -> None:
    fake.polls = 4
    done = shop.run_to_rest("full")
    assert (done["state"], done["pulled"], done["accepted"], done["retries"]) == ("succeeded", 3, 3, 0)
    assert at_meta(shop, "title") == {"1000": "Product 1", "2000": "Product 2", "2001": "Product 2"}
    assert [name for name, _ in fake.asked].count("RunExport") == 1

    fake.products[1]["variants"][1].update(price="9.00", compareAtPrice="12.00")
    done = shop.run_to_rest("volatile")
    assert (done["state"], done["pulled"], done["updated"]) == ("succeeded", 3, 1)

    fake.products[0].update(title="Renamed", updatedAt=LATER)
    done = shop.run_to_rest("delta")
    assert (done["state"], done["pulled"], done["updated"]) == ("succeeded", 1, 1)
    assert at_meta(shop, "title")["1000"] == "Renamed"

    fake.products[1]["variants"].pop()
    done = shop.run_to_rest("full")
    assert (done["state"], done["pulled"], done["removed"], done["unchanged"]) == ("succeeded", 2, 1, 2)


def test_a_dry_run_waits_for_the_export_too(shop: World, fake: FakeShopify, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(dry_run, "Event", lambda: SimpleNamespace(wait=waited.append))
    found = dry_run.dry_run(shop.context(), SLUG, "full")
    assert (found.pulled, found.created) == (3, 3)
    assert waited == [2.0, 3.0]


def test_an_export_that_fails_removes_nothing_and_the_next_full_makes_another(shop: World, fake: FakeShopify) -> None:
    shop.run_to_rest("full")
    made = fake._bulkOperationRunQuery

    def failing(**arguments: Any) -> dict[str, Any]:
        answer = made(**arguments)
        answer["bulkOperation"].update(status="FAILED", errorCode="TIMEOUT")
        return answer

    fake._bulkOperationRunQuery = failing  # type: ignore[method-assign]  # this shop's exports fail from here on
    fake.products.clear()
    done = shop.run_to_rest("full")
    assert (done["state"], done["removed"], done["error"]) == (
        "failed",
        0,
        "Shopify could not finish our export. The next pull tries again.",
    )
    assert sorted(shop.at_meta()) == ["1000", "2000", "2001"]
