"""A worker was killed with delayed wake-ups in its memory: the next one replaces them at once, without a beat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.world import World
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
