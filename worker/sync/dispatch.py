"""Turn what is due into runs. Any number of beats may fire this at once: each slot becomes one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, bindparam, exists, or_, select
from sqlalchemy.exc import DataError, IntegrityError

from schedules.due import Move, Slot, due
from worker.database import heartbeats
from worker.database.bulk import chunks, is_any
from worker.database.engine import database_now, reading, writing
from worker.database.tables import run, schedule, shop
from worker.sync.context import Context, Wake
from worker.sync.requests import JOBS, Asked, queue_runs

log = structlog.get_logger("shelfbeat.sync")

# Schedules looked at in one go; the rest follows in the same call.
_CHUNK: Final = 500

# Claimed in one transaction: what a single claim costs is mostly its commit. Their shops are locked for some 20 ms.
_TOGETHER: Final = 50

# Clocks are put right by less than this all the time, and schedules wait that long.
_CLOCK_STEP: Final = timedelta(minutes=1)

_MOVE: Final = (
    schedule.update()
    .where(schedule.c.shop_id == bindparam("of_shop"), schedule.c.job == bindparam("of_job"))
    .values(next_run_at=bindparam("following"), enabled=bindparam("readable"))
)


def dispatch(context: Context) -> Iterator[Wake]:
    """Claim every due schedule and queue its run; yields the pulls to start."""
    started = context.monotonic()
    with writing(context.engine, "dispatch.2-tick") as connection:
        _tick(connection, database_now(connection))
    claimed = 0
    while context.monotonic() - started < context.limits.slice_s:
        with reading(context.engine) as connection:
            now = database_now(connection)
            slots = _due_slots(connection, now)
        for moves in chunks(due(slots, now), _TOGETHER):
            for wake in _claim_all(context, moves):
                claimed += 1
                yield wake
        if len(slots) < _CHUNK:
            break
    context.progress(f"{claimed} runs due")


def _tick(connection: Connection, now: datetime) -> None:
    """Show that beat and dispatcher live.

    A clock that was put back would leave every schedule waiting for the time that it showed before: they are counted
    anew from now. A slot of the time that comes a second time has its run, and gets no other.
    """
    before = heartbeats.find(connection, heartbeats.DISPATCH)
    if before is not None and before.at - now > _CLOCK_STEP:
        log.warning("clock.put_back", seconds=round((before.at - now).total_seconds()))
        connection.execute(schedule.update().where(schedule.c.next_run_at > now).values(next_run_at=None))
    heartbeats.show(connection, [heartbeats.DISPATCH], now)


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


def _claim_all(context: Context, moves: Sequence[Move]) -> Iterator[Wake]:
    """Claim some schedules together; where the database refuses a row, each alone, so that it stops no other."""
    try:
        yield from _claim(context, moves)
    except (IntegrityError, DataError) as error:
        if len(moves) > 1:
            for move in moves:
                yield from _claim_all(context, [move])
            return
        slot = moves[0].slot
        log.exception("schedule.not_claimed", shop=slot.slug, job=slot.job, error=type(error).__name__)


def _claim(context: Context, moves: Sequence[Move]) -> list[Wake]:
    """Move each row by compare-and-set, and queue the runs in the same transaction."""
    with writing(context.engine, "dispatch.1-claim") as connection:
        rows = _lock(connection, moves)
        mine = [move for move in moves if _is_as_seen(rows.get(_key(move)), move)]
        if not mine:
            return []
        had = _with_runs(connection, mine)
        connection.execute(_MOVE, [_place(move) for move in mine])
        for move in mine:
            if move.problem:
                log.error("schedule.disabled", shop=move.slot.slug, job=move.slot.job, error=move.problem)
        asked = [
            Asked(rows[_key(move)], move.slot.job, move.fire_time, "schedule")
            for move in mine
            if move.fire_time is not None and _key(move) not in had
        ]
        return [wake for ticket in queue_runs(connection, asked) for wake in ticket.wakes]


def _key(move: Move) -> tuple[int, str]:
    return move.slot.shop_id, move.slot.job


def _lock(connection: Connection, moves: Sequence[Move]) -> dict[tuple[int, str], Row[*tuple[Any, ...]]]:
    """The schedules of these shops, both locked. Nobody is waited for: what is busy now is due at the next tick too."""
    found = connection.execute(
        select(shop.c.id, shop.c.slug, schedule.c.job, schedule.c.next_run_at)
        .join(schedule, schedule.c.shop_id == shop.c.id)
        .where(is_any(connection, shop.c.id, [move.slot.shop_id for move in moves]))
        .where(shop.c.state == "active", schedule.c.enabled)
        .order_by(shop.c.id)
        .with_for_update(skip_locked=True)
    )
    return {(row.id, row.job): row for row in found}


def _is_as_seen(row: Row[*tuple[Any, ...]] | None, move: Move) -> bool:
    """False: another beat was faster, or a person."""
    return row is not None and row.next_run_at == move.slot.next_run_at


def _place(move: Move) -> dict[str, object]:
    return {
        "of_shop": move.slot.shop_id,
        "of_job": move.slot.job,
        "following": move.next_run_at,
        "readable": not move.problem,
    }


def _with_runs(connection: Connection, moves: Sequence[Move]) -> set[tuple[int, str]]:
    """Schedules whose slot has had its run: a clock that was set back makes it due again."""
    of_slot = exists().where(
        run.c.shop_id == schedule.c.shop_id, run.c.job == schedule.c.job, run.c.fire_time == schedule.c.next_run_at
    )
    shop_ids = [move.slot.shop_id for move in moves]
    found = select(schedule.c.shop_id, schedule.c.job).where(is_any(connection, schedule.c.shop_id, shop_ids), of_slot)
    return {(row[0], row[1]) for row in connection.execute(found)}
