from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import Move, Slot, due, met

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
NEXT_MINUTE = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)


def slot(shop_id: int = 1, *, cron: str = "* * * * *", zone: str = "UTC", at: datetime | None = NOW) -> Slot:
    return Slot(shop_id, f"shop-{shop_id}", "volatile", cron, zone, at)


def test_a_slot_is_due_at_its_own_instant_and_not_before() -> None:
    assert due([slot(at=NOW)], NOW) == [Move(slot(at=NOW), NOW, NEXT_MINUTE)]
    assert due([slot(at=NOW + timedelta(microseconds=1))], NOW) == []


@pytest.mark.invariant("I8")
@pytest.mark.fault("N15")
def test_slots_missed_in_an_outage_are_one_run_named_by_the_first() -> None:
    missed = slot(at=NOW - timedelta(days=2))
    assert due([missed], NOW) == [Move(missed, NOW - timedelta(days=2), NEXT_MINUTE)]


def test_a_row_that_was_never_computed_gets_its_first_slot_and_no_run() -> None:
    assert due([slot(at=None)], NOW) == [Move(slot(at=None), None, NEXT_MINUTE)]


def test_the_longest_overdue_comes_first() -> None:
    moves = due([slot(n, at=NOW - timedelta(minutes=n % 4)) for n in range(8)], NOW)
    assert [move.slot.shop_id for move in moves] == [3, 7, 2, 6, 1, 5, 0, 4]


@pytest.mark.parametrize(("cron", "zone"), [("nonsense", "UTC"), ("0 0 30 2 *", "UTC"), ("* * * * *", "Mars/Base")])
def test_a_row_that_cannot_be_read_is_reported_and_the_others_run(cron: str, zone: str) -> None:
    broken = slot(2, cron=cron, zone=zone)
    moves = {move.slot.shop_id: move for move in due([broken, slot(1)], NOW)}
    assert moves[1] == Move(slot(1), NOW, NEXT_MINUTE)
    assert (moves[2].fire_time, moves[2].next_run_at) == (None, None)
    assert moves[2].problem.endswith(".")


@given(st.lists(st.timedeltas(timedelta(days=-9), timedelta(days=9)), max_size=20))
@settings(deadline=None)
@pytest.mark.invariant("I8")
def test_after_a_dispatch_nothing_is_due_at_the_same_instant(offsets: list[timedelta]) -> None:
    slots = [slot(n, at=NOW + offset) for n, offset in enumerate(offsets)]
    moves = due(slots, NOW)
    assert len(moves) == sum(offset <= timedelta(0) for offset in offsets)
    assert due([slot(move.slot.shop_id, at=move.next_run_at) for move in moves], NOW) == []


@pytest.mark.parametrize(("job", "limit_s"), [("full", 86_400 * 1.1), ("delta", 3_960), ("volatile", 900 + 120)])
def test_a_promise_has_ten_percent_and_at_least_two_minutes_of_grace(job: str, limit_s: float) -> None:
    assert met(0, job)
    assert met(limit_s - 0.01, job)
    assert not met(limit_s + 0.01, job)


def test_a_job_that_never_settled_has_kept_nothing() -> None:
    assert not met(None, "full")
