"""What became of a call that nobody knows of is looked up at Meta."""

from __future__ import annotations

import httpx
import pytest

from tests.simulation.audits import jobs, open_issues
from tests.simulation.world import World
from worker.database.tables import batch, run
from worker.sandbox.batches import BatchFault


def passes(world: World, seconds: float) -> None:
    """Time passes with a worker and a beat at work."""
    end = world.now_s + seconds
    while world.now_s < end:
        world.sweep()
        while world.wakes and min(at for at, _ in world.wakes) <= world.now_s:
            world.step()
        world.now_s += 5


def unknown(world: World, fault: BatchFault, price: str) -> None:
    """A price of ``a`` is sent, and nobody learns what became of it."""
    lost: list[str] = []

    def on_step(name: str) -> None:
        if name == "after items_batch" and not lost:
            lost.append(name)
            raise httpx.ReadError("the connection was reset")

    world.on_call = lambda edge, _: fault if edge == "items_batch" and not lost else None
    world.on_step = on_step
    world.shelf.put("a", price=price)
    world.ask("volatile")
    world.until(lambda: bool(lost))


@pytest.mark.fault("G19")
def test_a_copy_that_lands_after_it_was_given_up_is_repaired_by_the_audit_of_its_items(world: World) -> None:
    world.started("a", "b")
    unknown(world, BatchFault(delay_s=world.limits.drain_s + 100), "11.00 USD")
    world.shelf.put("a", price="12.00 USD")
    world.pull("volatile")
    passes(world, world.limits.drain_s + 80)
    assert (world.at_meta()["a"]["price"], world.wanted("a")) == ("12.00 USD", None)
    passes(world, 30)
    assert world.at_meta()["a"]["price"] == "11.00 USD"
    assert [job for job, _ in jobs(world)] == ["full", "volatile", "volatile"]
    passes(world, world.limits.drain_s + 120)
    assert jobs(world)[-2:] == [("audit", "unknown"), ("full", "audit")]
    partial = world.rows(run)[-2]
    assert (partial.state, partial.scope, partial.pulled) == ("succeeded", {"batches": [2]}, 1)
    assert (world.differences(), open_issues(world)) == ([], [("a", "drift.price")])
    assert world.rows(batch)[1].audited_at is not None


def test_unknown_outcomes_are_audited_at_most_once_an_hour(world: World) -> None:
    world.started("a", "b")
    unknown(world, BatchFault(), "11.00 USD")
    passes(world, 1500)
    unknown(world, BatchFault(), "12.00 USD")
    passes(world, 2000)
    audits = [row for row in world.rows(run) if row.job == "audit"]
    assert [(row.state, row.pulled, row.unchanged) for row in audits] == [("succeeded", 1, 1)]
    assert [row.audited_at is not None for row in world.rows(batch) if row.state == "resolved"] == [True, False]
    passes(world, 2000)
    assert [row.audited_at is not None for row in world.rows(batch) if row.state == "resolved"] == [True, True]
    passes(world, 7200)
    assert [job for job, _ in jobs(world)].count("audit") == 2


def test_a_whole_audit_covers_the_unknown_outcomes_before_it_and_takes_the_place_of_a_partial_one(
    world: World,
) -> None:
    world.started("a", "b")
    unknown(world, BatchFault(), "11.00 USD")
    while not any(row.job == "audit" for row in world.rows(run)):
        world.now_s += 5
        while world.wakes and min(at for at, _ in world.wakes) <= world.now_s:
            world.step()
        world.sweep()
    waiting = world.rows(run)[-1]
    assert (waiting.state, waiting.scope) == ("queued", {"batches": [2]})
    assert world.ask("audit") == waiting.id
    world.settle_down()
    assert (world.run(waiting.id)["scope"], world.run(waiting.id)["pulled"]) == (None, 2)
    assert world.rows(batch)[1].audited_at is not None
