"""The end of runs: nothing left to settle, or nothing more to hope for. One summary event each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from worker.database import ledger, run_state
from worker.database.engine import database_now
from worker.database.locks import lock_shop
from worker.database.types import to_ms
from worker.sync.context import Wake, label
from worker.sync.waking import forget_sent

log = structlog.get_logger("shelfbeat.sync")


def finish_runs(connection: Connection, shop_row: Row[Any], now: datetime) -> list[Wake]:
    """End the pushing runs that have nothing left, and wake what waited for them."""
    wakes: list[Wake] = []
    for run in run_state.settled_runs(connection, shop_row.id, to_ms(now)):
        wakes += end_run(connection, shop_row, run, "succeeded", now)
    return wakes


def supersede(connection: Connection, shop_row: Row[Any], now: datetime, by: Row[Any] | None = None) -> list[Wake]:
    """End the held runs that hold nothing any more: newer pulls have judged all of it.

    Args:
        by: A pull that has just been read to its end. An empty store, of which nothing was ever held, is judged anew by
            the next full alone.
    """
    wakes: list[Wake] = []
    for run in run_state.held_runs(connection, shop_row.id):
        if (by is not None and run.id == by.id) or ledger.holds(connection, shop_row.id, run.id):
            continue
        if run.pulled == 0 and run.removed == 0 and (by is None or by.job != "full"):
            continue
        newer = "a newer pull" if by is None else f"run {by.id}"
        error = f"What it held was taken over by {newer}, which has looked at the store again."
        wakes += end_run(connection, shop_row, run, "superseded", now, error)
    return wakes


def end_run(
    connection: Connection, shop_row: Row[Any], run: Row[Any], state: str, now: datetime, error: str | None = None
) -> list[Wake]:
    """Give a run its one terminal state. Returns the wake-up of the next run of its job, if one is queued."""
    if error is not None and run.state == "pulling" and ledger.holds(connection, shop_row.id, run.id):
        error += " What it found improbable until then waits for the next full sync, which judges it."
    if not run_state.finish(connection, run, state, now, error):
        return []
    forget_sent(connection, shop_row.id, run.job)
    ended = run_state.get(connection, run.id)
    if ended is not None:
        log.info(
            "run.ended",
            shop=shop_row.slug,
            run=ended.id,
            job=ended.job,
            state=state,
            seconds=round((now - (ended.started_at or ended.created_at)).total_seconds(), 3),
            pulled=ended.pulled,
            invalid=ended.invalid,
            unchanged=ended.unchanged,
            created=ended.created,
            updated=ended.updated,
            removed=ended.removed,
            accepted=ended.accepted,
            rejected=ended.rejected,
            calls=ended.calls,
            error=error,
        )
    return wake_next(connection, shop_row, run.job)


def cancel_runs(connection: Connection, shop_id: int, now: datetime, why: str) -> None:
    """End the runs under way of a shop that stops; what is pending goes with a later push."""
    shop_row = lock_shop(connection, shop_id)
    if shop_row is not None:
        for run in run_state.under_way(connection, shop_id):
            end_run(connection, shop_row, run, "canceled", now, why)


def wake_next(connection: Connection, shop_row: Row[Any], job: str) -> list[Wake]:
    """The queued run of a job whose way is free now."""
    open_runs = run_state.open_runs(connection, shop_row.id, job)
    if shop_row.state != "active" or run_state.in_the_way(open_runs, database_now(connection)):
        return []
    queued = [row for row in open_runs if row.state == "queued"]
    return [pull_wake(shop_row, queued[0])] if queued else []


def pull_wake(shop_row: Row[Any], run: Row[Any], delay_s: float = 0.0) -> Wake:
    """What carries a run's pull on, or its audit, which reads Meta instead of the store."""
    return Wake("audit" if run.job == "audit" else "pull", run.id, delay_s, label(shop_row.slug, run.job), run.job)
