"""What Meta answers, and exactly what is believed of it: full calls, ambiguous answers, handles that end badly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulation.meta_answers import answering, refusal
from tests.simulation.seams import Answer, Carried
from tests.simulation.world import World
from worker.database.tables import batch, pending
from worker.sandbox.batches import BatchFault
from worker.sync.context import Limits

IMAGE = "Image could not be fetched."


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[World]:
    """A store with 3,000 items, which fill one call."""
    world = World(tmp_path / "crowd.db", seed=1, limits=Limits(drain_s=600.0))
    world.shelf.page_size = 1000
    for number in range(3000):
        world.shelf.put(f"sku-{number:04}")
    yield world
    world.close()


def first_call(world: World, fault: Answer) -> list[list[str]]:
    """Let this happen to the next call, and let the others pass. Returns the ids of every call."""
    faults = [fault]
    return answering(world, lambda _: faults.pop() if faults else None)


def untouched(world: World) -> list[tuple[int, int, int, int]]:
    """What is held against pending items: nothing."""
    return [(row.attempts, row.strikes, row.share_limit, row.content_quarantine) for row in world.rows(pending)]


def last_state(world: World) -> str | None:
    return max(((row.id, row.state) for row in world.rows(batch)), default=(0, None))[1]


@pytest.mark.fault("G1")
@pytest.mark.parametrize("code", [1, 2])
def test_a_passing_error_sends_the_same_items_again_and_holds_nothing_against_them(world: World, code: int) -> None:
    for retailer_id in "abc":
        world.shelf.put(retailer_id)
    calls = first_call(world, refusal(code, "An unknown error occurred"))
    world.ask("full")
    world.until(lambda: len(calls) == 1)
    refused_at = world.now_s
    assert untouched(world) == [(0, 0, 0, 0)] * 3
    world.settle_down()
    assert calls == [["a", "b", "c"]] * 2
    assert [row.state for row in world.rows(batch)] == ["refused", "settled"]
    assert world.calls[0][0] >= refused_at + 0.9
    assert (world.issues(), world.rows(pending), world.differences()) == ([], [], [])


@pytest.mark.fault("G2")
def test_an_item_that_is_too_much_by_itself_is_put_to_rest_and_the_others_arrive(world: World) -> None:
    for retailer_id in ("a", "b", "c", "huge"):
        world.shelf.put(retailer_id)
    too_much = refusal(1, "Please reduce the amount of data you're asking for, then retry your request")
    calls = answering(world, lambda ids: too_much if "huge" in ids else None)
    done = world.run_to_rest("full")
    assert [len(ids) for ids in calls] == [4, 2, 2, 1, 1]
    assert (done["state"], done["accepted"], done["rejected"]) == ("succeeded", 3, 1)
    assert [(row.retailer_id, row.attempts) for row in world.rows(pending)] == [("huge", 1)]
    assert world.differences() == ["huge is missing"]
    assert world.run_to_rest("full")["calls"] == 0


@pytest.mark.fault("G9")
@pytest.mark.invariant("I11")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (100, "Unsupported post request. Object with ID '1001' does not exist"),
        (803, "Some of the aliases do not exist"),
    ],
)
def test_a_catalog_that_is_not_there_pauses_the_shop_and_blames_no_item(world: World, code: int, message: str) -> None:
    world.started("a")
    world.shelf.put("b")
    calls = answering(world, lambda _: refusal(code, message))
    run_id = world.ask("full")
    world.until(lambda: world.shop().state != "active")
    asked, failed = world.asked, world.run(run_id)
    assert (world.shop().state, failed["state"], failed["error"]) == ("paused", "failed", world.shop().reason)
    assert "Check the catalog id" in failed["error"]
    for _ in range(30):
        world.now_s += 600
        world.sweep()
        while world.step():
            pass
    assert (calls, world.asked, untouched(world), world.issues()) == ([["b"]], asked, [(0, 0, 0, 0)], [])


@pytest.mark.fault("G12")
@pytest.mark.invariant("I1")
def test_of_a_call_of_which_nothing_was_taken_the_blameless_items_go_again(crowd: World) -> None:
    bad = {"sku-0007": IMAGE, "sku-2999": IMAGE}
    calls = first_call(crowd, BatchFault(no_handle=True, refuse=bad))
    done = crowd.run_to_rest("full")
    assert [len(ids) for ids in calls] == [3000, 2998]
    assert set(calls[0]) - set(calls[1]) == bad.keys()
    assert (done["accepted"], done["rejected"], done["state"]) == (2998, 2, "succeeded")
    assert crowd.issues() == [(retailer_id, "validation", "image_link.invalid") for retailer_id in sorted(bad)]
    assert crowd.differences() == [f"{retailer_id} is missing" for retailer_id in sorted(bad)]
    assert [crowd.acknowledged(retailer_id) for retailer_id in bad] == [None, None]


@pytest.mark.fault("G13")
@pytest.mark.invariant("I1", "I10")
def test_of_a_finished_call_exactly_the_listed_items_are_not_acknowledged(crowd: World) -> None:
    bad = {f"sku-{number:04}": IMAGE for number in range(0, 2800, 400)}
    calls = first_call(crowd, BatchFault(reject=bad))
    done = crowd.run_to_rest("full")
    assert ([len(ids) for ids in calls], len(bad)) == ([3000], 7)
    assert (done["accepted"], done["rejected"]) == (2993, 7)
    assert [(row.retailer_id, row.attempts) for row in crowd.rows(pending)] == [(key, 1) for key in sorted(bad)]
    assert [crowd.acknowledged(retailer_id) for retailer_id in bad] == [None] * 7
    assert crowd.issues() == [(retailer_id, "batch", "image_link.invalid") for retailer_id in sorted(bad)]
    assert crowd.differences() == [f"{retailer_id} is missing" for retailer_id in sorted(bad)]


@pytest.mark.fault("G14")
@pytest.mark.invariant("I1", "I5")
def test_errors_that_name_nobody_acknowledge_nobody(world: World) -> None:
    for retailer_id in "abcdef":
        world.shelf.put(retailer_id)
    calls = first_call(world, BatchFault(reject_count=2, hide_ids=True))
    world.ask("full")
    world.until(lambda: last_state(world) == "unknown")
    sent_at = world.calls[0][0]
    assert [world.acknowledged(retailer_id) for retailer_id in "abcdef"] == [None] * 6
    world.settle_down()
    assert calls == [[*"abcdef"]] * 2
    assert world.calls[1][0] >= sent_at + world.limits.drain_s
    assert (world.issues(), world.differences(), world.overlaps) == ([], [], set())


@pytest.mark.fault("G15")
def test_an_error_about_an_item_of_another_batch_changes_nothing(world: World) -> None:
    world.started("a", "b", "other")
    before = world.acknowledged("other")
    world.shelf.put("a", title="Changed")
    calls = first_call(world, BatchFault(foreign=("other", "never-heard-of")))
    done = world.run_to_rest("delta")
    assert (calls, done["accepted"], done["rejected"], done["state"]) == ([["a"]], 1, 0, "succeeded")
    assert (world.acknowledged("other"), world.issues(), world.rows(pending)) == (before, [], [])
    assert world.differences() == []


@pytest.mark.fault("G16")
@pytest.mark.invariant("I5")
def test_a_handle_that_never_finishes_is_unknown_after_an_hour_and_sent_again_after_the_drain(world: World) -> None:
    world.started("a")
    world.shelf.put("a", title="First")
    calls = first_call(world, BatchFault(ending="never"))
    run_id = world.ask("delta")
    world.until(lambda: last_state(world) == "unknown")
    sent_at, given_up_at = world.calls[0][0], world.now_s
    assert 3600 <= given_up_at - sent_at <= 3600 + 60
    assert world.run(run_id)["state"] == "pushing"
    world.shelf.put("a", title="Second")
    world.pull("delta")
    world.settle_down()
    assert (calls, [call[0]["title"] for call in world.sent()]) == ([["a"]] * 2, ["First", "Second"])
    assert world.calls[1][0] >= given_up_at + world.limits.drain_s
    assert (world.differences(), world.rows(pending)) == ([], [])


@pytest.mark.fault("G17")
@pytest.mark.invariant("I5")
def test_a_handle_that_meta_does_not_know_is_asked_for_once(world: World) -> None:
    world.shelf.put("a")
    first_call(world, BatchFault(forget=True))
    world.ask("full")
    world.until(lambda: last_state(world) == "unknown")
    asked = world.asked
    assert (asked, world.acknowledged("a")) == (2, None)  # the call, and one look at its handle
    world.settle_down()
    assert [row.state for row in world.rows(batch)] == ["resolved", "settled"]
    assert world.calls[1][0] >= world.calls[0][0] + world.limits.drain_s
    assert (world.differences(), world.issues(), world.overlaps) == ([], [], set())


@pytest.mark.fault("G18")
@pytest.mark.invariant("I1", "I5")
@pytest.mark.parametrize("ending", ["error", "canceled"])
@pytest.mark.parametrize("landed", [0.0, 0.5, 1.0])
def test_a_handle_that_ends_badly_acknowledges_nobody_and_all_go_again(
    world: World, ending: Any, landed: float
) -> None:
    for retailer_id in "abcd":
        world.shelf.put(retailer_id)
    calls = first_call(world, BatchFault(ending=ending, share=landed))
    world.ask("full")
    world.until(lambda: last_state(world) == "unknown")
    assert [world.acknowledged(retailer_id) for retailer_id in "abcd"] == [None] * 4
    world.settle_down()
    assert calls == [[*"abcd"]] * 2
    assert world.calls[1][0] >= world.calls[0][0] + world.limits.drain_s
    assert (world.differences(), world.issues(), world.overlaps) == ([], [], set())


def accepted_without_an_answer(world: World, answer: httpx.Response | Exception) -> None:
    """Meta takes the next call, and what comes back is this."""

    def on_call(edge: str, _: httpx.Request) -> Answer:
        if edge != "items_batch":
            return None
        world.on_call = lambda *_: None
        return Carried(answer)

    world.on_call = on_call


@pytest.mark.fault("G19", "G21")
@pytest.mark.invariant("I5")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.ReadTimeout("slow"), id="time-out"),
        pytest.param(httpx.RemoteProtocolError("reset"), id="reset"),
        pytest.param(httpx.Response(502, text="Bad gateway"), id="502"),
        pytest.param(httpx.Response(200, text='{"handles": ["h'), id="broken JSON"),
        pytest.param(httpx.Response(200, html="<html>Sorry</html>"), id="HTML"),
        pytest.param(httpx.Response(200, content=b""), id="nothing"),
    ],
)
def test_an_accepted_call_whose_answer_is_lost_is_neither_believed_nor_repeated_before_the_drain(
    world: World, answer: httpx.Response | Exception
) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="First")
    accepted_without_an_answer(world, answer)
    run_id = world.ask("delta")
    world.until(lambda: last_state(world) == "unknown")
    before = world.acknowledged("a").content_fp
    world.until(lambda: world.at_meta()["a"]["title"] == "First")
    assert (world.acknowledged("a").content_fp, world.run(run_id)["accepted"]) == (before, 0)
    world.shelf.put("a", title="Second")
    world.pull("full")  # another job, which does not wait for this one
    world.settle_down()
    assert [[record["title"] for record in call] for call in world.sent()] == [["First"], ["Second"]]
    assert world.calls[1][0] >= world.calls[0][0] + world.limits.drain_s
    assert (world.differences(), world.rows(pending), world.overlaps) == ([], [], set())


@pytest.mark.fault("G20")
@pytest.mark.invariant("I6")
def test_handles_that_finish_in_reverse_order_share_no_item(tmp_path: Path) -> None:
    world = World(tmp_path / "reverse.db", seed=1, limits=Limits(batch_items=5, drain_s=120.0))
    for number in range(20):
        world.shelf.put(f"sku-{number:02}")
    delays = iter([60.0, 40.0, 20.0, 5.0])
    calls = answering(world, lambda _: BatchFault(delay_s=next(delays, 5.0)))
    run_id = world.ask("full")
    world.until(lambda: len(calls) == 4)
    # While all four are open, every item changes: what is on its way stays alone on its way.
    for number in range(20):
        world.shelf.put(f"sku-{number:02}", price="11.00 USD")
    world.pull("volatile")
    world.settle_down()
    settled_at = [row.settled_at for row in sorted(world.rows(batch), key=lambda row: row.id)]
    assert all(earlier > later for earlier, later in pairwise(settled_at[:4]))
    assert (world.run(run_id)["state"], world.overlaps, world.differences()) == ("succeeded", set(), [])
    assert len({retailer_id for ids in calls[:4] for retailer_id in ids}) == 20
    world.close()
