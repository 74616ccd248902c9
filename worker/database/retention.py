"""What is kept for how long, and why: the one place. Rows of a shop's present state are not here, they end with it.

Each rule forgets a bounded number of rows per call, so that no transaction is long. A rule repeats its whole condition
in the statement that deletes: a row that came to life again meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, or_, select, tuple_

from worker.database.budgets import LASTS
from worker.database.ids import new_ulid
from worker.database.run_state import OPEN
from worker.database.tables import audit_log, batch, budget, heartbeat, issue, orphan, run
from worker.database.types import to_ms

_FINISHED: Final = ("settled", "refused", "resolved")


@dataclass(frozen=True, slots=True)
class Rule:
    """Forgets what is older than ``days``; ``forget`` takes the instant and a number of rows, and returns how many."""

    what: str
    days: int
    why: str
    forget: Callable[[Connection, datetime, int], int]


def forget(connection: Connection, rule: Rule, now: datetime, limit: int) -> int:
    """Forget at most so many rows. Returns how many; fewer than ``limit``: there are no more."""
    return rule.forget(connection, now - timedelta(days=rule.days), limit)


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool], order: Any, limit: int) -> int:
    key = list(table.primary_key)
    chosen = select(*key).where(condition).order_by(order).limit(limit)
    return connection.execute(table.delete().where(tuple_(*key).in_(chosen), condition)).rowcount


def _bodies(connection: Connection, before: datetime, limit: int) -> int:
    condition = and_(batch.c.body.is_not(None), batch.c.created_at < before)
    chosen = select(batch.c.id).where(condition).order_by(batch.c.created_at).limit(limit)
    return connection.execute(batch.update().where(batch.c.id.in_(chosen)).values(body=None)).rowcount


def _batches(connection: Connection, before: datetime, limit: int) -> int:
    condition = and_(batch.c.created_at < before, batch.c.state.in_(_FINISHED))
    return _delete(connection, batch, condition, batch.c.created_at, limit)


def _runs(connection: Connection, before: datetime, limit: int, *more: ColumnElement[bool]) -> int:
    """Runs are found by their ids, which sort by creation. The last success of a job stays, however old."""
    later = run.alias("later")
    superseded = exists().where(
        later.c.shop_id == run.c.shop_id,
        later.c.job == run.c.job,
        later.c.fire_time > run.c.fire_time,
        later.c.state == "succeeded",
    )
    oldest_kept = new_ulid(to_ms(before))
    condition = and_(
        run.c.id < oldest_kept, run.c.state.not_in(OPEN), or_(run.c.state != "succeeded", superseded), *more
    )
    return _delete(connection, run, condition, run.c.id, limit)


def _quiet_runs(connection: Connection, before: datetime, limit: int) -> int:
    sent_nothing = run.c.created + run.c.updated + run.c.removed + run.c.accepted + run.c.rejected + run.c.calls == 0
    return _runs(connection, before, limit, run.c.state == "succeeded", sent_nothing)


def _issues(connection: Connection, before: datetime, limit: int) -> int:
    return _delete(connection, issue, issue.c.resolved_at < before, issue.c.resolved_at, limit)


def _orphans(connection: Connection, before: datetime, limit: int) -> int:
    return _delete(connection, orphan, orphan.c.last_seen_at < before, orphan.c.shop_id, limit)


def _audit_log(connection: Connection, before: datetime, limit: int) -> int:
    return _delete(connection, audit_log, audit_log.c.at < before, audit_log.c.id, limit)


def _budgets(connection: Connection, before: datetime, limit: int) -> int:
    touched = [
        budget.c.used_at,
        budget.c.last_ok_at,
        budget.c.blocked_until,
        budget.c.failing_since,
        budget.c.recovered_at,
    ]
    quiet = and_(*(or_(at.is_(None), at < before) for at in touched))
    return _delete(connection, budget, and_(quiet, ~LASTS), budget.c.key, limit)


def _heartbeats(connection: Connection, before: datetime, limit: int) -> int:
    return _delete(connection, heartbeat, heartbeat.c.at < before, heartbeat.c.name, limit)


RULES: Final = (
    Rule(
        "copies of request bodies", 3, "long enough to look into a failure; the manifest says what they held", _bodies
    ),
    Rule(
        "batches with an outcome, and their manifests",
        90,
        "the proof that an item at Meta is ours, which the audit asks before it removes an orphan",
        _batches,
    ),
    Rule("runs that found nothing to send", 7, "nine of ten runs; freshness does not need them", _quiet_runs),
    Rule("other runs", 90, "the history behind `runs`; the last success of each job stays", _runs),
    Rule("resolved issues", 30, "a problem that returns goes on counting where it was", _issues),
    Rule("orphans that no audit has seen again", 35, "five weekly audits", _orphans),
    Rule("the audit log", 730, "who approved, paused, changed a token", _audit_log),
    Rule("budgets that nobody used", 30, "a catalog or a store that is gone", _budgets),
    Rule("signs of life", 7, "workers that were taken away", _heartbeats),
)
"""What a table grows by. ``docs/operations.md`` shows this table."""
