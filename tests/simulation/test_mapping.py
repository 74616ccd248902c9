"""A shop's mapping, from the pull to what Meta shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.world import SLUG, World
from worker.database.engine import writing
from worker.database.tables import shop
from worker.sync.dry_run import dry_run

QUANTITY = "quantity_to_sell_on_facebook"


def remap(world: World, mapping: dict[str, Any], options: dict[str, str] | None = None) -> None:
    """What ``shop mapping`` writes."""
    with writing(world.engine) as connection:
        connection.execute(shop.update().values(mapping=mapping, store_options=options or {}))


def filled(world: World, *retailer_ids: str) -> None:
    for retailer_id in retailer_ids:
        world.shelf.put(retailer_id)
    assert world.run_to_rest("full")["state"] == "succeeded"


def shown(world: World) -> list[str]:
    return sorted(world.at_meta())


def test_what_a_filter_leaves_out_is_hidden_at_meta_and_comes_back_with_it(world: World) -> None:
    world.shelf.put("b", brand="Other")
    world.started("a", "c")
    remap(world, {"include": {"brand": "plain"}})
    out = world.run_to_rest("full")
    assert (out["removed"], out["state"], shown(world)) == (1, "succeeded", ["a", "c"])
    assert [[(record["id"], record["status"]) for record in call] for call in world.sent()] == [[("b", "archived")]]

    world.shelf.put("b", title="Changed while it was left out", price="20.00 USD")
    assert world.run_to_rest("volatile")["calls"] == world.run_to_rest("full")["calls"] == 0
    remap(world, {})
    back = world.run_to_rest("full")
    assert (back["updated"], shown(world), world.differences()) == (1, ["a", "b", "c"], [])


def test_what_is_left_out_from_the_start_is_never_sent(world: World) -> None:
    remap(world, {"exclude": {"title": "Item b"}})
    filled(world, "a", "b")
    assert (shown(world), world.tried["1001", "b"], world.issues()) == (["a"], 0, [])


def test_the_buffer_is_held_back_in_the_volatile_lane_too(world: World) -> None:
    world.shelf.put("a", **{QUANTITY: 5})
    remap(world, {"stock": {"buffer": 2}})
    filled(world, "b")
    stock = lambda: tuple(world.at_meta()["a"].get(name) for name in (QUANTITY, "availability"))  # noqa: E731
    assert stock() == (3, "in stock")
    assert world.run_to_rest("volatile")["unchanged"] == 2

    world.shelf.put("a", **{QUANTITY: 2})
    assert world.run_to_rest("volatile")["updated"] == 1
    assert stock() == (0, "out of stock")
    full = world.run_to_rest("full")
    assert (full["unchanged"], full["calls"]) == (2, 0)


@pytest.mark.parametrize("changed", ["mapping", "options"])
def test_a_pull_under_way_begins_again_under_a_changed_mapping(world: World, changed: str) -> None:
    world.shelf.put("a", google_product_category="1")
    for number in range(12):
        world.shelf.put(f"b{number:02}", google_product_category="1")
    rules = {"category": [{"set": {"google_product_category": "187"}}]}
    pages: list[str] = []

    def on_page(when: str) -> None:
        pages.append(when)
        if pages.count("before") == 3 and when == "before":
            remap(world, rules if changed == "mapping" else {}, {} if changed == "mapping" else {"country": "DE"})

    world.shelf.on_page = on_page
    run = world.run_to_rest("full")
    assert (run["state"], run["pulled"]) == ("succeeded", 13)
    # Two pages, the one that was read under the old mapping and is not merged, and all four once more.
    assert pages.count("before") == 7
    found = {item.get("google_product_category") for item in world.at_meta().values()}
    assert found == ({"187"} if changed == "mapping" else {"1"})
    assert world.shop().seed == run["seed"] != 0


def test_a_dry_run_tries_another_mapping_and_writes_nothing(world: World) -> None:
    world.shelf.put("b", brand="Other")
    world.started("a", "c")
    before = world.shop()
    found = dry_run(world.context(), SLUG, "full", {"mapping": {"include": {"brand": "plain"}}, "store_options": {}})
    assert (found.removed, found.unchanged, found.samples) == (1, 2, {"removed": ["b"]})
    assert dry_run(world.context(), SLUG, "full").unchanged == 3
    assert (world.shop(), world.calls) == (before, [])
