"""What the store does while it is read, and what a pull may believe of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.meta_answers import answering
from tests.simulation.shelf import OpenShelf
from tests.simulation.world import Crash, World
from worker.database.tables import pending, run
from worker.items.states import GONE
from worker.sandbox.batches import BatchFault
from worker.stores.contract import Page, Record


def edited(monkeypatch: pytest.MonkeyPatch, edit: Callable[[Page[Any]], Page[Any]]) -> None:
    """Let every page of a full differ from what is on the shelf."""
    full = OpenShelf.full
    monkeypatch.setattr(OpenShelf, "full", lambda self, cursor: edit(full(self, cursor)))


@pytest.mark.invariant("I9", "I13")
def test_a_pull_that_breaks_off_removes_nothing(world: World) -> None:
    world.started(*"abcdef")
    world.shelf.remove("a")

    def breaking(moment: str) -> None:
        if moment == "after":
            world.shelf.failing = 1000

    world.shelf.on_page = breaking
    failed = world.run_to_rest("full")
    assert (failed["state"], failed["error"], failed["complete"]) == ("failed", "The store does not answer.", False)
    assert (world.calls, sorted(world.at_meta())) == ([], [*"abcdef"])
    world.shelf.failing = 0
    world.shelf.on_page = lambda _: None
    assert world.run_to_rest("full")["removed"] == 1
    assert sorted(world.at_meta()) == [*"bcdef"]


@pytest.mark.invariant("I9")
def test_records_without_an_id_make_absence_prove_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.started("a", "b", "c")
    world.shelf.remove("a")
    with monkeypatch.context() as nameless:
        edited(nameless, lambda page: replace(page, unidentified=1))
        done = world.run_to_rest("full")
    assert (done["state"], done["complete"], done["invalid"], done["removed"]) == ("succeeded", False, 1, 0)
    assert (world.calls, sorted(world.at_meta())) == ([], ["a", "b", "c"])
    assert world.run_to_rest("full")["removed"] == 1


@pytest.mark.fault("S9")
def test_of_a_repeated_id_the_first_record_counts_and_an_issue_tells(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenShelf, "ids_unique", False)
    for retailer_id in ("a", "b"):
        world.shelf.put(retailer_id)
    with monkeypatch.context() as doubled:
        other = b'{"title": "Another item with the same id"}'
        edited(doubled, lambda page: replace(page, records=[*page.records, Record(page.records[0].retailer_id, other)]))
        done = world.run_to_rest("full")
    assert (done["pulled"], done["created"], done["accepted"]) == (3, 2, 2)
    assert (world.issues(), world.differences()) == ([("a", "rules", "id.duplicate")], [])
    assert [len(call) for call in world.sent()] == [2]
    world.now_s += 60
    assert world.run_to_rest("full")["unchanged"] == 2
    assert world.issues() == []


@pytest.mark.fault("S16")
def test_an_item_whose_price_becomes_invalid_is_shown_sold_out(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", price="on request")
    done = world.run_to_rest("volatile")
    assert world.sent() == [[{"id": "a", "availability": "out of stock"}]]
    assert (done["invalid"], done["accepted"], world.issues()) == (1, 1, [("a", "rules", "price.invalid")])
    for job in ("full", "volatile"):
        assert world.run_to_rest(job)["calls"] == 0
    world.shelf.put("a", price="11.00 USD")
    world.run_to_rest("volatile")
    assert world.sent()[1:] == [[{"id": "a", "price": "11.00 USD", "availability": "in stock"}]]
    assert (world.issues(), world.differences()) == ([], [])


def test_an_item_that_becomes_unfit_stays_at_meta_as_it_was(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title=None)
    done = world.run_to_rest("full")
    assert (done["invalid"], done["calls"], world.issues()) == (1, 0, [("a", "rules", "title.missing")])
    assert world.at_meta()["a"]["title"] == "Item a"
    world.shelf.put("a", price="11.00 USD")
    world.run_to_rest("volatile")
    assert world.sent() == [[{"id": "a", "price": "11.00 USD", "availability": "in stock"}]]
    world.shelf.put("a", title="Item a")
    assert world.run_to_rest("delta")["calls"] == 0
    assert (world.issues(), world.differences()) == ([], [])


def test_a_field_that_the_store_drops_is_unset_at_meta(world: World) -> None:
    world.shelf.put("a", color="red")
    world.run_to_rest("full")
    world.shelf.put("a", color=None)
    world.run_to_rest("delta")
    assert world.sent()[1][0]["color"] == ""
    assert "color" not in world.at_meta()["a"]


def test_an_unknown_item_is_nothing_to_a_volatile_pull(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("c")
    done = world.run_to_rest("volatile")
    assert (done["created"], done["calls"], world.wanted("c"), world.issues()) == (0, 0, None, [])


def test_a_creation_that_a_complete_pull_misses_before_it_was_sent_is_dropped_with_its_issues(world: World) -> None:
    world.started("a", "b", "c")
    world.shelf.put("d", title=None)
    world.run_to_rest("full")
    assert (world.wanted("d").status, world.issues()) == (0, [("d", "rules", "title.missing")])
    world.shelf.remove("d")
    done = world.run_to_rest("full")
    assert (done["removed"], world.calls, world.wanted("d"), world.issues()) == (0, [], None, [])


def test_what_a_failed_run_left_is_the_work_of_the_next(world: World) -> None:
    world.started("a", "b")
    for number in range(6):
        world.shelf.put(f"new-{number}")

    def breaking(moment: str) -> None:
        if moment == "after":
            world.shelf.failing = 1000

    world.shelf.on_page = breaking
    failed = world.run(world.pull("full"))
    assert (failed["state"], failed["created"], failed["accepted"]) == ("failed", 2, 0)
    world.shelf.failing = 0
    world.shelf.on_page = lambda _: None
    next_run = world.pull("full")
    assert world.run(next_run)["state"] == "pushing"
    assert {row.run_id for row in world.rows(pending)} == {next_run}
    world.settle_down()
    done = world.run(next_run)
    assert (done["state"], done["created"], done["accepted"]) == ("succeeded", 4, 6)
    assert (world.run(failed["id"])["accepted"], world.differences()) == (0, [])


@pytest.mark.invariant("I13")
@pytest.mark.fault("N14")
def test_a_pull_that_kills_its_worker_every_time_is_ended(world: World) -> None:
    world.shelf.put("a")

    def killing(_: str) -> None:
        raise Crash

    world.shelf.on_page = killing
    run_id = world.ask("full")
    for _ in range(10):
        try:
            while world.step():
                pass
        except Crash:
            pass
        world.now_s += 120
        world.sweep()
    ended = world.run(run_id)
    assert (ended["state"], ended["starts"]) == ("failed", 5)
    assert ended["error"] == ("The pull was begun 5 times without any progress. Look at the worker's log and memory.")
    assert (world.calls, [row.state for row in world.rows(run)]) == ([], ["failed"])


@pytest.mark.invariant("I3")
def test_an_item_that_came_back_and_was_refused_stays_gone_when_it_vanishes_again(world: World) -> None:
    world.started("a", "b", "c", "d")
    world.shelf.remove("a")
    world.run_to_rest("full")
    assert world.acknowledged("a").state & 1 == 1
    world.shelf.put("a", title="Back")
    calls = answering(world, lambda _: BatchFault(reject={"a": "Image could not be fetched."}))
    world.run_to_rest("full")
    assert (calls, world.wanted("a").status) == ([["a"]], 0)
    world.shelf.remove("a")
    world.run_to_rest("full")
    world.now_s += 8 * 24 * 3600
    world.settle_down()
    assert (calls, world.wanted("a").status, world.issues(), world.differences()) == ([["a"]], GONE, [], [])
