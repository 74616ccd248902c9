from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.unit.items.wants import want
from tests.unit.sync.ledger_rows import Ledger
from worker.database import budgets, shops
from worker.database.locks import acquire, release
from worker.items.states import FAR
from worker.sync.context import Wake
from worker.sync.waking import arrived, wake_lane, wake_push, wake_settle


def push(delay_s: float = 0.0) -> Wake:
    return Wake("push", "1", delay_s, "shop=acme push")


def asked(ledger: Ledger, **options: Any) -> list[Wake]:
    """The wake-ups that somebody sends who would like the lane to be looked at."""
    wakes: list[Wake] = ledger.locked(
        lambda connection, shop_row: wake_push(ledger.context, connection, shop_row, **options)
    )
    return wakes


def come(ledger: Ledger) -> None:
    ledger.change(lambda connection: arrived(connection, ledger.shop_id, "push"))


def due(ledger: Ledger, in_s: float = 0.0) -> None:
    ledger.know("a", want=want(due_at=ledger.now_ms + round(in_s * 1000)))


def test_nothing_to_send_wakes_nobody(ledger: Ledger) -> None:
    assert ledger.locked(lambda connection, shop_row: wake_lane(ledger.context, connection, shop_row)) == []


def test_of_many_who_would_wake_the_lane_one_does(ledger: Ledger) -> None:
    due(ledger)
    assert [asked(ledger) for _ in range(3)] == [[push()], [], []]
    come(ledger)
    assert [asked(ledger) for _ in range(2)] == [[push()], []]


def test_an_earlier_wake_up_is_sent_beside_a_later_one(ledger: Ledger) -> None:
    due(ledger, in_s=40)
    assert asked(ledger) == [push(40.0)]
    due(ledger, in_s=5)
    assert [asked(ledger), asked(ledger)] == [[push(5.0)], []]


def test_a_wake_up_that_does_not_come_is_replaced(ledger: Ledger) -> None:
    due(ledger)
    assert asked(ledger) == [push()]
    ledger.pass_s(9)
    assert asked(ledger) == []
    ledger.pass_s(2)
    assert asked(ledger) == [push()]


def test_a_spare_wake_up_does_not_beget_another(ledger: Ledger) -> None:
    due(ledger, in_s=40)
    assert asked(ledger) == [push(40.0)]
    for _ in range(3):  # late ones from a backlog
        come(ledger)
        assert asked(ledger) == []
    ledger.pass_s(40)
    come(ledger)
    assert asked(ledger) == [push()]


def test_a_wake_up_from_a_worker_whose_clock_is_ahead_counts(ledger: Ledger) -> None:
    due(ledger, in_s=30)
    assert asked(ledger) == [push(30.0)]
    ledger.pass_s(28)
    come(ledger)
    assert asked(ledger) == [push(2.0)]


@pytest.mark.parametrize(
    ("in_s", "wakes"), [(59.0, [push(59.0)]), (300.0, [push(60.0)]), (1799.0, [push(60.0)]), (1801.0, [])]
)
def test_a_long_wait_is_a_row_looked_at_again(ledger: Ledger, in_s: float, wakes: list[Wake]) -> None:
    due(ledger, in_s)
    assert asked(ledger) == wakes


def test_quarantine_wakes_nobody(ledger: Ledger) -> None:
    ledger.know("a", want=want(due_at=FAR))
    assert asked(ledger) == []


@pytest.mark.parametrize("key", [budgets.APP, budgets.writes("1001"), budgets.token(1)])
def test_a_block_is_waited_out(ledger: Ledger, key: str) -> None:
    due(ledger)
    ledger.change(lambda connection: budgets.block(connection, key, ledger.now, 20.0, "too many calls"))
    assert asked(ledger) == [push(20.0)]


def test_background_work_looks_again_while_most_of_the_quota_is_used(ledger: Ledger) -> None:
    due(ledger)
    ledger.change(
        lambda connection: budgets.succeeded(connection, budgets.writes("1001"), ledger.now, budgets.BACKGROUND_PCT)
    )
    assert asked(ledger) == [push(5.0)]


def test_a_lane_that_is_taken_is_looked_at_again_soon(ledger: Ledger) -> None:
    assert asked(ledger, busy=True) == [push(1.0)]


@pytest.mark.parametrize("state", ["paused", "needs_token"])
def test_a_stopped_shop_is_not_woken(ledger: Ledger, state: Any) -> None:
    due(ledger)
    ledger.change(lambda connection: shops.set_state(connection, ledger.shop_id, state, "Stock-taking."))
    assert asked(ledger) == []


def test_while_every_place_is_taken_settle_wakes_the_lane(ledger: Ledger) -> None:
    due(ledger)
    for _ in range(ledger.context.limits.open_batches):
        ledger.add_batch([], state="sent", poll_at=ledger.now)
    assert asked(ledger) == []


def test_a_call_that_was_never_made_is_taken_back_when_its_senders_lease_is_over(ledger: Ledger) -> None:
    lease = ledger.change(lambda connection: acquire(connection, ledger.shop_id, "push", "process-1"))
    ledger.add_batch([], state="ready")
    assert asked(ledger) == [push(60.0)]  # the lease ends in 90 s
    ledger.pass_s(60)
    come(ledger)
    assert asked(ledger) == [push(30.0)]

    def freed(connection: Connection) -> None:
        release(connection, lease)

    ledger.change(freed)
    assert asked(ledger) == [push()]


def test_a_handle_is_asked_for_when_its_time_has_come(ledger: Ledger) -> None:
    ledger.add_batch([], state="sent", poll_at=ledger.now + timedelta(seconds=7))

    def settle() -> list[Wake]:
        wakes: list[Wake] = ledger.locked(wake_settle)
        return wakes

    assert [settle(), settle()] == [[Wake("settle", "1", 7.0, "shop=acme settle")], []]
    ledger.pass_s(7)
    ledger.change(lambda connection: arrived(connection, ledger.shop_id, "settle"))
    ledger.change(
        lambda connection: budgets.block(connection, budgets.reads("1001"), ledger.now, 30.0, "too many calls")
    )
    assert settle() == [Wake("settle", "1", 30.0, "shop=acme settle")]
