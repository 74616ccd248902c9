"""Ask for a run: by hand, or because it is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from worker.database import run_state
from worker.database.engine import database_now, writing
from worker.database.ids import new_ulid
from worker.database.locks import lock_shop
from worker.database.tables import run as run_table
from worker.database.tables import shop
from worker.database.types import to_ms
from worker.errors import BadInput
from worker.sync.completion import pull_wake
from worker.sync.context import Context, Wake

JOBS: Final = ("full", "delta", "volatile")

_COUNTERS: Final = (
    "retries", "starts", "pulled", "unidentified", "invalid", "unchanged", "created", "updated", "removed", "accepted",
    "rejected", "calls",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunTicket:
    """The run that will do it: a new one, or one that waits already."""

    run_id: str
    state: str
    wakes: list[Wake]


def request_run(context: Context, slug: str, job: str) -> RunTicket:
    """Ask for one run now. While one of the same shop and job is under way it waits, and further requests get it.

    Raises:
        BadInput: No such shop, a job this version does not have, or a shop that is paused or has no usable token.
    """
    if job == "audit":
        raise BadInput("The audit is not available in this version yet.", action="Use a full sync instead.")
    if job not in JOBS:
        raise BadInput(f"There is no job {job!r}.", action=f"Use one of {', '.join(JOBS)}.")
    with writing(context.engine) as connection:
        found = connection.execute(select(shop.c.id).where(shop.c.slug == slug)).scalar()
        shop_row = None if found is None else lock_shop(connection, found)
        if shop_row is None:
            raise BadInput(f"There is no shop {slug!r}.", action="See 'celery -A worker shop list'.")
        if shop_row.state != "active":
            raise BadInput(f"Shop {slug!r} is {_stopped(shop_row)}.", action=_remedy(shop_row))
        return queue_run(connection, shop_row, job, database_now(connection), trigger="manual")


def queue_run(connection: Connection, shop_row: Row[Any], job: str, fire_time: datetime, *, trigger: str) -> RunTicket:
    """The queued run of this job, made if there is none. The shop's row is locked."""
    now = database_now(connection)
    open_runs = run_state.open_runs(connection, shop_row.id, job)
    busy = run_state.in_the_way(open_runs, now)
    for row in open_runs:
        if row.state == "queued":
            return RunTicket(row.id, row.state, [] if busy else [pull_wake(shop_row, row)])
    connection.execute(
        run_table.insert().values(
            id=new_ulid(to_ms(now)),
            shop_id=shop_row.id,
            job=job,
            fire_time=fire_time,
            trigger=trigger,
            state="queued",
            created_at=now,
            deadline=now + run_state.PATIENCE["pushing"],
            complete=False,
            **dict.fromkeys(_COUNTERS, 0),
        )
    )
    made = run_state.open_runs(connection, shop_row.id, job)[-1]
    return RunTicket(made.id, made.state, [] if busy else [pull_wake(shop_row, made)])


def _stopped(shop_row: Row[Any]) -> str:
    words = {"paused": "paused", "needs_token": "waiting for a new token"}[shop_row.state]
    return f"{words}: {shop_row.reason.rstrip('.')}" if shop_row.reason else words


def _remedy(shop_row: Row[Any]) -> str:
    verb = "token" if shop_row.state == "needs_token" else "resume"
    return f"Use 'celery -A worker shop {verb} {shop_row.slug}'."
