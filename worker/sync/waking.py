"""When to look at a shop's lane again: computed from its rows, so that any worker can tell.

Many tasks would like to wake the same lane. They share one wake-up per kind, whose time stands in a lease row until the
task arrives: who finds an earlier one still on its way sends none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select

from worker.database import batches, budgets, ledger, outages, run_state
from worker.database.engine import database_now
from worker.database.locks import LEASE_TTL, is_held
from worker.database.tables import lease
from worker.database.types import from_ms, to_ms
from worker.items.states import LANE_VOLATILE, LANES
from worker.sync.context import MAX_DELAY_S, Context, Task, Wake, label
from worker.sync.ramp import returns_at

# How long a task that found the lane taken waits before it looks again.
_BUSY_S: Final = 1.0

# While a pull goes on, a call that is not full waits this long for more items: Meta's quota counts calls.
_GATHER: Final = timedelta(seconds=10)

# How long background work waits while most of the quota is used up.
_SPENT_S: Final = 5.0

# A wake-up this late was lost with its worker or its broker, or waits in a long queue, where one more does no harm.
_LOST: Final = timedelta(seconds=10)

# A worker whose clock is ahead of the database's delivers a wake-up before its time.
_EARLY: Final = timedelta(seconds=5)

# Farther ahead than this the sweeper finds it: a rejected item that rests for a day needs no chain of wake-ups.
_HORIZON: Final = timedelta(minutes=30)

# Built once: nearly every transaction asks for a wake-up.
_SENT_FOR: Final = select(lease.c.wake_at).where(
    lease.c.shop_id == bindparam("shop_id"), lease.c.lane == bindparam("lane")
)
_THIS_WAKE: Final = (lease.c.shop_id == bindparam("of_shop"), lease.c.lane == bindparam("of_lane"))
_SEND: Final = lease.update().where(*_THIS_WAKE).values(wake_at=bindparam("at"))
_ARRIVED: Final = lease.update().where(*_THIS_WAKE, lease.c.wake_at <= bindparam("latest")).values(wake_at=None)


def wake_lane(context: Context, connection: Connection, shop_row: Row[Any]) -> list[Wake]:
    """The wake-ups this shop needs next. The shop's row is locked."""
    return wake_push(context, connection, shop_row) + wake_settle(connection, shop_row)


def wake_push(context: Context, connection: Connection, shop_row: Row[Any], *, busy: bool = False) -> list[Wake]:
    now = database_now(connection)
    at = now + timedelta(seconds=_BUSY_S) if busy else _push_at(context, connection, shop_row, now)
    return _wake(connection, shop_row, "push", at, now)


def wake_settle(connection: Connection, shop_row: Row[Any]) -> list[Wake]:
    now = database_now(connection)
    return _wake(connection, shop_row, "settle", _settle_at(connection, shop_row, now), now)


def arrived(connection: Connection, shop_id: int, what: str) -> None:
    """The wake-up for ``what``, "push", "settle" or a job, has come: what turns up from now on needs another.

    Where a later one is on its way already, this was a spare one, sent when the first was late: it must not beget
    another, or every backlog would leave one more that never ends.
    """
    latest = database_now(connection) + _EARLY
    connection.execute(_ARRIVED, {"of_shop": shop_id, "of_lane": f"wake:{what}", "latest": latest})


def forget_sent(connection: Connection, shop_id: int, what: str | None = None) -> None:
    """Believe no wake-up to be on its way, or none for ``what``: nobody waits for it, or who held it may have died."""
    lanes = lease.c.lane.startswith("wake:") if what is None else lease.c.lane == f"wake:{what}"
    connection.execute(lease.update().where(lease.c.shop_id == shop_id, lanes).values(wake_at=None))


def on_its_way(connection: Connection, shop_id: int, what: str, now: datetime) -> bool:
    """Whether a wake-up for ``what`` was sent that has not come, and is not so late that it must be lost."""
    row = connection.execute(_SENT_FOR, {"shop_id": shop_id, "lane": f"wake:{what}"}).first()
    return row is not None and row.wake_at is not None and now - _LOST < row.wake_at


def call_at(
    context: Context, connection: Connection, shop_row: Row[Any], lane: int, now: datetime, *, pulling: bool
) -> datetime | None:
    """When the next call of a lane is worth making, its budget aside; None: nothing is to be sent.

    Args:
        pulling: Whether a pull is under way, which may bring more for the same call.
    """
    due_ms = ledger.next_due_ms(connection, shop_row.id, lane)
    if due_ms is None:
        return None
    due, now_ms = from_ms(due_ms), to_ms(now)
    back = back_at(connection, shop_row, (budgets.APP, budgets.SENDING), now, urgent=lane == LANE_VOLATILE)
    if not pulling or due > now or ledger.are_due(connection, shop_row.id, lane, now_ms, context.limits.batch_items):
        return max(due, back)
    return max(due + _GATHER, back)


def back_at(
    connection: Connection, shop_row: Row[Any], keys: Sequence[str], now: datetime, *, urgent: bool
) -> datetime:
    """When this shop's turn comes after the last outages of these kinds; a time gone by once it has come."""
    times = [
        returns_at(shop_row.id, outage.since, outage.until, urgent=urgent)
        for outage in outages.last(connection, keys)
        if outage.until is not None
    ]
    return max(times, default=now)


def sending_keys(shop_row: Row[Any]) -> tuple[str, ...]:
    """The budgets that a call of this shop's lane needs."""
    return (budgets.SENDING, budgets.APP, budgets.token(shop_row.id), budgets.writes(shop_row.catalog_id))


def asking_keys(shop_row: Row[Any]) -> tuple[str, ...]:
    """The budgets that a question about one of its handles needs."""
    return (budgets.APP, budgets.token(shop_row.id), budgets.reads(shop_row.catalog_id))


def _push_at(context: Context, connection: Connection, shop_row: Row[Any], now: datetime) -> datetime | None:
    pulling = run_state.is_pulling(connection, shop_row.id)
    calls = [call_at(context, connection, shop_row, lane, now, pulling=pulling) for lane in LANES]
    abandoned = _abandoned_at(connection, shop_row, now)
    due = min((at for at in (*calls, abandoned) if at is not None), default=None)
    if due is None or due > now + _HORIZON:
        return None
    block = budgets.blocked(connection, sending_keys(shop_row), now)
    if block is not None:
        # Who ends a block without an end wakes everybody.
        return max(due, block.until) if block.until is not None else abandoned
    if len(batches.waiting(connection, shop_row.id)) >= context.limits.open_batches:
        return abandoned  # otherwise settle wakes the lane when a place is free
    if budgets.used_pct(connection, budgets.writes(shop_row.catalog_id), now) >= budgets.BACKGROUND_PCT:
        return max(due, now + timedelta(seconds=_SPENT_S))
    return due


def _abandoned_at(connection: Connection, shop_row: Row[Any], now: datetime) -> datetime | None:
    """When the lane can take back a call that its sender left before making it; None: there is none."""
    made = [row.created_at for row in batches.open_batches(connection, shop_row.id) if row.state == "ready"]
    if not made:
        return None
    return min(made) + LEASE_TTL if is_held(connection, shop_row.id, "push", now) else now


def _settle_at(connection: Connection, shop_row: Row[Any], now: datetime) -> datetime | None:
    poll_at = batches.next_poll(connection, shop_row.id)
    if poll_at is None:
        return None
    block = budgets.blocked(connection, asking_keys(shop_row), now)
    back = back_at(connection, shop_row, (budgets.APP,), now, urgent=True)
    return max(poll_at, back, block.until if block is not None and block.until is not None else now)


def _wake(connection: Connection, shop_row: Row[Any], task: Task, at: datetime | None, now: datetime) -> list[Wake]:
    if shop_row.state != "active" or at is None or at > now + _HORIZON:
        return []
    at = min(max(at, now), now + timedelta(seconds=MAX_DELAY_S))
    if not claim_wake(connection, shop_row.id, task, at, now):
        return []
    return [Wake(task, str(shop_row.id), (at - now).total_seconds(), label(shop_row.slug, task))]


def claim_wake(connection: Connection, shop_id: int, what: str, at: datetime, now: datetime) -> bool:
    """Whether this wake-up is worth sending: none is on its way that arrives as early."""
    lane = f"wake:{what}"
    row = connection.execute(_SENT_FOR, {"shop_id": shop_id, "lane": lane}).first()
    if row is None:
        connection.execute(
            lease.insert().values(shop_id=shop_id, lane=lane, epoch=0, owner=None, expires_at=now, wake_at=at)
        )
        return True
    if row.wake_at is not None and now - _LOST < row.wake_at <= at:
        return False
    connection.execute(_SEND, {"of_shop": shop_id, "of_lane": lane, "at": at})
    return True
