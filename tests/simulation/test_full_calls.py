"""Meta's quota counts calls, so a call waits a little while a pull may still fill it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.world import World
from worker.sync import lane
from worker.sync.context import Limits, Wake
from worker.sync.pull import run_slice


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "world.db", seed=1, limits=Limits(batch_items=6))
    for number in range(15):
        world.shelf.put(f"item-{number:02d}")
    yield world
    world.close()


def first_page(world: World) -> tuple[Iterator[Wake], Wake]:
    """A pull whose first page of four is merged, and the wake-up that it left."""
    run_id = world.ask("full")
    world.wakes.clear()
    pull = iter(run_slice(world.context(), run_id))
    return pull, next(pull)


def test_what_a_pull_has_found_waits_until_a_call_is_full(world: World) -> None:
    pull, wake = first_page(world)
    lane.push(world.context(), 1)
    assert (wake.task, wake.delay_s, world.sent()) == ("push", 10.0, [])

    full = next(pull)
    lane.push(world.context(), 1)

    assert (full.task, full.delay_s) == ("push", 0.0)
    assert [len(records) for records in world.sent()] == [6]


def test_a_call_waits_ten_seconds_at_most_for_a_slow_store(world: World) -> None:
    _pull, wake = first_page(world)

    world.now_s += wake.delay_s
    lane.push(world.context(), 1)

    assert [len(records) for records in world.sent()] == [4]


def test_the_end_of_the_pull_ends_the_wait(world: World) -> None:
    world.run_to_rest("full")

    assert [len(records) for records in world.sent()] == [6, 6, 3]
    assert world.differences() == []
