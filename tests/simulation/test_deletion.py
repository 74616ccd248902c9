"""What the store no longer has is hidden at once and deleted in time, and nothing else ever is."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.simulation.meta_answers import answering, refusal
from tests.simulation.seams import Answer, Carried
from tests.simulation.world import CATALOG, SLUG, World, dying
from worker.database import reports, shops
from worker.database.engine import reading, writing
from worker.database.tables import pending, run, shop
from worker.sandbox.batches import BatchFault
from worker.sync import approval
from worker.sync.conclude import OF_META

DAY_S = 24 * 3600
DELETED = [("DELETE", {"id": "a"}, False)]


def gone(world: World, retailer_id: str = "a", *, misses: int = 2) -> None:
    """An item that Meta hides because so many complete pulls have missed it."""
    world.started(*"abcd")
    world.shelf.remove(retailer_id)
    for _ in range(misses):
        assert world.run_to_rest("full")["state"] == "succeeded"
    assert sorted(world.at_meta()) == sorted(set("abcd") - {retailer_id})
    world.calls.clear()


def later(world: World, days: float) -> None:
    world.now_s += days * DAY_S
    world.settle_down()


def sent(world: World) -> list[tuple[str, dict[str, Any], bool]]:
    return [(record["method"], record["data"], upsert) for _, records, upsert in world.calls for record in records]


def held_by_meta(world: World) -> list[str]:
    """Every item of the catalog, hidden ones too."""
    world.meta.tick()
    return sorted(world.meta.catalog(CATALOG).items)


def limited(world: World, **limits: Any) -> None:
    with writing(world.engine) as connection:
        connection.execute(shop.update().values(limits=limits))


def faults(world: World, *answers: Answer) -> list[list[str]]:
    """Let these be the answers to the next calls. Returns the ids of every call."""
    rest = [*answers]
    return answering(world, lambda _: rest.pop(0) if rest else None)


def test_what_is_gone_is_hidden_at_once_and_deleted_when_its_grace_time_is_over(world: World) -> None:
    world.started(*"abcd")
    world.shelf.remove("a")
    done = world.run_to_rest("full")
    assert (done["state"], done["removed"], done["accepted"]) == ("succeeded", 1, 1)
    assert sent(world) == [("UPDATE", {"id": "a", "status": "archived"}, False)]
    row = world.wanted("a")
    assert abs(row.delete_at - (world.now_s + 30 * DAY_S) * 1000) < 600_000
    assert (row.status, row.due_at, row.run_id, row.payload_id, row.volatile) == (2, row.delete_at, None, None, None)
    world.calls.clear()
    assert world.run_to_rest("full")["removed"] == 0
    later(world, 29)
    assert (sent(world), held_by_meta(world)) == ([], [*"abcd"])
    later(world, 1)
    assert (sent(world), held_by_meta(world)) == (DELETED, [*"bcd"])
    assert (world.wanted("a"), world.acknowledged("a")) == (None, None)
    assert [row.accepted for row in world.rows(run)][-2:] == [1, 0]


def test_an_item_that_comes_back_after_it_was_deleted_is_a_new_one(world: World) -> None:
    gone(world)
    later(world, 31)
    world.shelf.put("a")
    assert world.run_to_rest("full")["created"] == 1
    assert (world.acknowledged("a").seq, world.differences()) == (5, [])


@pytest.mark.parametrize("job", ["full", "delta"])
def test_an_item_that_comes_back_within_its_grace_time_is_shown_again(world: World, job: str) -> None:
    gone(world)
    later(world, 29)
    world.shelf.put("a")
    done = world.run_to_rest(job)
    assert (done["state"], done["updated"], done["accepted"], world.wanted("a")) == ("succeeded", 1, 1, None)
    later(world, 60)
    assert (world.differences(), held_by_meta(world)) == ([], [*"abcd"])


def test_its_grace_time_begins_anew_when_it_goes_again(world: World) -> None:
    gone(world)
    later(world, 29)
    world.shelf.put("a")
    world.run_to_rest("full")
    world.shelf.remove("a")
    for _ in range(2):
        world.run_to_rest("full")
    world.calls.clear()
    later(world, 29)
    assert sent(world) == []
    later(world, 1)
    assert sent(world) == DELETED


@pytest.mark.invariant("I2", "I3")
@pytest.mark.parametrize("fault", [None, BatchFault(reject={"a": "The item was refused."}), "unknown"])
def test_an_item_that_comes_back_while_it_is_being_deleted_is_shown_whole(world: World, fault: Any) -> None:
    gone(world)
    answer = Carried(httpx.ReadTimeout("no answer")) if fault == "unknown" else fault
    calls = faults(world, answer)
    world.now_s += 31 * DAY_S
    world.sweep()
    world.until(lambda: len(calls) == 1)
    world.shelf.put("a", title="Back", price="12.00 USD")
    back = world.run_to_rest("full")
    assert (back["state"], back["updated"], back["accepted"]) == ("succeeded", 1, 1)
    assert (calls, world.differences(), world.rows(pending)) == ([["a"], ["a"]], [], [])
    assert world.misbelieved() == []


def test_an_item_that_comes_back_hidden_while_it_is_being_deleted_needs_nothing_more(world: World) -> None:
    gone(world)
    world.now_s += 31 * DAY_S
    world.sweep()
    world.until_call()
    world.shelf.put("a", status="archived")
    world.run_to_rest("full")
    assert (sent(world), world.rows(pending), world.differences()) == (DELETED, [], [])


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("arrived", [True, False])
def test_a_deletion_without_an_outcome_goes_again_after_the_drain(world: World, arrived: bool) -> None:
    gone(world)
    fault = BatchFault() if arrived else BatchFault(lose=frozenset())
    calls = faults(world, Carried(httpx.ReadTimeout("no answer"), fault))
    world.now_s += 31 * DAY_S
    world.sweep()
    world.until(lambda: len(calls) == 1)
    sent_at = world.now_s
    world.settle_down()
    assert (calls, sent(world)) == ([["a"], ["a"]], DELETED * 2)
    assert world.calls[1][0] - sent_at >= world.limits.drain_s - 1
    assert (held_by_meta(world), world.rows(pending), world.acknowledged("a")) == ([*"bcd"], [], None)


def test_what_meta_says_does_not_exist_is_deleted(world: World) -> None:
    gone(world)
    faults(world, BatchFault(reject={"a": "Product with retailer_id 'a' does not exist."}))
    later(world, 31)
    assert (world.rows(pending), world.acknowledged("a"), world.issues()) == ([], None, [])


def test_a_deletion_that_meta_refuses_is_an_issue_and_rests_for_a_day(world: World) -> None:
    gone(world)
    calls = faults(world, BatchFault(reject={"a": "The item was refused."}))
    later(world, 31)
    row = world.wanted("a")
    assert (len(calls), row.attempts, row.content_quarantine) == (1, 1, 2)
    assert [(key, source) for key, source, _ in world.issues()] == [("a", OF_META[1])]
    later(world, 1.1)
    assert (len(calls), world.rows(pending), world.issues(), held_by_meta(world)) == (2, [], [], [*"bcd"])


@pytest.mark.invariant("I11")
def test_a_throttle_delays_a_deletion_and_costs_no_attempt(world: World) -> None:
    gone(world)
    calls = faults(world, refusal(80014, "There have been too many calls for the catalog"))
    world.now_s += 31 * DAY_S
    world.sweep()
    world.until(lambda: len(calls) == 1)
    assert [(row.attempts, row.strikes, row.batch_id) for row in world.rows(pending)] == [(0, 0, None)]
    world.settle_down()
    assert (len(calls), held_by_meta(world)) == (2, [*"bcd"])


@pytest.mark.invariant("I9")
def test_what_one_complete_pull_alone_has_missed_is_not_deleted(world: World) -> None:
    gone(world, misses=1)
    for _ in range(40):
        later(world, 1)
        world.run_to_rest("volatile")
    assert (sent(world), held_by_meta(world)) == ([], [*"abcd"])
    world.run_to_rest("full")
    later(world, 1.1)
    assert (sent(world), held_by_meta(world)) == (DELETED, [*"bcd"])


@pytest.mark.invariant("I9")
def test_what_the_store_hides_is_never_deleted(world: World) -> None:
    world.started(*"abcd")
    world.shelf.put("a", status="archived")
    for _ in range(8):
        world.run_to_rest("full")
        later(world, 10)
    assert (world.rows(pending), held_by_meta(world)) == ([], [*"abcd"])
    assert sent(world) == [("UPDATE", {"id": "a", "status": "archived"}, False)]


def test_what_was_hidden_first_and_is_gone_later_is_deleted_too(world: World) -> None:
    world.started(*"abcd")
    world.shelf.put("a", status="archived")
    world.run_to_rest("full")
    world.shelf.remove("a")
    missed = world.run_to_rest("full")
    assert (missed["removed"], missed["state"], world.wanted("a").status) == (0, "succeeded", 2)
    world.run_to_rest("full")
    world.calls.clear()
    later(world, 31)
    assert (sent(world), held_by_meta(world)) == (DELETED, [*"bcd"])


def test_a_shop_may_delete_earlier_or_never(world: World) -> None:
    limited(world, delete_after=2)
    gone(world)
    later(world, 1.9)
    assert sent(world) == []
    later(world, 0.2)
    assert sent(world) == DELETED
    limited(world, delete_after=0)
    world.shelf.remove("b")
    for _ in range(2):
        world.run_to_rest("full")
    assert (world.rows(pending), world.acknowledged("b").state & 1) == ([], 1)
    later(world, 90)
    assert held_by_meta(world) == [*"bcd"]
    limited(world)
    world.run_to_rest("full")
    assert world.wanted("b").status == 2


def test_what_waits_when_a_shop_stops_deleting_is_let_go(world: World) -> None:
    gone(world)
    limited(world, delete_after=0)
    later(world, 31)
    assert (sent(world), world.rows(pending), held_by_meta(world)) == ([], [], [*"abcd"])


def test_what_waits_is_nobodys_work(world: World) -> None:
    gone(world)
    with reading(world.engine) as connection:
        status = reports.status(connection, [shops.by_slug(connection, SLUG)])
    assert status[0]["pending_items"] == 0
    world.now_s += 30 * DAY_S - 6 * 3600  # due this day
    again = world.run_to_rest("full")
    assert (again["state"], again["accepted"], world.wanted("a").run_id) == ("succeeded", 0, None)


def test_a_pull_that_sees_a_waiting_item_by_price_alone_does_not_touch_it(world: World) -> None:
    gone(world)
    world.shelf.put("a", price="12.00 USD")
    before = world.wanted("a")
    world.run_to_rest("volatile")
    assert world.wanted("a") == before


@pytest.mark.invariant("I9")
def test_what_a_held_run_misses_waits_from_its_approval_on(world: World) -> None:
    world.started(*"abcd")
    for retailer_id in "abc":
        world.shelf.remove(retailer_id)
    held = world.run_to_rest("full")
    assert (held["state"], [(row.status, row.delete_at) for row in world.rows(pending)]) == ("held", [(2, None)] * 3)
    later(world, 60)
    world.schedule(approval.approve(world.context(), held["id"], "ada"))
    world.settle_down()
    assert (sorted(world.at_meta()), held_by_meta(world)) == (["d"], [*"abcd"])
    assert all(row.delete_at > (world.now_s + 29 * DAY_S) * 1000 for row in world.rows(pending))
    world.run_to_rest("full")
    later(world, 31)
    assert (held_by_meta(world), world.rows(pending)) == (["d"], [])


@pytest.mark.invariant("I9")
def test_what_a_rejected_run_missed_is_not_deleted(world: World) -> None:
    world.started(*"abcd")
    for retailer_id in "abc":
        world.shelf.remove(retailer_id)
    held = world.run_to_rest("full")
    world.schedule(approval.reject(world.context(), held["id"], "ada"))
    later(world, 60)
    assert (held_by_meta(world), world.rows(pending), world.calls) == ([*"abcd"], [], [])


@pytest.mark.invariant("I2", "I6")
@pytest.mark.parametrize("step", ["before items_batch", "after items_batch"])
def test_a_death_in_the_middle_of_a_deletion_costs_one_repeated_call(world: World, step: str) -> None:
    gone(world)
    world.now_s += 31 * DAY_S
    with dying(world, step):
        world.settle_down()
    world.now_s += 100
    world.settle_down()
    assert (sent(world)[-1:], len(sent(world)) <= 2) == (DELETED, True)
    assert (held_by_meta(world), world.rows(pending), world.acknowledged("a")) == ([*"bcd"], [], None)
