"""What holds at every moment: every item has one place, every run ends, every message may be lost."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.simulation.chaos import Chaos
from tests.simulation.world import Crash, World
from worker.database.tables import batch, run
from worker.sync.context import Limits
from worker.sync.manifest import unpack

OPEN_BATCHES = "SELECT id, manifest FROM batch WHERE state IN ('ready', 'sending', 'sent', 'unknown')"
LIMITS = Limits(batch_items=5, drain_s=120.0, handle_s=900.0)


class Watched(Chaos):
    """Chaos that looks, before each transaction, where every item is.

    Attributes:
        misplaced: Items that were in no place, or in two.
        looked: How often all items were looked at.
    """

    def __init__(self, path: Path, seed: int) -> None:
        super().__init__(path, seed)
        self._path = path
        self._known: set[str] = set()
        self._once_gone: set[str] = set()
        self.misplaced: list[str] = []
        self.looked = 0
        remove = self.world.shelf.remove

        def removing(retailer_id: str) -> None:
            self._once_gone.add(retailer_id)
            remove(retailer_id)

        self.world.shelf.remove = removing  # type: ignore[method-assign] # the store tells what it has had

    def _step(self, name: str) -> None:
        if name == "begin":
            self._look()
        super()._step(name)

    def _look(self) -> None:
        # Past the engine, whose connections are steps themselves.
        with closing(sqlite3.connect(self._path)) as connection:
            wants = dict(connection.execute("SELECT retailer_id, batch_id FROM pending").fetchall())
            acknowledged = {row[0] for row in connection.execute("SELECT retailer_id FROM snapshot")}
            batches = {row[0]: unpack(row[1]) for row in connection.execute(OPEN_BATCHES)}
        self.looked += 1
        in_flight = {key: batch_id for key, batch_id in wants.items() if batch_id is not None}
        carried = Counter(line.retailer_id for lines in batches.values() for line in lines)
        self.misplaced += [f"{key} is in {number} open batches" for key, number in carried.items() if number > 1]
        self.misplaced += [f"{key} is marked, and in no open batch" for key in in_flight.keys() - carried.keys()]
        self.misplaced += [
            f"{line.retailer_id} is in batch {batch_id}, and marked {wants.get(line.retailer_id)}"
            for batch_id, lines in batches.items()
            for line in lines
            if wants.get(line.retailer_id) != batch_id
        ]
        self._known |= wants.keys() | acknowledged
        lost = self._known - wants.keys() - acknowledged - self._once_gone
        self.misplaced += [f"{key} is nowhere" for key in sorted(lost)]


@pytest.mark.invariant("I4", "I6")
@pytest.mark.parametrize("seed", [7, 10, 11])
def test_every_item_that_was_seen_is_in_exactly_one_place_before_every_transaction(tmp_path: Path, seed: int) -> None:
    chaos = Watched(tmp_path / "watched.db", seed)
    assert (chaos.problem(), chaos.misplaced) == (None, [])
    assert chaos.looked > 100
    chaos.close()


@pytest.mark.invariant("I13")
@pytest.mark.parametrize("seed", [7, 10, 11])
def test_every_run_ends_and_whatever_did_not_succeed_says_why(tmp_path: Path, seed: int) -> None:
    chaos = Chaos(tmp_path / "chaos.db", seed)
    assert chaos.problem() is None
    runs = chaos.world.rows(run)
    assert len(runs) > 5
    assert {row.state for row in runs} <= {"succeeded", "failed", "canceled", "superseded"}
    assert [row.id for row in runs if row.finished_at is None] == []
    assert [row.id for row in runs if (row.state == "succeeded") == bool(row.error)] == []
    chaos.close()


def busy(path: Path) -> World:
    """A content, a price, a removal and a new item to find."""
    world = World(path, seed=1, limits=LIMITS, latency_s=1.0)
    world.started(*"abcdef")
    world.shelf.put("a", title="Changed")
    world.shelf.put("b", price="11.00 USD")
    world.shelf.remove("c")
    world.shelf.put("g")
    return world


def with_a_beat(world: World, run_id: str) -> float:
    """Go on as with a beat, which sweeps once a minute. Returns the seconds until the run has ended."""
    began = swept_at = world.now_s
    while world.run(run_id)["state"] not in ("succeeded", "failed"):
        assert world.now_s < began + 3600
        world.wakes.sort(key=lambda entry: entry[0])
        if world.wakes and world.wakes[0][0] < swept_at + 60:
            world.step()
        else:
            swept_at = world.now_s = max(world.now_s, swept_at + 60)
            world.sweep()
    return world.now_s - began


@pytest.mark.invariant("I2", "I12")
@pytest.mark.fault("N3", "N10")
def test_a_process_and_all_messages_lost_at_any_step_cost_three_minutes_at_most(tmp_path: Path) -> None:
    steps: list[str] = []
    world = busy(tmp_path / "clean.db")
    clean_run = world.ask("full")
    world.on_step = steps.append
    clean_s = with_a_beat(world, clean_run)
    world.close()
    problems = []
    for index in range(0, len(steps), 7):
        world = busy(tmp_path / f"{index}.db")
        run_id = world.ask("full")
        late_s = with_a_beat_after_losing_everything(world, run_id, index) - clean_s
        # What may have been sent is sent again only when the first copy can no longer land.
        allowed_s = 180.0 + (LIMITS.drain_s if was_unknown(world) else 0.0)
        problems += [f"{steps[index]} ({index}): {late_s:.0f} s late"] if late_s > allowed_s else []
        problems += [f"{steps[index]} ({index}): {one}" for one in world.differences()]
        world.close()
    assert problems == []


def with_a_beat_after_losing_everything(world: World, run_id: str, index: int) -> float:
    """Die at that step and lose every message; then go on. Returns the seconds from the beginning to the end."""
    began, left = world.now_s, index

    def on_step(_: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash

    world.on_step = on_step
    with suppress(Crash):
        with_a_beat(world, run_id)
    world.on_step = lambda _: None
    world.wakes.clear()
    with_a_beat(world, run_id)
    return world.now_s - began


def was_unknown(world: World) -> bool:
    """Whether a call had no outcome."""
    return any(row.state == "resolved" for row in world.rows(batch))
