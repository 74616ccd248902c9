"""When nobody calls Meta: trouble of the app or of Meta itself, and a person's switch. One row each, for all shops.

Trouble of the app trips the row ``app``: nobody calls. When its wait is over, one process wins the right to ask Meta
once (half-open); only its answer ends the outage or lengthens the wait. What other calls that were in the air bring
meanwhile changes nothing, so an outage is counted once and not per shop.

Both rows keep the beginning and the end of their last outage: after a long one the shops come back one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection, Row, bindparam, select

from worker.database import budgets
from worker.database.budgets import APP, LASTS, SENDING
from worker.database.tables import budget

log = structlog.get_logger("shelfbeat.sync")

TRIPS_AFTER: Final = 5
"""Failures in a row, whosever they are, that could be anybody's: an outage, then."""

# Longer than the longest call lasts: whoever was to ask and died is replaced then.
_PROBE: Final = timedelta(seconds=150)


class Outage(NamedTuple):
    """``until`` is None while it lasts."""

    since: datetime
    until: datetime | None
    reason: str


# Built once: every look at a lane asks it.
_LAST: Final = select(budget).where(
    budget.c.key.in_(bindparam("keys", expanding=True)), budget.c.failing_since.is_not(None)
)


def last(connection: Connection, keys: Sequence[str]) -> list[Outage]:
    """Of each of these the outage that lasts, or the one before."""
    rows = connection.execute(_LAST, {"keys": list(keys)})
    return [Outage(row.failing_since, row.recovered_at, row.reason or "") for row in rows]


# Trouble of the app


def trouble(
    connection: Connection, now: datetime, reason: str, wait_s: float | None = None, *, of_everybody: bool
) -> None:
    """A call failed, and not for a reason of its shop's.

    Args:
        wait_s: Seconds that Meta named; None: 15, doubling with every probe that fails.
        of_everybody: Whether one such failure is enough, or only several in a row.
    """
    row = _locked(connection)
    if row is not None and _is_on(row):
        until = now + timedelta(seconds=wait_s or 0.0)
        if until > row.blocked_until:
            budgets.put(connection, APP, blocked_until=until)
        return
    failures = 1 if row is None else row.blocks + 1
    if not of_everybody and failures < TRIPS_AFTER:
        budgets.put(connection, APP, blocks=failures)
        return
    until = now + budgets.wait(0, wait_s)
    budgets.put(connection, APP, blocks=1, blocked_until=until, failing_since=now, recovered_at=None, reason=reason)
    log.error("app.blocked", until=until.isoformat(), reason=reason)


def went_through(connection: Connection, now: datetime, since: datetime) -> None:
    """A call made at ``since`` brought an answer that shows Meta and the app well.

    One such note serves all calls made before it: rows of everybody are a place where everybody waits.
    """
    row = connection.execute(select(budget).where(budget.c.key == APP)).first()
    if row is None or (not _is_on(row) and (row.blocks or row.last_ok_at is None or row.last_ok_at <= since)):
        budgets.put(connection, APP, blocks=0, last_ok_at=now)


def well_since(connection: Connection, moment: datetime) -> bool:
    """Whether any call made since then went through: what failed meanwhile was not everybody's trouble."""
    seen = budgets.last_success(connection, APP)
    return seen is not None and seen > moment


def awaits_probe(connection: Connection, now: datetime) -> bool:
    """Whether the wait of an outage is over and nobody asks yet. A hint; ``claim_probe`` decides."""
    statement = select(budget.c.key).where(budget.c.key == APP, LASTS, budget.c.blocked_until <= now)
    return connection.execute(statement).first() is not None


def claim_probe(connection: Connection, now: datetime) -> bool:
    """Win the right to ask Meta once; everybody else goes on waiting."""
    claimed = connection.execute(
        budget.update()
        .where(budget.c.key == APP, LASTS, budget.c.blocked_until <= now)
        .values(blocked_until=now + _PROBE)
    )
    return claimed.rowcount == 1


def probe_failed(connection: Connection, now: datetime, reason: str, wait_s: float | None = None) -> None:
    """The outage goes on: the next probe is made after twice the wait, or after the one that Meta named."""
    row = _locked(connection)
    if row is not None and _is_on(row):
        until = now + budgets.wait(row.blocks, wait_s)
        budgets.put(connection, APP, blocks=row.blocks + 1, blocked_until=until, reason=reason)


def probe_says_nothing(connection: Connection, now: datetime) -> None:
    """Its answer was about the shop alone: another one may ask at once."""
    connection.execute(budget.update().where(budget.c.key == APP, LASTS).values(blocked_until=now))


def probe_went_through(connection: Connection, now: datetime) -> None:
    """The outage is over."""
    row = _locked(connection)
    budgets.put(connection, APP, blocks=0, blocked_until=None, recovered_at=now, reason=None, last_ok_at=now)
    if row is not None and _is_on(row):
        log.warning("app.recovered", seconds=round((now - row.failing_since).total_seconds(), 3))


def _is_on(row: Row[Any]) -> bool:
    return row.failing_since is not None and row.recovered_at is None


def _locked(connection: Connection) -> Row[Any] | None:
    """The app's row, locked to the end of the transaction. No other shop's row is locked after it."""
    statement = select(budget).where(budget.c.key == APP)
    if connection.dialect.name == "postgresql":
        statement = statement.with_for_update()
    return connection.execute(statement).first()


# The switch


def stop_sending(connection: Connection, now: datetime, reason: str) -> bool:
    """Let no call that sends items begin. Returns whether it was on; else only the reason is new."""
    was_on = stopped(connection) is None
    since: dict[str, Any] = {"failing_since": now, "recovered_at": None} if was_on else {}
    budgets.put(connection, SENDING, reason=reason, **since)
    return was_on


def start_sending(connection: Connection, now: datetime) -> Outage | None:
    """Let calls begin again. Returns the stop that ends now; None if there was none."""
    before = stopped(connection)
    if before is not None:
        budgets.put(connection, SENDING, recovered_at=now, reason=None)
    return before


def stopped(connection: Connection) -> Outage | None:
    """The stop of all sending that is in force."""
    statement = select(budget).where(budget.c.key == SENDING, LASTS)
    row = connection.execute(statement).first()
    return None if row is None else Outage(row.failing_since, None, row.reason or "")
