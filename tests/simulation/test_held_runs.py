"""A pull that looks like an accident is held: what becomes of what it holds, and of everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.simulation.world import World
from worker.database.engine import writing
from worker.database.tables import audit_log, pending, shop
from worker.errors import BadInput
from worker.sandbox.batches import BatchFault
from worker.sync import approval, dry_run

REFUSED = "Invalid value: The item was refused by a fault switch of the sandbox."
EMPTY = "Your store returned no items at all. Nothing is removed before somebody approves it."
SHRUNKEN = (
    "Your store returned 2 items, and 4 of the 6 that Meta shows are missing. "
    "They are not removed before somebody approves it."
)


def decide(world: World, decision: Callable[..., Any], run_id: str) -> dict[str, Any]:
    """Decide, and let everything come to rest. Returns the run."""
    world.schedule(decision(world.context(), run_id, "ada"))
    world.settle_down()
    return world.run(run_id)


def approve(world: World, run_id: str) -> dict[str, Any]:
    return decide(world, approval.approve, run_id)


def reject(world: World, run_id: str) -> dict[str, Any]:
    return decide(world, approval.reject, run_id)


def gone(world: World, retailer_ids: Iterable[str]) -> None:
    for retailer_id in retailer_ids:
        world.shelf.remove(retailer_id)


def sends(world: World) -> list[list[str]]:
    return [[record["id"] for record in call] for call in world.sent()]


def gates(world: World) -> dict[str, str]:
    return {row.retailer_id: row.gate_run for row in world.rows(pending) if row.gate_run is not None}


def shrunken(world: World) -> dict[str, Any]:
    """Six items of which the store has two left: the held run."""
    world.started(*"abcdef")
    gone(world, "cdef")
    held = world.run_to_rest("full")
    assert (held["state"], held["removed"], held["finished_at"]) == ("held", 4, None)
    return held


# Held


@pytest.mark.parametrize(("left", "error", "removed"), [("", EMPTY, 6), ("ab", SHRUNKEN, 4)])
@pytest.mark.invariant("I9")
@pytest.mark.fault("S13", "S14")
def test_an_empty_or_shrunken_pull_is_held_and_removes_nothing(
    world: World, left: str, error: str, removed: int
) -> None:
    world.started(*"abcdef")
    gone(world, set("abcdef") - set(left))
    held = world.run_to_rest("full")
    assert (held["state"], held["error"], held["removed"]) == ("held", error, removed)
    assert (world.calls, sorted(world.at_meta())) == ([], [*"abcdef"])
    assert gates(world) == dict.fromkeys(sorted(set("abcdef") - set(left)), held["id"])
    world.now_s += 30 * 24 * 3600
    world.settle_down()
    assert (world.run(held["id"])["state"], world.calls) == ("held", [])


def test_the_first_pull_of_an_empty_store_is_held_until_the_next_full(world: World) -> None:
    held = world.run_to_rest("full")
    assert (held["state"], held["error"]) == ("held", EMPTY)
    world.run_to_rest("volatile")
    assert world.run(held["id"])["state"] == "held"
    world.shelf.put("a")
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert world.run(held["id"])["state"] == "superseded"


@pytest.mark.fault("S14")
def test_what_a_held_pull_found_changed_is_sent_all_the_same(world: World) -> None:
    world.started(*"abcdef")
    gone(world, "cdef")
    world.shelf.put("a", price="11.00 USD")
    held = world.run_to_rest("full")
    assert (held["state"], held["updated"], held["accepted"]) == ("held", 1, 1)
    assert (sends(world), sorted(world.at_meta())) == ([["a"]], [*"abcdef"])


def test_other_pulls_go_on_while_a_run_is_held(world: World) -> None:
    held = shrunken(world)
    world.shelf.put("b", price="12.00 USD")
    done = world.run_to_rest("volatile")
    assert (done["state"], done["accepted"], sends(world)) == ("succeeded", 1, [["b"]])
    assert (world.run(held["id"])["state"], sorted(gates(world))) == ("held", [*"cdef"])


def test_items_that_were_never_sent_are_dropped_and_not_held(world: World) -> None:
    world.started("a")
    world.shelf.put("b", title=None)  # refused by our rules
    world.run_to_rest("full")
    gone(world, "ab")
    held = world.run_to_rest("full")
    assert (held["state"], held["removed"], world.wanted("b"), world.issues()) == ("held", 1, None, [])


def test_more_items_than_a_chunk_are_held_and_given_up_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("worker.database.ledger.CHUNK", "worker.sync.approval.CHUNK"):
        monkeypatch.setattr(module, 3)
    monkeypatch.setattr("worker.database.ledger._PAGE", 4)
    world.started(*"abcdefghij")
    gone(world, "abcdefghi")
    held = world.run_to_rest("full")
    assert (held["removed"], len(gates(world))) == (9, 9)
    assert (reject(world, held["id"])["state"], world.rows(pending)) == ("canceled", [])


def test_what_an_earlier_run_found_gone_is_not_judged_again(world: World) -> None:
    held = shrunken(world)
    approval.approve(world.context(), held["id"], "ada")
    world.now_s += 9 * 3600  # nothing was sent, and the next full waits no longer
    again = world.pull("full")
    assert (world.run(again)["state"], world.calls) == ("succeeded", [])
    world.settle_down()
    assert (world.run(held["id"])["state"], world.differences()) == ("succeeded", [])


def test_a_dry_run_says_that_it_would_be_held(world: World) -> None:
    world.started(*"abcdef")
    gone(world, "cdef")
    found = dry_run.dry_run(world.context(), "acme", "full")
    assert (found.removed, found.would_be_held) == (4, SHRUNKEN)
    assert (world.rows(pending), world.calls) == ([], [])


# Approved


def test_an_approved_run_archives_what_it_held_and_succeeds(world: World) -> None:
    held = shrunken(world)
    done = approve(world, held["id"])
    assert (done["state"], done["error"], done["removed"], done["accepted"]) == ("succeeded", None, 4, 4)
    assert (sends(world), sorted(world.at_meta()), world.differences()) == ([[*"cdef"]], ["a", "b"], [])
    assert [(row.event, row.actor, row.detail["items"]) for row in world.rows(audit_log)] == [
        ("run.approved", "ada", 4)
    ]
    assert world.run_to_rest("full")["state"] == "succeeded"


def test_an_item_that_came_back_before_the_approval_is_not_archived(world: World) -> None:
    held = shrunken(world)
    world.shelf.put("c")
    world.run_to_rest("delta")
    assert sorted(gates(world)) == [*"def"]
    assert approve(world, held["id"])["accepted"] == 3
    assert (sends(world), world.differences()) == ([[*"def"]], [])


def test_an_approval_closes_the_issues_of_what_it_removes(world: World) -> None:
    world.started(*"abcdef")
    world.shelf.put("c", price="on request")
    world.run_to_rest("volatile")
    gone(world, "cdef")
    held = world.run_to_rest("full")
    assert world.issues() == [("c", "rules", "price.invalid")]
    approve(world, held["id"])
    assert world.issues() == []


# Rejected


def test_a_rejected_run_ends_canceled_and_the_same_finding_is_held_again(world: World) -> None:
    held = shrunken(world)
    ended = reject(world, held["id"])
    assert ended["state"] == "canceled"
    assert ended["error"] == (
        "Rejected by ada: Meta keeps what it had. The next pull that finds the same is held again."
    )
    assert (world.calls, world.rows(pending), sorted(world.at_meta())) == ([], [], [*"abcdef"])
    assert [(row.event, row.actor) for row in world.rows(audit_log)] == [("run.rejected", "ada")]
    again = world.run_to_rest("full")
    assert (again["state"], again["removed"], len(gates(world))) == ("held", 4, 4)


def test_after_a_rejection_the_restored_store_differs_in_nothing(world: World) -> None:
    held = shrunken(world)
    reject(world, held["id"])
    for retailer_id in "cdef":
        world.shelf.put(retailer_id)
    done = world.run_to_rest("full")
    assert (done["state"], done["unchanged"], world.calls, world.differences()) == ("succeeded", 6, [], [])


@pytest.mark.parametrize(
    "fault", [BatchFault(), BatchFault(reject={"c": REFUSED}), BatchFault(ending="error", share=1)]
)
@pytest.mark.invariant("I3")
def test_a_rejection_while_an_earlier_change_is_on_its_way_loses_nothing(world: World, fault: BatchFault) -> None:
    world.started(*"abcdef")
    faults = [fault]
    world.on_call = lambda edge, _: faults.pop() if edge == "items_batch" and faults else None
    world.shelf.put("c", title="Changed")
    world.ask("delta")
    world.until_call()
    gone(world, "cdef")
    held = world.pull("full")
    assert (world.run(held)["state"], sorted(gates(world))) == ("held", [*"cdef"])
    approval.reject(world.context(), held, "ada")
    assert gates(world) == {}
    world.settle_down()
    for retailer_id in "cdef":
        world.shelf.put(retailer_id)
    world.shelf.put("c", title="Changed back")
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert (world.differences(), world.overlaps, world.rows(pending)) == ([], set(), [])


# Superseded


@pytest.mark.invariant("I13")
def test_the_next_full_that_finds_the_same_takes_it_over(world: World) -> None:
    first = shrunken(world)
    second = world.run_to_rest("full")
    assert (second["state"], second["removed"]) == ("held", 4)
    first = world.run(first["id"])
    assert (first["state"], first["error"]) == (
        "superseded",
        f"What it held was taken over by run {second['id']}, which has looked at the store again.",
    )
    assert gates(world) == dict.fromkeys("cdef", second["id"])
    with pytest.raises(BadInput, match=f"it was superseded. What it held was taken over by run {second['id']}"):
        approval.approve(world.context(), first["id"], "ada")
    assert approve(world, second["id"])["accepted"] == 4


def test_the_restored_store_clears_what_was_held(world: World) -> None:
    held = shrunken(world)
    for retailer_id in "cdef":
        world.shelf.put(retailer_id)
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert world.run(held["id"])["state"] == "superseded"
    assert (world.calls, world.rows(pending), world.differences()) == ([], [], [])


# Not to be decided


def test_a_run_that_is_not_held_cannot_be_decided_about(world: World) -> None:
    world.shelf.put("a")
    done = world.run_to_rest("full")
    for decision in (approval.approve, approval.reject):
        with pytest.raises(BadInput, match=r"is not held, so there is nothing to decide: it has succeeded\."):
            decision(world.context(), done["id"], "ada")
        with pytest.raises(BadInput, match="There is no run '01NONE'"):
            decision(world.context(), "01NONE", "ada")
    assert world.rows(audit_log) == []


def test_a_stopped_shop_keeps_its_held_run_and_approves_nothing(world: World) -> None:
    held = shrunken(world)
    with writing(world.engine) as connection:
        connection.execute(shop.update().values(state="paused", reason="Paused by hand."))
    with pytest.raises(BadInput, match=r"Shop 'acme' is paused: Paused by hand\."):
        approval.approve(world.context(), held["id"], "ada")
    assert (world.run(held["id"])["state"], len(gates(world))) == ("held", 4)
    assert reject(world, held["id"])["state"] == "canceled"


@pytest.mark.invariant("I3")
def test_a_volatile_pull_sends_the_price_of_what_a_held_run_misses_and_frees_it(world: World) -> None:
    world.started(*(f"sku-{number:02}" for number in range(30)))
    items = {key: dict(item) for key, item in world.shelf.items.items()}
    world.shelf.items.clear()
    held = world.run_to_rest("full")
    assert (held["state"], held["removed"]) == ("held", 30)
    for key, item in items.items():
        world.shelf.put(key, **item)
    world.shelf.put("sku-07", price="17.77 USD")
    done = world.run_to_rest("volatile")
    assert (done["state"], done["updated"], done["accepted"], done["unchanged"]) == ("succeeded", 1, 1, 29)
    assert (world.differences(), world.rows(pending)) == ([], [])
    assert world.run(held["id"])["state"] == "superseded"


def test_prices_that_jump_are_held_also_behind_a_run_that_misses_everything(world: World) -> None:
    world.started(*(f"sku-{number:02}" for number in range(30)))
    items = {key: dict(item) for key, item in world.shelf.items.items()}
    world.shelf.items.clear()
    world.run_to_rest("full")
    for key, item in items.items():
        world.shelf.put(key, **{**item, "price": "1000.00 USD"})
    done = world.run_to_rest("volatile")
    assert (done["state"], done["updated"], {item["price"] for item in world.at_meta().values()}) == (
        "held",
        30,
        {"10.00 USD"},
    )
