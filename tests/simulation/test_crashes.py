"""A process may die at any step, and any message may come twice or never: it costs at most one repeated push."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.simulation.shelf import OpenShelf
from tests.simulation.world import Crash, World, dying
from worker.database.tables import batch, pending, run
from worker.stores.contract import Page
from worker.sync.context import Limits, Wake

LIMITS = Limits(batch_items=50, drain_s=120.0, handle_s=900.0)


def fresh(path: Path) -> World:
    """Nothing at Meta, three items on two pages."""
    world = World(path, seed=1, limits=LIMITS, latency_s=1.0)
    world.shelf.page_size = 2
    for retailer_id in ("a", "b", "c"):
        world.shelf.put(retailer_id)
    return world


def changed(path: Path) -> World:
    """A content, a price, a removal and a new item to find: three kinds of call."""
    world = World(path, seed=1, limits=LIMITS, latency_s=1.0)
    world.started("a", "b", "c")
    world.shelf.put("a", title="Changed")
    world.shelf.put("b", price="11.00 USD")
    world.shelf.remove("c")
    world.shelf.put("d")
    return world


@contextmanager
def opened(build: Callable[[Path], World], path: Path) -> Iterator[World]:
    world = build(path)
    yield world
    world.close()


def steps_of_a_full(world: World) -> list[str]:
    """The name of every step of a clean run, in order."""
    steps: list[str] = []
    world.on_step = steps.append
    world.shelf.on_page = lambda name: steps.append(f"{name} page")
    world.run_to_rest("full")
    world.on_step = lambda _: None
    world.shelf.on_page = lambda _: None
    assert world.differences() == []
    return steps


def die_at(world: World, index: int) -> str | None:
    """Run a full to rest with one death on the way. Returns the name of the step; None if it was over before."""
    died: list[str] = []
    left = index

    def on_step(name: str) -> None:
        nonlocal left
        if left == 0:
            world.on_step = lambda _: None
            world.shelf.on_page = lambda _: None
            died.append(name)
            raise Crash(name)
        left -= 1

    world.on_step = on_step
    world.shelf.on_page = lambda name: on_step(f"{name} page")
    with suppress(Crash):
        world.run_to_rest("full")
    world.on_step = lambda _: None
    world.shelf.on_page = lambda _: None
    return died[0] if died else None


# The second is longer and repeats the steps of the first: every fourth of them is enough for every day.
@pytest.mark.parametrize(("build", "every"), [(fresh, 1), (changed, 4)])
@pytest.mark.invariant("I2", "I3")
@pytest.mark.fault("N10")
def test_a_death_at_any_step_of_a_full_loses_nothing_and_costs_one_repeated_push(
    build: Callable[[Path], World], every: int, tmp_path: Path
) -> None:
    with opened(build, tmp_path / "clean.db") as world:
        steps = steps_of_a_full(world)
        pushes = Counter(record["id"] for call in world.sent() for record in call)
        runs = len(world.rows(run))
    assert {"begin", "commit", "before page", "after page", "before items_batch", "after items_batch"} <= set(steps)
    problems = []
    for index in range(0, len(steps), every):
        with opened(build, tmp_path / f"{index}.db") as world:
            name = die_at(world, index)
            assert name == steps[index]
            world.settle_down()
            if len(world.rows(run)) < runs:
                world.run_to_rest("full")  # the request itself died before it was written down
            found = [*world.differences(), *world.overlaps, *world.intruders]
            found += [f"{row.retailer_id} is pending" for row in world.rows(pending) if row.delete_at is None]
            found += [f"run is {row.state}" for row in world.rows(run) if row.state != "succeeded"]
            again = Counter(record["id"] for call in world.sent() for record in call)
            found += [f"{key} was pushed {again[key]} times" for key in again if again[key] > pushes[key] + 1]
            problems += [f"{name} ({index}): {one}" for one in found]
    assert problems == []


@pytest.mark.parametrize(("step", "outcome"), [("before items_batch", 1), ("after items_batch", 2)])
@pytest.mark.invariant("I5")
@pytest.mark.fault("N10")
def test_a_death_during_the_call_is_an_unknown_outcome(world: World, step: str, outcome: int) -> None:
    world.shelf.put("a")
    world.ask("full")
    with dying(world, step):
        world.settle_down()
    (row,) = world.rows(batch)
    assert (row.state, row.handle) == ("sending", None)
    sent_at = world.now_s
    world.settle_down()
    assert [row.state for row in world.rows(batch)] == ["resolved", "settled"]
    assert (len(world.calls), world.calls[-1][0] >= sent_at + world.limits.drain_s - 1) == (outcome, True)
    assert (world.differences(), world.overlaps) == ([], set())


@pytest.mark.invariant("I2")
@pytest.mark.fault("N10")
def test_a_death_before_the_call_was_committed_to_sends_it_once(world: World) -> None:
    world.shelf.put("a")
    world.pull("full")
    with dying(world, "commit", at=3):  # lease, pick, then the one that leads to the call
        world.deliver(Wake("push", str(world.shop_id)))
    assert [row.state for row in world.rows(batch)] == ["ready"]
    world.settle_down()
    assert [row.state for row in world.rows(batch)] == ["refused", "settled"]
    assert (len(world.calls), world.differences()) == (1, [])


@pytest.mark.invariant("I2")
def test_every_wake_up_delivered_twice_changes_nothing(tmp_path: Path) -> None:
    with opened(changed, tmp_path / "once.db") as world:
        world.run_to_rest("full")
        sent = world.sent()
    with opened(changed, tmp_path / "twice.db") as world:
        deliver, delivered = world.deliver, Counter[str]()

        def twice(wake: Wake) -> None:
            for _ in range(2):
                delivered[wake.task] += 1
                deliver(wake)

        world.deliver = twice  # type: ignore[method-assign]
        done = world.run_to_rest("full")
        assert (world.sent(), world.overlaps, world.differences()) == (sent, set(), [])
        assert (done["accepted"], done["rejected"]) == (4, 0)
        assert delivered.keys() == {"pull", "push", "settle"}


@pytest.mark.invariant("I12")
def test_lost_wake_ups_are_replaced_by_the_sweeper(tmp_path: Path) -> None:
    with opened(changed, tmp_path / "lost.db") as world:
        run_id = world.ask("full")
        swept = 0
        while world.run(run_id)["state"] not in ("succeeded", "failed"):
            swept += 1
            assert swept < 60
            world.wakes.clear()
            world.now_s += 60
            world.sweep()
            for _, wake in world.wakes[:]:
                world.deliver(wake)
        assert (world.run(run_id)["state"], world.differences()) == ("succeeded", [])


@pytest.mark.invariant("I2")
def test_a_pull_goes_on_at_the_page_at_which_it_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(batch_items=50, slice_s=5.0)
    world = World(tmp_path / "pages.db", seed=1, limits=limits)
    for number in range(12):
        world.shelf.put(f"sku-{number:02}")
    cursors: list[str | None] = []
    full = OpenShelf.full

    def slow(self: OpenShelf, cursor: str | None) -> Page:
        cursors.append(cursor)
        world.now_s += 3  # each page is written down after 2 s
        if len(cursors) == 2:
            raise Crash
        return full(self, cursor)

    monkeypatch.setattr(OpenShelf, "full", slow)
    run_id = world.ask("full")
    with pytest.raises(Crash):
        world.settle_down()
    world.settle_down()
    done = world.run(run_id)
    assert cursors == [None, "sku-03", "sku-03", "sku-07"]
    assert (done["state"], done["complete"], done["pulled"], done["created"]) == ("succeeded", True, 12, 12)
    assert (done["accepted"], world.differences()) == (12, [])
    world.close()
