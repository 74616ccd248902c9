"""The turn of a run that reads, a store or Meta: taken up, given the lease of its job, or told to come back later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row

from worker.database import run_state
from worker.database.engine import database_now
from worker.database.locks import Lease, acquire, lock_shop, release
from worker.sync import completion
from worker.sync.context import MAX_DELAY_S, Context, Wake
from worker.sync.waking import arrived, claim_wake

# A run whose worker died this often without any progress between is ended: it may be what kills it.
_STARTS: Final = 5


class Turn(NamedTuple):
    """An open run whose wake-up has come; its shop is active, and its row locked."""

    shop_row: Row[Any]
    run: Row[Any]
    now: datetime


def take_up(connection: Connection, run_id: str) -> Turn | list[Wake]:
    """Look at a run whose wake-up has come. The wake-ups that follow instead, where nothing is to be done for it."""
    run = run_state.get(connection, run_id)
    shop_row = None if run is None else lock_shop(connection, run.shop_id)
    run = run_state.get(connection, run_id)  # again, now that nobody else changes it
    if run is None or shop_row is None or run.state not in ("queued", "pulling"):
        return []
    now = database_now(connection)
    if shop_row.state != "active":
        state = "canceled" if shop_row.state == "paused" else "failed"
        return completion.end_run(connection, shop_row, run, state, now, shop_row.reason or "The shop is paused.")
    others = run_state.open_runs(connection, shop_row.id, run.job)
    if run.state == "queued" and run_state.in_the_way(others, now):
        return []  # its predecessor wakes it
    arrived(connection, shop_row.id, run.job)
    return Turn(shop_row, run, now)


def take_lease(context: Context, connection: Connection, turn: Turn, what: str) -> Lease | list[Wake]:
    """The lease of the run's job, whose holder counts one more start. ``what`` names the run in its error."""
    shop_row, run, now = turn
    lease = acquire(connection, shop_row.id, run.job, context.owner)
    if lease is None:
        return []
    if run.starts >= _STARTS:
        release(connection, lease)
        error = f"The {what} was begun {run.starts} times without any progress. Look at the worker's log and memory."
        return completion.end_run(connection, shop_row, run, "failed", now, error)
    return lease


def later(connection: Connection, shop_row: Row[Any], run: Row[Any], now: datetime, delay_s: float) -> list[Wake]:
    """The wake-up that carries a run on after a wait; none where one is on its way that comes as early."""
    delay_s = min(delay_s, MAX_DELAY_S)
    if not claim_wake(connection, shop_row.id, run.job, now + timedelta(seconds=delay_s), now):
        return []
    return [completion.pull_wake(shop_row, run, delay_s)]
