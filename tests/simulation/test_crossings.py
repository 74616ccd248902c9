"""One crossing of two workers for each safeguard that chance needs too long to miss: right with it, wrong without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from tests.simulation import judge
from tests.simulation.ablations import ABLATIONS, CROSSED
from tests.simulation.meta_answers import refusal
from tests.simulation.world import Crash, World, dying
from worker.sync.context import Limits, Wake

LIMITS = Limits(batch_items=5, drain_s=120.0, handle_s=900.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop that Meta has as the store does; handles take a while."""
    world = World(tmp_path / "world.db", seed=1, limits=LIMITS, latency_s=40.0)
    world.started(*"abcdefg")
    yield world
    world.close()


def meanwhile(world: World, step: str, at: int, happens: Callable[[], None]) -> None:
    """At the ``at``-th step of this name a process stands still, and this happens."""
    seen = 0

    def on_step(name: str) -> None:
        nonlocal seen
        seen += name == step
        if name == step and seen == at:
            world.on_step = lambda _: None
            happens()

    world.on_step = on_step


def fence(world: World) -> list[str]:
    """A sender stands still before it picks, past its lease, and another takes the lane."""
    world.shelf.put("a", title="New")
    world.pull("delta")

    def taken_over() -> None:
        world.now_s += 100
        with suppress(Crash), dying(world, "begin", 2):
            world.deliver(Wake("push", str(world.shop_id)))

    meanwhile(world, "begin", 2, taken_over)
    world.deliver(Wake("push", str(world.shop_id)))
    return world.intruders


def intent(world: World) -> list[str]:
    """A sender dies before it hears the answer, and the next one comes when the first copy is still to be applied."""
    world.shelf.put("a", title="New")
    world.pull("delta")
    with dying(world, "after items_batch"):
        world.deliver(Wake("push", str(world.shop_id)))
    world.now_s += 91
    world.meta.batches[next(reversed(world.meta.batches))].duration_s = 110
    world.deliver(Wake("push", str(world.shop_id)))
    world.deliver(Wake("push", str(world.shop_id)))
    return sorted(world.overlaps)


def stamps(world: World) -> list[str]:
    """A pull stands still with a page in its hand, while another reads what the store says by now."""
    world.shelf.put("a", title="Older")
    run_id = world.ask("delta")

    def overtaken() -> None:
        world.shelf.put("a", title="Newer")
        world.pull("full")
        world.meta.settings.latency_s = 0.0
        for task in ("push", "settle"):
            world.now_s += 11
            world.deliver(Wake(task, str(world.shop_id)))

    meanwhile(world, "after page", 1, overtaken)
    world.shelf.on_page = lambda name: world.on_step(f"{name} page")
    world.deliver(Wake("pull", run_id, job="delta"))
    world.settle_down()
    return world.differences()


def claim(world: World) -> list[str]:
    """A beat stands still between seeing that a slot is due and claiming it, while another's run of it begins."""
    world.tick()
    world.settle_down()
    world.now_s += 61

    def overtaken() -> None:
        world.tick()
        world.settle_down()

    meanwhile(world, "begin", 3, overtaken)
    try:
        world.deliver(Wake("dispatch", ""))
    except IntegrityError:
        return ["A slot was to run twice."]
    return judge.at_any_time(world)


def stop(world: World) -> list[str]:
    """Meta refuses the token, and more is to be sent."""

    def on_call(*_: object) -> httpx.Response:
        world.now_s += 1
        return refusal(190, "Error validating access token: Session has expired.")

    world.on_call = on_call
    for key in "abc":
        world.shelf.put(key, title="New")
        with suppress(Exception):  # a shop that is stopped takes no requests
            world.pull("delta")
        world.deliver(Wake("push", str(world.shop_id)))
        world.now_s += 3600
    return [] if world.asked == 1 else [f"{world.asked} calls with a token that was refused"]


CROSSINGS = {crossing.__name__: crossing for crossing in (claim, fence, intent, stamps, stop)}


@pytest.mark.parametrize("safeguard", CROSSED)
def test_what_a_safeguard_is_for_goes_well_with_it_and_wrong_without(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, safeguard: str
) -> None:
    assert CROSSINGS[safeguard](world) == []
    world.close()
    ABLATIONS[safeguard](monkeypatch)
    unguarded = World(tmp_path / "unguarded.db", seed=1, limits=LIMITS, latency_s=40.0)
    unguarded.started(*"abcdefg")
    assert CROSSINGS[safeguard](unguarded) != []
    unguarded.close()
