"""How a run moves: its counters, its states, and the moment at which nothing of it is left to settle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select

from schedules.due import PROMISE
from worker.database.tables import pending, run, schedule

ACTIVE: Final = ("pulling", "pushing")
OPEN: Final = ("queued", "pulling", "pushing", "held")

# Wants due later than this are in quarantine: they are issues, not work of a run.
_WAITING_MS: Final = 12 * 3600 * 1000

# A run must make some progress within this time; every step forward moves its deadline.
PATIENCE: Final = {"pulling": timedelta(minutes=15), "pushing": timedelta(hours=26)}


def get(connection: Connection, run_id: str) -> Row[Any] | None:
    return connection.execute(select(run).where(run.c.id == run_id)).first()


def open_run(connection: Connection, run_id: str) -> Row[Any]:
    """A run that is known to exist."""
    return connection.execute(select(run).where(run.c.id == run_id)).one()


def change(connection: Connection, run_id: str, **values: Any) -> None:
    connection.execute(run.update().where(run.c.id == run_id).values(**values))


def count(connection: Connection, run_id: str, counts: Mapping[str, int]) -> None:
    """Add to counters of a run."""
    values = {name: run.c[name] + number for name, number in counts.items() if number}
    if values:
        connection.execute(run.update().where(run.c.id == run_id).values(**values))


def open_runs(connection: Connection, shop_id: int, job: str | None = None) -> list[Row[Any]]:
    """Runs without a terminal state, oldest first."""
    statement = select(run).where(run.c.shop_id == shop_id, run.c.state.in_(OPEN)).order_by(run.c.id)
    if job is not None:
        statement = statement.where(run.c.job == job)
    return list(connection.execute(statement))


def is_pulling(connection: Connection, shop_id: int) -> bool:
    """Whether a pull of a shop is under way."""
    found = select(exists().where(run.c.shop_id == shop_id, run.c.state == "pulling"))
    return bool(connection.execute(found).scalar())


def in_the_way(open_runs: Iterable[Row[Any]], now: datetime) -> bool:
    """Whether the next run of the same job has to wait.

    Not for ever for one that only waits for Meta: a handle that does not finish within the hour must not keep a shop's
    prices from being read. After a third of the job's promise the next one goes, and the lane sends what it finds.
    """
    return any(
        row.state == "pulling" or (row.state == "pushing" and now - row.started_at < PROMISE[row.job] / 3)
        for row in open_runs
    )


def finish(connection: Connection, ended: Row[Any], state: str, now: datetime, error: str | None = None) -> bool:
    """Give a run its terminal state, once. Returns whether this call did it."""
    done = connection.execute(
        run.update()
        .where(run.c.id == ended.id, run.c.state.in_(OPEN))
        .values(state=state, finished_at=now, error=error, seen=None, cursor=None)
    )
    if done.rowcount != 1:
        return False
    if state == "succeeded":
        # A full renews all three promises: it has read everything that a delta and a volatile pull read.
        jobs = ("full", "delta", "volatile") if ended.job == "full" else (ended.job,)
        connection.execute(
            schedule.update()
            .where(
                schedule.c.shop_id == ended.shop_id,
                schedule.c.job.in_(jobs),
                or_(schedule.c.accepted_at.is_(None), schedule.c.accepted_at < ended.started_at),
            )
            .values(accepted_at=ended.started_at)
        )
    return True


def unsettled(now_ms: int) -> ColumnElement[bool]:
    """Condition for the wants that are work to do, not in quarantine."""
    return or_(pending.c.due_at <= now_ms + _WAITING_MS, pending.c.batch_id.is_not(None))


def belongs(run_id: str, now_ms: int) -> Any:
    """Condition for the wants that a run still waits for."""
    return and_(or_(pending.c.run_id == run_id, pending.c.volatile_run == run_id), unsettled(now_ms))


def left(connection: Connection, shop_id: int, run_id: str, now_ms: int) -> int:
    statement = select(func.count()).where(pending.c.shop_id == shop_id, belongs(run_id, now_ms))
    return int(connection.execute(statement).scalar_one())


def settled_runs(connection: Connection, shop_id: int, now_ms: int) -> list[Row[Any]]:
    """Pushing runs that have nothing left to settle."""
    return [
        row
        for row in open_runs(connection, shop_id)
        if row.state == "pushing"
        and not connection.execute(
            select(exists().where(pending.c.shop_id == shop_id, belongs(row.id, now_ms)))
        ).scalar()
    ]


def adopt(connection: Connection, shop_id: int, run_id: str, job: str, now_ms: int) -> None:
    """Take over what ended runs left unsettled, so that this run answers for it."""
    active = select(run.c.id).where(run.c.shop_id == shop_id, run.c.state.in_(ACTIVE))
    column = pending.c.volatile_run if job == "volatile" else pending.c.run_id
    ownerless = and_(
        or_(pending.c.run_id.is_(None), pending.c.run_id.not_in(active)),
        or_(pending.c.volatile_run.is_(None), pending.c.volatile_run.not_in(active)),
    )
    statement = pending.update().where(pending.c.shop_id == shop_id, ownerless, unsettled(now_ms))
    if job == "volatile":
        statement = statement.where(pending.c.lane == 0)
    connection.execute(statement.values({column: run_id}))


def touch(connection: Connection, run_ids: Iterable[str], state: str, now: datetime) -> None:
    """Progress: move the deadline."""
    ids = list(run_ids)
    if ids:
        connection.execute(
            run.update().where(run.c.id.in_(ids), run.c.state == state).values(deadline=now + PATIENCE[state])
        )
