"""A run's counters add up at every moment: what it found is accepted, rejected, or still to be settled."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.simulation.meta_answers import answering, refusal
from tests.simulation.world import World
from worker.database import run_state
from worker.database.engine import reading
from worker.database.tables import schedule
from worker.sandbox.batches import BatchFault


def found_and_known(world: World, run_id: str) -> tuple[int, int]:
    """How many items the run set out to change, and how many of them are accounted for."""
    with reading(world.engine) as connection:
        row = run_state.open_run(connection, run_id)
        left = run_state.left(connection, world.shop_id, run_id, round(world.now_s * 1000))
    return row.created + row.updated + row.removed, row.accepted + row.rejected + left


@pytest.mark.invariant("I4")
def test_the_sums_hold_at_every_step_of_a_run_with_everything_in_it(world: World) -> None:
    world.started(*"abcdefgh")
    world.shelf.put("a", title="Changed")
    world.shelf.put("b", price="11.00 USD")
    world.shelf.remove("c")
    world.shelf.put("d", title="Refused")
    world.shelf.put("n", color="red")
    world.shelf.put("x", title=None)
    faults = iter([BatchFault(ending="error", share=0.5), refusal(80014, "too many calls"), refusal(2, "try again")])
    answering(world, lambda ids: next(faults, None) or BatchFault(reject={"d": "Image could not be fetched."}))
    run_id = world.ask("full")
    sums = set()
    while world.run(run_id)["state"] != "succeeded":
        if not world.step():
            world.now_s += 30
            world.sweep()
        sums.add(found_and_known(world, run_id))
    assert sums <= {(0, 0), (5, 5)}
    done = world.run(run_id)
    assert (done["pulled"], done["unchanged"], done["invalid"]) == (9, 4, 1)
    assert (done["created"], done["updated"], done["removed"]) == (1, 3, 1)
    assert (done["accepted"], done["rejected"]) == (4, 1)


def test_a_price_that_overtakes_a_content_is_counted_by_each_run_once(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    full = world.pull("full")
    world.shelf.put("a", price="11.00 USD")
    volatile = world.pull("volatile")
    world.settle_down()
    for run_id in (full, volatile):
        ended = world.run(run_id)
        assert (ended["state"], ended["updated"], ended["accepted"], ended["rejected"]) == ("succeeded", 1, 1, 0)


def test_a_run_of_which_nothing_is_to_be_sent_ends_with_its_pull(world: World) -> None:
    world.started("a", "b")
    run_id = world.pull("full")
    done = world.run(run_id)
    assert (done["state"], done["pulled"], done["unchanged"], done["finished_at"] is not None) == (
        "succeeded",
        2,
        2,
        True,
    )


def test_a_full_renews_all_three_promises_and_a_failed_one_none(world: World) -> None:
    def accepted() -> dict[str, object]:
        with reading(world.engine) as connection:
            return {row.job: row.accepted_at for row in connection.execute(select(schedule))}

    world.started("a", "b")
    first = accepted()
    assert len(set(first.values())) == 1
    world.now_s += 60
    volatile = world.run_to_rest("volatile")
    assert accepted() == first | {"volatile": volatile["started_at"]}
    world.shelf.failing = 1000
    before = accepted()
    assert world.run_to_rest("full")["state"] == "failed"
    assert accepted() == before
