"""Two shops in one installation: what is wrong with one is nothing to the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.simulation.shelf import Shelf
from tests.simulation.world import Crash, World
from worker.errors import StoreRefused, Throttled, Transient
from worker.sync.context import Limits

NEXT_DOOR = "2002"

pytestmark = [pytest.mark.invariant("I10")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "world.db", seed=1, limits=Limits(batch_items=50), latency_s=1.0)
    world.started("a", "b")
    yield world
    world.close()


@pytest.fixture
def next_door(world: World) -> Shelf:
    shelf = world.neighbour("next-door", NEXT_DOOR)
    for retailer_id in "xyz":
        shelf.put(retailer_id)
    return shelf


def live(world: World, runs: list[str], *, for_s: float) -> None:
    """Let workers, which may die, and a beat do what they do for a while, or until these runs have ended."""
    end, swept_at = world.now_s + for_s, world.now_s
    while world.now_s < end and any(world.run(run_id)["finished_at"] is None for run_id in runs):
        world.wakes.sort(key=lambda entry: entry[0])
        if world.wakes and world.wakes[0][0] < swept_at + 60:
            with suppress(Crash):
                world.step()
        else:
            swept_at = world.now_s = max(world.now_s, swept_at + 60)
            world.sweep()


def prices(world: World) -> dict[str, str]:
    world.meta.tick()
    return {key: item.fields["price"] for key, item in world.meta.catalog(NEXT_DOOR).items.items()}


@pytest.mark.fault("N14")
def test_a_page_that_kills_every_worker_costs_five_and_the_neighbour_nothing(world: World, next_door: Shelf) -> None:
    deaths: list[float] = []

    def killing(_: str) -> None:
        deaths.append(world.now_s)
        raise Crash

    world.shelf.on_page = killing
    deadly, healthy = world.ask("full"), world.ask("full", "next-door")
    live(world, [healthy], for_s=180)
    assert (world.run(healthy)["state"], prices(world)) == ("succeeded", dict.fromkeys("xyz", "10.00 USD"))
    live(world, [deadly], for_s=3600)
    ended = world.run(deadly)
    assert (len(deaths), ended["state"], ended["starts"]) == (5, "failed", 5)
    assert ended["error"] == "The pull was begun 5 times without any progress. Look at the worker's log and memory."
    assert (world.issues(), sorted(world.at_meta())) == ([], ["a", "b"])


@pytest.mark.fault("S1", "S2", "S3", "S23")
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Throttled("The store asks for fewer calls.", scope="store", retry_after_s=120), id="S1"),
        pytest.param(Throttled("The store asks for fewer calls.", scope="store"), id="S2"),
        pytest.param(Transient("The store has trouble of its own (500)."), id="S3"),
        pytest.param(StoreRefused("The store refuses our credentials (401)."), id="S23"),
    ],
)
def test_a_store_in_trouble_keeps_no_other_store_from_being_read(
    world: World, next_door: Shelf, error: Exception
) -> None:
    def refusing(_: str) -> None:
        raise error

    world.shelf.on_page = refusing
    world.ask("full")
    first = world.ask("full", "next-door")
    live(world, [first], for_s=60)
    next_door.put("x", price="12.00 USD")
    second = world.ask("volatile", "next-door")
    live(world, [second], for_s=60)
    assert [world.run(run_id)["state"] for run_id in (first, second)] == ["succeeded", "succeeded"]
    assert prices(world) == {"x": "12.00 USD", "y": "10.00 USD", "z": "10.00 USD"}


@pytest.mark.fault("S15")
def test_a_store_that_grows_tenfold_does_not_delay_the_neighbours_price(world: World, next_door: Shelf) -> None:
    live(world, [world.ask("full", "next-door")], for_s=60)
    world.shelf.page_size = 100
    for number in range(600):
        world.shelf.put(f"spam-{number:03}")
    spam = world.ask("full")
    next_door.put("x", price="12.00 USD")
    price = world.ask("volatile", "next-door")
    live(world, [price], for_s=60)
    assert (world.run(price)["state"], prices(world)["x"]) == ("succeeded", "12.00 USD")
    live(world, [spam], for_s=3600)
    assert (world.run(spam)["state"], world.differences()) == ("succeeded", [])
