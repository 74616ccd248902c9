"""What a run counts when one half of an item rests: what it found to send is what it says became of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.world import World
from worker.sandbox.batches import BatchFault
from worker.sync import dry_run

REFUSED = "Invalid value: The item was refused by a fault switch of the sandbox."


def sums(run: dict[str, Any]) -> dict[str, int]:
    """The counters of a run that are not zero, without those of reading."""
    names = ("invalid", "created", "updated", "removed", "accepted", "rejected", "calls")
    return {name: run[name] for name in names if run[name]}


@pytest.mark.parametrize("price", [None, "12.00 USD"])
def test_a_price_that_goes_alone_counts_for_the_run_that_found_the_content_unfit(
    world: World, price: str | None
) -> None:
    world.started("a", "b")
    world.shelf.put("a", title=None, price=price)
    first = world.run_to_rest("full")
    assert sums(first) == {"invalid": 1, "updated": 1, "accepted": 1, "calls": 1}
    world.shelf.put("a", price="13.00 USD")
    second = world.run_to_rest("volatile")
    assert sums(second) == {"updated": 1, "accepted": 1, "calls": 1}
    world.shelf.put("a", title="Better")
    assert sums(world.run_to_rest("full")) == {"updated": 1, "accepted": 1, "calls": 1}
    assert sums(world.run(first["id"])) == sums(first)
    assert sums(world.run(second["id"])) == sums(second)
    assert world.differences() == []


def test_a_run_that_sent_nothing_for_an_unfit_item_does_not_count_its_later_price(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title=None)
    first = world.run_to_rest("full")
    assert sums(first) == {"invalid": 1}
    world.shelf.put("a", price="12.00 USD")
    assert sums(world.run_to_rest("volatile")) == {"updated": 1, "accepted": 1, "calls": 1}
    assert sums(world.run(first["id"])) == sums(first)


def test_a_price_beside_content_that_meta_rejected_counts_for_the_run_that_found_it(world: World) -> None:
    world.started("a", "b")
    faults = [BatchFault(reject={"a": REFUSED})]
    world.on_call = lambda edge, _: faults.pop() if edge == "items_batch" and faults else None
    world.shelf.put("a", title="Changed")
    first = world.run_to_rest("full")
    assert sums(first) == {"updated": 1, "rejected": 1, "calls": 1}
    world.shelf.put("a", price="12.00 USD")
    assert sums(world.run_to_rest("full")) == {"updated": 1, "accepted": 1, "calls": 1}
    world.shelf.put("a", price="13.00 USD")
    assert sums(world.run_to_rest("volatile")) == {"updated": 1, "accepted": 1, "calls": 1}
    assert sums(world.run(first["id"])) == sums(first)


def test_a_dry_run_counts_what_the_run_after_it_counts(world: World) -> None:
    world.started("a", "b", "c")
    world.shelf.put("a", title=None)
    world.run_to_rest("full")
    world.shelf.put("b", price="12.00 USD")
    found = dry_run.dry_run(world.context(), "acme", "full")
    done = world.run_to_rest("full")
    counts = ("pulled", "invalid", "unchanged", "created", "updated", "removed", "calls")
    assert [getattr(found, name) for name in counts] == [done[name] for name in counts] == [3, 1, 1, 0, 1, 0, 1]
    assert found.seconds_at_least == 0
