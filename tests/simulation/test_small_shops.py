"""One worker, one large shop and several small ones, with beat and stores: each small price keeps its promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from schedules.due import PROMISE
from tests.simulation.test_neighbours import live
from tests.simulation.world import World
from worker.sync.context import Limits

pytestmark = [pytest.mark.invariant("I10"), pytest.mark.fault("N21")]

SMALL = {f"small-{number}": str(3000 + number) for number in range(6)}
SLICE_S = 4.0
PAGE_S = 1.0


def test_the_prices_of_small_shops_wait_for_a_few_slices_of_a_large_full_and_not_for_its_end(tmp_path: Path) -> None:
    world = World(tmp_path / "world.db", 1, limits=Limits(batch_items=50, slice_s=SLICE_S), latency_s=1.0)
    world.in_one_thread()
    shelves = {slug: world.neighbour(slug, catalog) for slug, catalog in SMALL.items()}
    for shelf in shelves.values():
        for retailer_id in "xyz":
            shelf.put(retailer_id)
    live(world, [world.ask("full", slug) for slug in SMALL], for_s=600)
    for number in range(3000):
        world.shelf.put(f"sku-{number:04}")
    world.shelf.page_size = 25

    def slow(side: str) -> None:
        if side == "before":
            world.now_s += PAGE_S

    world.shelf.on_page = slow
    large, began = world.ask("full"), world.now_s
    live(world, [large], for_s=30)
    assert world.run(large)["state"] == "pulling"

    for shelf in shelves.values():
        shelf.put("x", price="12.00 USD")
    due = world.now_s
    prices = [world.ask("volatile", slug) for slug in SMALL]
    live(world, prices, for_s=PROMISE["volatile"].total_seconds())
    assert {world.run(run_id)["state"] for run_id in prices} == {"succeeded"}
    assert world.run(large)["state"] == "pulling"  # they did not wait for its end
    assert {world.at_meta(catalog)["x"]["price"] for catalog in SMALL.values()} == {"12.00 USD"}
    # A price is a pull, a push and the question what became of it; before each, one slice of the large shop at most.
    assert world.now_s - due < 3 * 2 * (SLICE_S + PAGE_S)

    live(world, [large], for_s=3600)
    assert (world.run(large)["state"], world.differences()) == ("succeeded", [])
    assert world.now_s - began > 3000 / 25 * PAGE_S
    world.close()
