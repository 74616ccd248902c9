"""Messages that come early, late, again from an old copy of the broker, or for a shop that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.world import World
from worker.database import shops
from worker.database.engine import writing
from worker.database.tables import batch, run
from worker.sync import settle
from worker.sync.context import Limits, Wake

LIMITS = Limits(batch_items=5, drain_s=120.0, handle_s=900.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A content, a price, a removal and a new item to find."""
    world = World(tmp_path / "world.db", seed=1, limits=LIMITS, latency_s=1.0)
    world.started(*"abcdef")
    world.shelf.put("a", title="Changed")
    world.shelf.put("b", price="11.00 USD")
    world.shelf.remove("c")
    world.shelf.put("g")
    yield world
    world.close()


def pushes(world: World) -> list[str]:
    return sorted(record["id"] for call in world.sent() for record in call)


@pytest.mark.fault("N5")
@pytest.mark.invariant("I2", "I12")
@pytest.mark.parametrize("lag", [1, 2, 3, 5])
def test_an_old_copy_of_the_broker_repeats_some_messages_and_has_lost_others(world: World, lag: int) -> None:
    copies: list[list[tuple[float, Wake]]] = []
    run_id = world.ask("full")
    while len(copies) < 2 * lag and world.wakes:
        copies.append([*world.wakes])
        world.step()
    world.wakes[:] = copies[-lag]
    world.settle_down()
    assert world.run(run_id)["state"] == "succeeded"
    assert (pushes(world), world.overlaps, world.differences()) == (["a", "b", "c", "g"], set(), [])


@pytest.mark.fault("N16")
@pytest.mark.invariant("I6")
def test_a_worker_whose_clock_is_ahead_delivers_at_once_what_should_wait_and_breaks_nothing(world: World) -> None:
    run_id = world.ask("full")
    delivered = 0
    for _ in range(60):
        while world.wakes and delivered < 2000:
            delivered += 1
            world.now_s += 0.02  # what a task takes that finds nothing to do
            world.deliver(world.wakes.pop(0)[1])
        world.now_s += 60
        world.sweep()
    assert (world.run(run_id)["state"], world.differences()) == ("succeeded", [])
    assert (pushes(world), world.overlaps, world.intruders) == (["a", "b", "c", "g"], set(), [])
    # An early message finds that it is early, and leaves one more at most.
    assert delivered < 200


@pytest.mark.fault("N16")
@pytest.mark.invariant("I6")
def test_a_worker_whose_clock_is_behind_delivers_late_and_the_sweeper_does_not_wait_for_it(world: World) -> None:
    run_id = world.ask("full")
    late: list[tuple[float, Wake]] = []
    for _ in range(30):
        while world.wakes:
            at, wake = world.wakes.pop(0)
            if at > world.now_s:
                late.append((at + 7200, wake))
            else:
                world.deliver(wake)
        world.now_s += 60
        world.sweep()
    assert (world.run(run_id)["state"], world.differences()) == ("succeeded", [])
    world.now_s += 7200
    for _, wake in late:
        world.deliver(wake)
    world.settle_down()
    assert (pushes(world), world.overlaps, world.intruders) == (["a", "b", "c", "g"], set(), [])


@pytest.mark.fault("N19")
@pytest.mark.parametrize("moment", ["begin", "before page", "after page", "before items_batch", "after items_batch"])
def test_the_tasks_of_a_shop_that_is_gone_end_without_a_trace(world: World, moment: str) -> None:
    seen: list[str] = []

    def on_step(name: str) -> None:
        seen.append(name)
        if name == moment and (moment != "begin" or len(seen) > 20):
            world.on_step = world.shelf.on_page = lambda _: None  # type: ignore[assignment]
            with writing(world.engine) as connection:
                shops.remove(connection, world.shop_id)

    run_id = world.ask("full")
    world.on_step = on_step
    world.shelf.on_page = lambda name: on_step(f"{name} page")
    while world.step():
        pass
    calls, asked = len(world.calls), world.asked
    for wake in (Wake("pull", run_id), Wake("push", str(world.shop_id)), Wake("settle", str(world.shop_id))):
        world.deliver(wake)
    world.sweep()
    assert (world.wakes, world.rows(run), world.rows(batch)) == ([], [], [])
    assert (len(world.calls), world.asked) == (calls, asked)
    assert settle.settle(world.context(), world.shop_id) == []
