"""A worker was killed with delayed wake-ups in its memory: the next one replaces them at once, without a beat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.meta_answers import answering, refusal
from tests.simulation.shelf import OpenShelf
from tests.simulation.world import World
from worker.errors import Throttled
from worker.stores.contract import Page, Record
from worker.sync import sweep
from worker.sync.context import Limits


@pytest.mark.parametrize(("afresh", "sent_on"), [(True, True), (False, False)], ids=["at its start", "of a beat"])
@pytest.mark.invariant("I12")
def test_a_starting_worker_believes_no_wake_up_to_be_on_its_way(tmp_path: Path, afresh: bool, sent_on: bool) -> None:
    world = World(tmp_path / "killed.db", seed=1, limits=Limits(batch_items=50), latency_s=1.0)
    world.shelf.put("a")
    world.ask("full")
    while not world.sent():
        assert world.step()
    assert "settle" in [wake.task for _, wake in world.wakes]
    world.wakes.clear()

    world.schedule(sweep.sweep(world.context(), afresh=afresh))
    assert ("settle" in [wake.task for _, wake in world.wakes]) is sent_on
    world.close()


@pytest.mark.parametrize("throttler", ["the store", "Meta"])
@pytest.mark.invariant("I12")
def test_a_starting_worker_alone_goes_on_after_a_throttle(
    world: World, monkeypatch: pytest.MonkeyPatch, throttler: str
) -> None:
    world.shelf.put("a")
    answers = Answers(monkeypatch, world, throttler)
    run_id = world.ask("full")
    world.until(lambda: answers.throttled)
    # Its one wake-up waited in the memory of the worker that was killed.
    world.wakes.clear()
    world.schedule(sweep.sweep(world.context(), afresh=True))
    while world.step():
        pass
    assert (world.run(run_id)["state"], world.differences()) == ("succeeded", [])
    assert answers.asked == 2


class Answers:
    """One throttle of five minutes, then what is true."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World, throttler: str) -> None:
        self.asked = 0
        if throttler == "the store":
            full = OpenShelf.full

            def read(store: OpenShelf, cursor: str | None) -> Page[Record]:
                if self._first():
                    raise Throttled("The store asks for fewer calls (429).", scope="store", retry_after_s=300.0)
                return full(store, cursor)

            monkeypatch.setattr(OpenShelf, "full", read)
        else:
            answering(world, lambda _: refusal(80014, "Too many calls") if self._first() else None)

    @property
    def throttled(self) -> bool:
        return self.asked > 0

    def _first(self) -> bool:
        self.asked += 1
        return self.asked == 1
