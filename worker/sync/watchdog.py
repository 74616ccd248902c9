"""What stands still although it should move: a silent beat, an idle worker, work that nobody takes up.

Judged from rows alone, so it can be asked while neither broker nor worker answers. Whoever is paused, held, throttled
or stopped on purpose waits; that is not standing still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, func, select

from worker.database import batches, heartbeats
from worker.database.tables import batch, schedule, shop
from worker.sync.standstill import AT_MOST, STANDSTILL, Stuck, everybody_waits, pulls, pushes, settles

log = structlog.get_logger("shelfbeat.watchdog")

_SILENCE: Final = timedelta(seconds=90)  # beats fire every five seconds, sweeps every thirty
_LONG_HANDLE: Final = timedelta(minutes=30)
# A worker that shows nothing for so long died or hangs; after an hour it was taken away.
_LOST_WORKER: Final = (timedelta(minutes=10), timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    Attributes:
        code: Stable name, such as ``beat.silent``.
        since: When it began, by the database's clock.
        problem: One sentence: what, since when, what to do.
        owner: Who can: operator or meta.
        shop: Whose; None: of the whole installation.
    """

    code: str
    since: datetime
    problem: str
    owner: str = "operator"
    shop: str | None = None

    @property
    def key(self) -> str:
        return self.code if self.shop is None else f"{self.code}:{self.shop}"


def findings(connection: Connection, now: datetime) -> list[Finding]:
    """What stands still at ``now``; empty when all is well, and right after a start."""
    alive = heartbeats.last(connection)
    stuck = pulls(connection, now)
    if not everybody_waits(connection, now):
        stuck += [*pushes(connection, now), *settles(connection, now)]
    silent_since = _silent_since(connection, alive, now, stuck)
    if silent_since is not None:
        # Everything else follows from it: nobody sweeps, and no queue is asked for a sign of life.
        return [
            Finding(
                "beat.silent",
                silent_since,
                f"Nothing has been dispatched since {_at(silent_since)}: start 'celery -A worker beat', and a worker "
                "that takes the queue control.",
            )
        ]
    return [
        *_unswept(alive, now),
        *_lost_workers(alive, now),
        *_unclaimed(connection, now),
        *_explained(stuck, alive, now),
        *_long_handles(connection, now),
    ]


def watch(connection: Connection, now: datetime) -> None:
    """Log each finding once when it begins and once when it ends."""
    found = {finding.key: finding for finding in findings(connection, now)}
    before = heartbeats.find(connection, heartbeats.WATCHDOG)
    known: dict[str, str] = {} if before is None else before.detail
    for key in sorted(found.keys() - known.keys()):
        finding = found[key]
        log.error("watchdog.began", code=finding.code, shop=finding.shop, problem=finding.problem, owner=finding.owner)
    for key in sorted(known.keys() - found.keys()):
        log.info("watchdog.ended", code=key, since=known[key])
    since = {key: known.get(key, found[key].since.isoformat()) for key in found}
    heartbeats.show(connection, [heartbeats.WATCHDOG], now, since)


def _silent_since(
    connection: Connection, alive: dict[str, datetime], now: datetime, stuck: list[Stuck]
) -> datetime | None:
    """Since when nothing was dispatched although something should have been; None if that is not so."""
    ticked = alive.get(heartbeats.DISPATCH)
    if ticked is not None and now - ticked <= _SILENCE:
        return None
    overdue: datetime | None = connection.execute(_overdue(now - _SILENCE, func.min(schedule.c.next_run_at))).scalar()
    waiting = [at for at in (overdue, *(work.since for work in stuck)) if at is not None]
    return max(filter(None, (ticked, min(waiting)))) if waiting else None


def _overdue(before: datetime, *columns: Any) -> Any:
    return (
        select(*columns)
        .join(shop, shop.c.id == schedule.c.shop_id)
        .where(schedule.c.enabled, shop.c.state == "active", schedule.c.next_run_at < before)
    )


def _unswept(alive: dict[str, datetime], now: datetime) -> Iterator[Finding]:
    swept = alive.get(heartbeats.SWEEP)
    if swept is not None and now - swept > STANDSTILL:
        yield Finding(
            "sweep.silent",
            swept,
            f"The sweep has not ended since {_at(swept)}: look for errors of worker.sync.sweep in the workers' logs.",
        )


def _lost_workers(alive: dict[str, datetime], now: datetime) -> Iterator[Finding]:
    least, most = _LOST_WORKER
    for name, at in sorted(alive.items()):
        if name.startswith("worker:") and least < now - at < most:
            node = name.removeprefix("worker:")
            yield Finding(
                f"worker.silent.{node}",
                at,
                f"The worker {node} has finished nothing since {_at(at)} and did not sign off: it hangs or was killed; "
                "restart it, or leave it if it was taken away.",
            )


def _unclaimed(connection: Connection, now: datetime) -> Iterator[Finding]:
    columns = (shop.c.slug, schedule.c.job, schedule.c.next_run_at)
    late = connection.execute(_overdue(now - STANDSTILL, *columns).order_by(schedule.c.next_run_at).limit(1)).first()
    if late is not None:
        yield Finding(
            "dispatch.behind",
            late.next_run_at,
            f"Due runs are not claimed in time, the oldest is {late.job} of {late.slug} since {_at(late.next_run_at)}: "
            "give the queue control a worker that does nothing else, and look for errors of worker.sync.dispatch.",
        )


def _explained(stuck: list[Stuck], alive: dict[str, datetime], now: datetime) -> Iterator[Finding]:
    """Stuck work, named after its queue where nobody serves that, else after its shop."""
    idle: dict[str, list[Stuck]] = {}
    for work in stuck:
        served = alive.get(heartbeats.of_queue(work.queue))
        if served is None or now - served > STANDSTILL:
            idle.setdefault(work.queue, []).append(work)
            continue
        yield Finding(
            work.code,
            work.since,
            f"{work.what} of {work.slug} since {_at(work.since)} although workers run: "
            f"look for errors with shop={work.slug} in the workers' logs.",
            shop=work.slug,
        )
    for queue, works in idle.items():
        served = alive.get(heartbeats.of_queue(queue))
        oldest = min(work.since for work in works)
        since = oldest if served is None else max(served, oldest)
        yield Finding(
            f"queue.{queue}.unserved",
            since,
            f"No worker has finished a task of the queue {queue} since {_at(since)}, and {works[0].slug} waits for "
            "one: start or restart a worker that takes it.",
        )


def _long_handles(connection: Connection, now: datetime) -> Iterator[Finding]:
    rows = connection.execute(
        select(shop.c.slug, func.min(batch.c.sent_at).label("since"))
        .join(shop, shop.c.id == batch.c.shop_id)
        .where(shop.c.state == "active", batch.c.state == "sent", batches.IS_OPEN)
        .group_by(shop.c.slug)
        .having(func.min(batch.c.sent_at) < now - _LONG_HANDLE)
        .order_by(shop.c.slug)
        .limit(AT_MOST)
    )
    for row in rows:
        yield Finding(
            "handle.unfinished",
            row.since,
            f"Meta has not finished a batch of {row.slug} since {_at(row.since)}: nothing need be done, after an hour "
            "its outcome counts as unknown and its items go again.",
            owner="meta",
            shop=row.slug,
        )


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
