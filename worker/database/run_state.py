"""How a run moves: its counters, its states, and the moment at which nothing of it is left to settle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, and_, bindparam, exists, func, or_, select

from schedules.due import PROMISE
from worker.database.bulk import is_any
from worker.database.tables import pending, run, schedule
from worker.items.states import LANE_DELETE

ACTIVE: Final = ("pulling", "pushing")
OPEN: Final = ("queued", "pulling", "pushing", "held")

WAITING_MS: Final = 12 * 3600 * 1000
"""Wants due later than this are in quarantine: they are issues, not work of a run."""

# A run must make some progress within this time; every step forward moves its deadline.
PATIENCE: Final = {"pulling": timedelta(minutes=15), "pushing": timedelta(hours=26)}


# Built once: every slice of every task asks these.
_RUN: Final = select(run).where(run.c.id == bindparam("run_id"))
_OPEN_RUNS: Final = select(run).where(run.c.shop_id == bindparam("shop_id"), run.c.state.in_(OPEN)).order_by(run.c.id)
_OPEN_RUNS_OF_JOB: Final = _OPEN_RUNS.where(run.c.job == bindparam("job"))
_PULLING: Final = select(
    exists().where(run.c.shop_id == bindparam("shop_id"), run.c.state == "pulling", run.c.job != "audit")
)


def get(connection: Connection, run_id: str) -> Row[Any] | None:
    return connection.execute(_RUN, {"run_id": run_id}).first()


def open_run(connection: Connection, run_id: str) -> Row[Any]:
    """A run that is known to exist."""
    return connection.execute(_RUN, {"run_id": run_id}).one()


def change(connection: Connection, run_id: str, **values: Any) -> None:
    connection.execute(run.update().where(run.c.id == run_id).values(**values))


def count(connection: Connection, run_id: str, counts: Mapping[str, int]) -> None:
    """Add to counters of a run."""
    values = {name: run.c[name] + number for name, number in counts.items() if number}
    if values:
        connection.execute(run.update().where(run.c.id == run_id).values(**values))


def open_runs(connection: Connection, shop_id: int, job: str | None = None) -> list[Row[Any]]:
    """Runs without a terminal state, oldest first."""
    if job is None:
        return list(connection.execute(_OPEN_RUNS, {"shop_id": shop_id}))
    return list(connection.execute(_OPEN_RUNS_OF_JOB, {"shop_id": shop_id, "job": job}))


def open_runs_of(connection: Connection, shop_ids: Sequence[int]) -> list[Row[Any]]:
    """Runs without a terminal state of some shops, oldest first."""
    found = select(run).where(is_any(connection, run.c.shop_id, shop_ids), run.c.state.in_(OPEN)).order_by(run.c.id)
    return list(connection.execute(found))


def shop_has_open(shop_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Condition: a shop has a run without a terminal state."""
    return exists().where(run.c.shop_id == shop_id, run.c.state.in_(OPEN))


def held_runs(connection: Connection, shop_id: int) -> list[Row[Any]]:
    """Runs that wait for a decision, oldest first."""
    return [row for row in open_runs(connection, shop_id) if row.state == "held"]


def under_way(connection: Connection, shop_id: int) -> list[Row[Any]]:
    """Runs that go on by themselves. A held one does nothing, so nothing stops it but a decision."""
    return [row for row in open_runs(connection, shop_id) if row.state != "held"]


def is_pulling(connection: Connection, shop_id: int) -> bool:
    """Whether a pull of a shop is under way, which may bring more to send. An audit brings next to nothing."""
    return bool(connection.execute(_PULLING, {"shop_id": shop_id}).scalar())


def in_the_way(open_runs: Iterable[Row[Any]], now: datetime) -> bool:
    """Whether the next run of the same job has to wait.

    Not for ever for one that only waits for Meta: a handle that does not finish within the hour must not keep a shop's
    prices from being read. After a third of the job's promise the next one goes, and the lane sends what it finds.
    """
    return any(
        row.state == "pulling" or (row.state == "pushing" and now - row.started_at < _promise(row.job) / 3)
        for row in open_runs
    )


def _promise(job: str) -> timedelta:
    """The audit has none: it is as patient as a full."""
    return PROMISE.get(job, PROMISE["full"])


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


def give_time(connection: Connection, now: datetime) -> None:
    """What waited to be sent, for whatever reason of ours, has its whole patience again."""
    connection.execute(run.update().where(run.c.state == "pushing").values(deadline=now + PATIENCE["pushing"]))


def unsettled(now_ms: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Condition for the wants that are work to do, not in quarantine. Deleting what is hidden already is nobody's."""
    return and_(
        or_(pending.c.due_at <= now_ms + WAITING_MS, pending.c.batch_id.is_not(None)), pending.c.lane != LANE_DELETE
    )


def belongs(run_id: str | ColumnElement[str], now_ms: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Condition for the wants that a run still waits for; not those that the breaker holds, unless on their way."""
    sendable = or_(pending.c.gate_run.is_(None), pending.c.batch_id.is_not(None))
    return and_(or_(pending.c.run_id == run_id, pending.c.volatile_run == run_id), unsettled(now_ms), sendable)


_SETTLED: Final = (
    select(run)
    .where(
        run.c.shop_id == bindparam("shop_id"),
        run.c.state == "pushing",
        ~exists().where(pending.c.shop_id == run.c.shop_id, belongs(run.c.id, bindparam("now_ms", type_=BigInteger))),
    )
    .order_by(run.c.id)
)


def left(connection: Connection, shop_id: int, run_id: str, now_ms: int) -> int:
    statement = select(func.count()).where(pending.c.shop_id == shop_id, belongs(run_id, now_ms))
    return int(connection.execute(statement).scalar_one())


def settled_runs(connection: Connection, shop_id: int, now_ms: int) -> list[Row[Any]]:
    """Pushing runs that have nothing left to settle."""
    return list(connection.execute(_SETTLED, {"shop_id": shop_id, "now_ms": now_ms}))


def adopt(connection: Connection, shop_id: int, run_id: str, job: str, now_ms: int) -> None:
    """Take over what ended runs left unsettled, so that this run answers for it."""
    active = select(run.c.id).where(run.c.shop_id == shop_id, run.c.state.in_(ACTIVE))
    column = pending.c.volatile_run if job == "volatile" else pending.c.run_id
    ownerless = and_(
        or_(pending.c.run_id.is_(None), pending.c.run_id.not_in(active)),
        or_(pending.c.volatile_run.is_(None), pending.c.volatile_run.not_in(active)),
    )
    sendable = pending.c.gate_run.is_(None)
    statement = pending.update().where(pending.c.shop_id == shop_id, ownerless, unsettled(now_ms), sendable)
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
