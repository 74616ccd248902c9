"""Ask for a run: by hand, or because it is due."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

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

PULLS: Final = ("full", "delta", "volatile")
JOBS: Final = (*PULLS, "audit")

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


class Asked(NamedTuple):
    """One run that is asked for.

    Attributes:
        shop_row: Its shop, locked; the id and the slug are enough.
        scope: What a partial audit is limited to. One that waits becomes a whole one when that is asked for.
    """

    shop_row: Row[*tuple[Any, ...]]
    job: str
    fire_time: datetime
    trigger: str
    scope: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[int, str]:
        return self.shop_row.id, self.job


def request_run(context: Context, slug: str, job: str) -> RunTicket:
    """Ask for one run now. While one of the same shop and job is under way it waits, and further requests get it.

    Raises:
        BadInput: No such shop, a job this version does not have, or a shop that is paused or has no usable token.
    """
    if job not in JOBS:
        raise BadInput(f"There is no job {job!r}.", action=f"Use one of {', '.join(JOBS)}.")
    with writing(context.engine, "request.1-queue") as connection:
        found = connection.execute(select(shop.c.id).where(shop.c.slug == slug)).scalar()
        shop_row = None if found is None else lock_shop(connection, found)
        if shop_row is None:
            raise BadInput(f"There is no shop {slug!r}.", action="See 'celery -A worker shop list'.")
        if shop_row.state != "active":
            raise stopped_for(shop_row)
        return queue_run(connection, Asked(shop_row, job, database_now(connection), "manual"))


def queue_run(connection: Connection, asked: Asked) -> RunTicket:
    """The queued run of this job, made if there is none."""
    return queue_runs(connection, [asked])[0]


def queue_runs(connection: Connection, asked: Sequence[Asked]) -> list[RunTicket]:
    """The same for many, of which no two are of the same shop and job."""
    now = database_now(connection)
    open_runs: defaultdict[tuple[int, str], list[Row[Any]]] = defaultdict(list)
    for row in run_state.open_runs_of(connection, [one.shop_row.id for one in asked]):
        open_runs[row.shop_id, row.job].append(row)
    queued = {key: row for key, rows in open_runs.items() for row in reversed(rows) if row.state == "queued"}
    for one in asked:
        if one.key in queued and queued[one.key].scope is not None and one.scope is None:
            run_state.change(connection, queued[one.key].id, scope=None, trigger=one.trigger)
    fresh = [_fresh_run(one, now) for one in asked if one.key not in queued]
    if fresh:
        made = connection.execute(run_table.insert().returning(run_table), fresh)
        queued |= {(row.shop_id, row.job): row for row in made}
    tickets = []
    for one in asked:
        row = queued[one.key]
        busy = run_state.in_the_way(open_runs[one.key], now)
        tickets.append(RunTicket(row.id, row.state, [] if busy else [pull_wake(one.shop_row, row)]))
    return tickets


def _fresh_run(asked: Asked, now: datetime) -> dict[str, Any]:
    return {
        "id": new_ulid(to_ms(now)),
        "shop_id": asked.shop_row.id,
        "job": asked.job,
        "fire_time": asked.fire_time,
        "trigger": asked.trigger,
        "state": "queued",
        "created_at": now,
        "deadline": now + run_state.PATIENCE["pushing"],
        "complete": False,
        "scope": asked.scope,
        **dict.fromkeys(_COUNTERS, 0),
    }


def stopped_for(shop_row: Row[Any]) -> BadInput:
    """Why nothing is done for a shop that is not active, and what to do about it."""
    words = {"paused": "paused", "needs_token": "waiting for a new token"}[shop_row.state]
    why = f"{words}: {shop_row.reason.rstrip('.')}" if shop_row.reason else words
    verb = "token" if shop_row.state == "needs_token" else "resume"
    return BadInput(f"Shop {shop_row.slug!r} is {why}.", action=f"Use 'celery -A worker shop {verb} {shop_row.slug}'.")
