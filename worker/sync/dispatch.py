"""Turn what is due into runs. Any number of beats may fire this at once: each slot becomes one run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, or_, select

from schedules.due import Move, Slot, due
from worker.database.engine import database_now, reading, writing
from worker.database.locks import lock_shop
from worker.database.tables import run as run_table
from worker.database.tables import schedule, shop
from worker.sync.context import Context, Wake
from worker.sync.requests import JOBS, queue_run

log = structlog.get_logger("shelfbeat.sync")

# Schedules looked at in one go; the rest follows in the same call.
_CHUNK: Final = 500


def dispatch(context: Context) -> Iterator[Wake]:
    """Claim every due schedule and queue its run; yields the pulls to start."""
    started = context.monotonic()
    claimed = 0
    while context.monotonic() - started < context.limits.slice_s:
        with reading(context.engine) as connection:
            now = database_now(connection)
            slots = _due_slots(connection, now)
        for move in due(slots, now):
            wakes = _claim(context, move)
            claimed += len(wakes)
            yield from wakes
        if len(slots) < _CHUNK:
            break
    context.progress(f"{claimed} runs due")


def _due_slots(connection: Connection, now: datetime) -> list[Slot]:
    rows = connection.execute(
        select(schedule, shop.c.slug)
        .join(shop, shop.c.id == schedule.c.shop_id)
        .where(
            schedule.c.enabled,
            schedule.c.job.in_(JOBS),
            shop.c.state == "active",
            or_(schedule.c.next_run_at.is_(None), schedule.c.next_run_at <= now),
        )
        .order_by(schedule.c.next_run_at)
        .limit(_CHUNK)
    )
    return [Slot(row.shop_id, row.slug, row.job, row.cron, row.zone, row.next_run_at) for row in rows]


def _claim(context: Context, move: Move) -> list[Wake]:
    """Move one row by compare-and-set and queue its run in the same transaction."""
    slot = move.slot
    with writing(context.engine) as connection:
        shop_row = lock_shop(connection, slot.shop_id)
        if shop_row is None or shop_row.state != "active":
            return []
        moved = connection.execute(
            schedule.update()
            .where(
                schedule.c.shop_id == slot.shop_id,
                schedule.c.job == slot.job,
                schedule.c.next_run_at.is_not_distinct_from(slot.next_run_at),
                schedule.c.enabled,
            )
            .values(next_run_at=move.next_run_at, enabled=not move.problem)
        )
        if moved.rowcount != 1:
            return []  # another beat was faster
        if move.problem:
            log.error("schedule.disabled", shop=slot.slug, job=slot.job, error=move.problem)
        if move.fire_time is None or _was_run(connection, shop_row, slot.job, move.fire_time):
            return []
        return queue_run(connection, shop_row, slot.job, move.fire_time, trigger="schedule").wakes


def _was_run(connection: Connection, shop_row: Row[Any], job: str, fire_time: datetime) -> bool:
    """A clock that was set back makes a slot due again; its run exists."""
    return (
        connection.execute(
            select(run_table.c.id).where(
                run_table.c.shop_id == shop_row.id, run_table.c.job == job, run_table.c.fire_time == fire_time
            )
        ).first()
        is not None
    )
