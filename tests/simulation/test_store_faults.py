"""A store that throttles, fails, forgets, loops, shifts its pages or has a wrong clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.simulation.meta_answers import answering
from tests.simulation.shelf import OpenShelf
from tests.simulation.world import World
from worker.database.engine import database_now, writing
from worker.database.tables import pending
from worker.errors import StoreRefused, Throttled, Transient
from worker.stores.contract import CursorExpired, Page, Record
from worker.sync.completion import cancel_runs

SEVENTH_PAGE = "sku-23"  # the cursor of a shelf with four items a page


def stocked(world: World, count: int = 40) -> None:
    for number in range(count):
        world.shelf.put(f"sku-{number:02}")


def asked_pages(
    world: World, monkeypatch: pytest.MonkeyPatch, judge: Callable[[str | None], None]
) -> list[tuple[float, str | None]]:
    """Let ``judge`` see, and refuse, each page of a full. Returns when each was asked for, and its cursor."""
    asked: list[tuple[float, str | None]] = []
    full = OpenShelf.full

    def judged(self: OpenShelf, cursor: str | None) -> Page[Record]:
        asked.append((world.now_s, cursor))
        judge(cursor)
        return full(self, cursor)

    monkeypatch.setattr(OpenShelf, "full", judged)
    return asked


def cursors(asked: Sequence[tuple[float, str | None]]) -> list[str | None]:
    return [cursor for _, cursor in asked]


def straight(count: int = 40) -> list[str | None]:
    """The cursors of an undisturbed full."""
    return [None, *(f"sku-{number:02}" for number in range(3, count - 1, 4))]


def refusing(*errors: Exception, at: str | None) -> Callable[[str | None], None]:
    """These come in turn when that page is asked for."""
    rest = list(errors)

    def judge(cursor: str | None) -> None:
        if cursor == at and rest:
            raise rest.pop(0)

    return judge


def throttled(retry_after_s: float | None = None) -> Throttled:
    return Throttled("The store asks for fewer calls (429).", scope="store", retry_after_s=retry_after_s)


def broken() -> Transient:
    return Transient("The store has trouble of its own (500).")


@pytest.mark.fault("S1")
def test_a_throttle_on_page_7_is_waited_out_and_the_run_goes_on_at_page_7(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(world)
    asked = asked_pages(world, monkeypatch, refusing(throttled(120.0), at=SEVENTH_PAGE))
    run_id = world.ask("full")
    world.until(lambda: len(asked) == 7)
    assert (world.run(run_id)["retries"], world.run(run_id)["starts"]) == (0, 0)
    world.settle_down()
    refused_at = asked[6][0]
    assert cursors(asked) == [*straight()[:7], *straight()[6:]]
    assert asked[7][0] >= refused_at + 120.0
    done = world.run(run_id)
    assert (done["state"], done["pulled"], done["complete"], done["accepted"]) == ("succeeded", 40, True, 40)
    assert (world.issues(), world.differences()) == ([], [])


def test_a_long_throttle_begets_no_wake_ups_however_often_the_sweeper_looks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(world, 4)
    asked = asked_pages(world, monkeypatch, refusing(throttled(600.0), at=None))
    run_id = world.ask("full")
    for tick in [world.now_s + 30.0 * number for number in range(1, 17)]:
        while world.wakes and min(at for at, _ in world.wakes) <= tick:
            world.step()
        world.now_s = max(world.now_s, tick)
        world.sweep()
    assert len([wake for _, wake in world.wakes if wake.task == "pull"]) == 1
    world.settle_down()
    assert (len(asked), world.run(run_id)["state"], world.differences()) == (2, "succeeded", [])


def test_a_run_is_woken_although_one_before_it_was_canceled_in_a_throttle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(world, 4)
    asked = asked_pages(world, monkeypatch, refusing(throttled(50.0), at=None))
    canceled = world.ask("full")
    world.until(lambda: len(asked) == 1)
    with writing(world.engine) as connection:
        cancel_runs(connection, world.shop().id, database_now(connection), "The shop was paused.")
    run_id = world.ask("full")
    # Its own wake-up gets lost, and the one for the canceled run says nothing of it.
    world.wakes.clear()
    world.sweep()
    assert [(wake.task, wake.key) for _, wake in world.wakes] == [("pull", run_id)]
    world.settle_down()
    assert (world.run(canceled)["state"], world.run(run_id)["state"]) == ("canceled", "succeeded")


@pytest.mark.fault("S2")
@pytest.mark.invariant("I9", "I13")
def test_a_store_that_throttles_for_ever_ends_the_run_and_the_next_one_tries_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started(*(f"sku-{number:02}" for number in range(12)))
    world.shelf.remove("sku-00")
    errors = [throttled() for _ in range(50)]
    asked = asked_pages(world, monkeypatch, refusing(*errors, at="sku-04"))
    run_id = world.ask("full")
    world.settle_down()
    failed = world.run(run_id)
    assert (failed["state"], failed["error"]) == ("failed", "The store asks for fewer calls (429).")
    waits = [round(after - before) for before, after in pairwise(at for at, cursor in asked if cursor == "sku-04")]
    assert waits[:5] == [15, 30, 60, 120, 240]
    assert max(waits) <= 300
    assert (failed["finished_at"] - failed["started_at"]).total_seconds() <= 1500
    assert (failed["removed"], world.calls, world.rows(pending), len(world.at_meta())) == (0, [], [], 12)
    monkeypatch.undo()
    world.now_s += 300
    done = world.run_to_rest("full")
    assert (done["state"], done["removed"], world.differences()) == ("succeeded", 1, [])


@pytest.mark.fault("S3")
def test_one_error_of_the_store_costs_one_question_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stocked(world)
    asked = asked_pages(world, monkeypatch, refusing(broken(), at=SEVENTH_PAGE))
    done = world.run_to_rest("full")
    assert cursors(asked) == [*straight()[:7], *straight()[6:]]
    assert asked[7][0] - asked[6][0] == pytest.approx(1.0, abs=0.1)
    assert (done["state"], done["pulled"], done["accepted"]) == ("succeeded", 40, 40)


@pytest.mark.fault("S3")
@pytest.mark.invariant("I9")
def test_a_store_that_fails_for_two_hours_is_asked_a_few_times_per_run_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started(*(f"sku-{number:02}" for number in range(12)))
    world.shelf.remove("sku-00")
    end = world.now_s + 7200

    def judge(_: str | None) -> None:
        if world.now_s < end:
            raise broken()

    asked = asked_pages(world, monkeypatch, judge)
    failures = []
    while world.now_s < end - 900:
        began = world.now_s
        failures.append(world.run_to_rest("full"))
        world.now_s = began + 900  # the cadence of the prices
    assert {(run["state"], run["error"], run["removed"]) for run in failures} == {
        ("failed", "The store has trouble of its own (500).", 0)
    }
    assert len(asked) <= 8 * len(failures)
    assert max((run["finished_at"] - run["started_at"]).total_seconds() for run in failures) <= 45
    assert (world.calls, world.rows(pending), len(world.at_meta())) == ([], [], 12)
    world.now_s = end
    assert (world.run_to_rest("full")["removed"], world.differences()) == (1, [])


@pytest.mark.fault("S11")
def test_an_expired_cursor_starts_the_same_run_again_and_sends_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(world)
    asked = asked_pages(world, monkeypatch, refusing(CursorExpired(), at=SEVENTH_PAGE))
    done = world.run_to_rest("full")
    assert cursors(asked) == [*straight()[:7], *straight()]
    assert (done["state"], done["pulled"], done["created"], done["accepted"]) == ("succeeded", 40, 40, 40)
    sent = [record["id"] for call in world.sent() for record in call]
    assert (len(sent), len(set(sent)), world.differences()) == (40, 40, [])


@pytest.mark.fault("S11")
@pytest.mark.invariant("I9", "I13")
def test_a_store_that_forgets_every_cursor_ends_the_run_with_its_promise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started(*(f"sku-{number:02}" for number in range(12)))
    volatile = OpenShelf.volatile
    asked: list[str | None] = []

    def forgetting(self: OpenShelf, watermark: str | None, cursor: str | None) -> Page[Any]:
        asked.append(cursor)
        if cursor == "sku-07":
            raise CursorExpired
        return volatile(self, watermark, cursor)

    monkeypatch.setattr(OpenShelf, "volatile", forgetting)
    failed = world.run_to_rest("volatile")
    assert (failed["state"], failed["error"]) == (
        "failed",
        "The store forgets where a pull was before its last page is read.",
    )
    assert timedelta(minutes=15) <= failed["finished_at"] - failed["started_at"] <= timedelta(minutes=16)
    assert asked == [None, "sku-03", "sku-07"] * (len(asked) // 3)
    assert len(asked) // 3 <= 15 * 60 / 5 + 1


@pytest.mark.fault("S12")
@pytest.mark.invariant("I9", "I13")
@pytest.mark.parametrize("back_to", [SEVENTH_PAGE, "sku-07"], ids=["the same page", "an earlier page"])
def test_a_store_that_pages_in_a_circle_is_not_read_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch, back_to: str
) -> None:
    world.started(*(f"sku-{number:02}" for number in range(40)))
    world.shelf.remove("sku-39")
    full = OpenShelf.full
    asked: list[str | None] = []

    def circling(self: OpenShelf, cursor: str | None) -> Page[Record]:
        asked.append(cursor)
        assert len(asked) < 100, "it goes on and on"
        page = full(self, cursor)
        return Page(page.records, back_to, last=False) if cursor == SEVENTH_PAGE else page

    monkeypatch.setattr(OpenShelf, "full", circling)
    failed = world.run_to_rest("full")
    assert (failed["state"], failed["removed"], failed["complete"]) == ("failed", 0, False)
    assert failed["error"].startswith("The store leads from one page back to a page that was read before")
    assert (world.calls, world.rows(pending), len(world.at_meta())) == ([], [], 40)


class OffsetShelf(OpenShelf):
    """Counts pages by offset, as many platforms do: what is deleted in front shifts what comes behind."""

    looked_up: list[list[str]]

    def _page(self, keys: Callable[[], Sequence[str]], cursor: str | None, read: Callable[[str], Any]) -> Page[Any]:
        offset = int(cursor or 0)
        rest = keys()[offset:]
        part = rest[: self._shelf.page_size]
        last = len(rest) <= len(part)
        page = Page([read(key) for key in part], None if last else str(offset + len(part)), last)
        self._shelf.on_page("after")
        return page

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        OffsetShelf.looked_up.append([*retailer_ids])
        return [Record(key, self._raw(key)) for key in retailer_ids if key in self._shelf.items]


@pytest.mark.fault("S10")
@pytest.mark.invariant("I9")
def test_what_slips_through_between_two_pages_is_asked_for_by_id_before_it_is_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started(*(f"sku-{number:02}" for number in range(12)))
    monkeypatch.setattr(world.shelf, "open", lambda: OffsetShelf(world.shelf))
    OffsetShelf.looked_up = []

    def deleted(_: str) -> None:
        world.shelf.on_page = lambda _: None
        world.shelf.remove("sku-00")  # sku-04 moves to the page that was just read

    world.shelf.on_page = deleted
    done = world.run_to_rest("full")
    # The deleted one was on page 1 and still counts as seen; the next full misses it.
    assert (OffsetShelf.looked_up, done["removed"], world.calls) == ([["sku-04"]], 0, [])
    assert (done["state"], world.differences()) == ("succeeded", ["sku-00 should be gone"])
    assert (world.run_to_rest("full")["removed"], world.differences()) == (1, [])


@pytest.mark.fault("S10")
def test_what_is_inserted_in_front_while_paging_is_read_twice_and_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(world, 12)
    monkeypatch.setattr(world.shelf, "open", lambda: OffsetShelf(world.shelf))
    OffsetShelf.looked_up = []

    def inserted(_: str) -> None:
        world.shelf.on_page = lambda _: None
        world.shelf.put("sku--1")

    world.shelf.on_page = inserted
    done = world.run_to_rest("full")
    assert (done["state"], done["created"], done["accepted"]) == ("succeeded", 12, 12)
    assert world.differences() == ["sku--1 is missing"]
    assert (world.run_to_rest("full")["created"], world.differences(), world.issues()) == (1, [], [])


@pytest.mark.fault("S15")
def test_ten_times_the_catalog_goes_in_full_calls_and_a_price_goes_in_between(world: World) -> None:
    world.started(*(f"old-{number:02}" for number in range(20)))
    world.shelf.page_size = 20
    for number in range(200):
        world.shelf.put(f"spam-{number:03}")
    world.pull("full")
    world.shelf.put("old-00", price="11.00 USD")
    world.pull("volatile")
    calls = answering(world, lambda _: None)
    world.settle_down()
    assert [len(ids) for ids in calls] == [1, 50, 50, 50, 50]
    assert (calls[0], world.differences()) == (["old-00"], [])


@pytest.mark.fault("S21")
@pytest.mark.parametrize("skew_s", [3 * 3600.0, -3 * 3600.0])
def test_a_stores_wrong_clock_hides_no_change(world: World, monkeypatch: pytest.MonkeyPatch, skew_s: float) -> None:
    monkeypatch.setattr(world.shelf, "_clock", lambda: world.now_s + skew_s)
    world.started("a", "b", "c")
    for number in range(5):
        world.now_s += 600
        world.shelf.put("a", title=f"Change {number}")
        found = world.run_to_rest("delta")
        assert (found["updated"], found["accepted"], world.differences()) == (1, 1, [])


@pytest.mark.fault("S21")
def test_a_change_dated_in_the_future_is_read_again_and_sent_once(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.shelf.changed_at["a"] += 3 * 3600
    for calls in (1, 1, 1):
        world.now_s += 600
        world.run_to_rest("delta")
        assert (len(world.calls), world.differences()) == (calls, [])
    # An ordinary change beside it is not hidden by it.
    world.shelf.put("b", title="Changed")
    world.run_to_rest("delta")
    assert (len(world.calls), world.differences()) == (2, [])


@pytest.mark.fault("S23")
@pytest.mark.invariant("I9", "I13")
def test_refused_credentials_fail_the_pull_with_what_to_do_and_what_is_pending_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.pull("delta")
    world.shelf.remove("b")
    refusal = "https://shop.example/api refuses our credentials (401)."
    action = "Give the shop a valid store secret."
    asked = asked_pages(world, monkeypatch, refusing(*[StoreRefused(refusal, action=action)] * 3, at=None))
    failed = world.run_to_rest("full")
    assert (failed["state"], failed["error"], failed["removed"]) == ("failed", f"{refusal} {action}", 0)
    assert (len(asked), world.shop().state) == (1, "active")
    assert [[record["title"] for record in call] for call in world.sent()] == [["Changed"]]
    assert (world.rows(pending), sorted(world.at_meta())) == ([], ["a", "b"])


def test_a_store_that_asks_for_a_pause_gets_it_and_the_pull_costs_no_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(world)
    asked = asked_pages(world, monkeypatch, lambda _: None)
    judged = OpenShelf.full
    waiting = [Page((), f"export-{number}", last=False, pause_s=15.0) for number in range(3)]

    def exported(self: OpenShelf, cursor: str | None) -> Page[Record]:
        page = judged(self, None if cursor and cursor.startswith("export") else cursor)
        return waiting.pop(0) if waiting else page

    monkeypatch.setattr(OpenShelf, "full", exported)
    run_id = world.ask("full")
    world.settle_down()
    done = world.run(run_id)
    assert (done["state"], done["pulled"], done["complete"], done["retries"]) == ("succeeded", 40, True, 0)
    times = [at for at, _ in asked]
    assert [later - earlier >= 15.0 for earlier, later in pairwise(times[:4])] == [True] * 3
    assert cursors(asked)[3:] == straight()
