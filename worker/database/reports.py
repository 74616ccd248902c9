"""What people and scripts read: runs, issues and the state of shops, as JSON-ready values.

Every function reads inside the caller's transaction, so one report shows one moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Row, func, select

from schedules import PROMISE, met
from worker.database import budgets
from worker.database.engine import database_now
from worker.database.run_state import ACTIVE, held_runs, unsettled
from worker.database.schedules import of_shop
from worker.database.shops import Shop
from worker.database.tables import issue, orphan, pending, run, schedule
from worker.database.tables import shop as shop_table
from worker.database.types import to_ms
from worker.errors import BadInput
from worker.items.limits import in_force

Report = dict[str, Any]

_COUNTS = ("pulled", "invalid", "unchanged", "created", "updated", "removed", "accepted", "rejected")


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as all our JSON has it."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def one_run(connection: Connection, run_id: str) -> Report:
    """Raises ``BadInput`` for an id that is no run's. Ids are accepted in lower case too."""
    row = _runs(connection, run.c.id == run_id.upper()).first()
    if row is None:
        raise BadInput(f"There is no run {run_id!r}.", action="See: celery -A worker runs.")
    return _run_reports(connection, [row])[0]


def runs(connection: Connection, shop: Shop | None = None, limit: int = 50) -> list[Report]:
    """The last runs of one shop or of all, newest first."""
    statement = () if shop is None else (run.c.shop_id == shop.id,)
    return _run_reports(connection, _runs(connection, *statement, limit=limit).all())


class AuditFindings(NamedTuple):
    """What an audit found at Meta.

    Attributes:
        differed: Items that were not as Meta had confirmed them.
        unknown: Items that nobody here knows, and that were left alone.
        full: Id of the full that it queued to repair what it could not repair itself; None: no such full.
    """

    differed: int
    unknown: int
    full: str | None


def audit_findings(connection: Connection, run_id: str) -> AuditFindings:
    """Of a run of the job ``audit`` that was started. What a later audit finds again counts there too."""
    shop_id, started_at = connection.execute(select(run.c.shop_id, run.c.started_at).where(run.c.id == run_id)).one()
    drift = (
        issue.c.shop_id == shop_id,
        issue.c.source == "diagnostics",
        issue.c.code.startswith("drift."),
        issue.c.last_seen >= started_at,
    )
    unknown = (orphan.c.shop_id == shop_id, orphan.c.last_seen_at >= started_at)
    full = (
        run.c.shop_id == shop_id,
        run.c.job == "full",
        run.c.trigger == "audit",
        run.c.created_at >= started_at,
    )
    return AuditFindings(
        differed=connection.execute(select(func.count(issue.c.retailer_id.distinct())).where(*drift)).scalar_one(),
        unknown=connection.execute(select(func.count()).select_from(orphan).where(*unknown)).scalar_one(),
        full=connection.execute(select(func.min(run.c.id)).where(*full)).scalar_one(),
    )


def is_busy(connection: Connection, slug: str, job: str) -> bool:
    """Whether a run of this shop and job is under way, so that the next one waits for it."""
    statement = (
        select(run.c.id)
        .join(shop_table, shop_table.c.id == run.c.shop_id)
        .where(shop_table.c.slug == slug, run.c.job == job, run.c.state.in_(ACTIVE))
    )
    return connection.execute(statement.limit(1)).first() is not None


def issues(
    connection: Connection, shop: Shop, *, resolved: bool = False, retailer_id: str | None = None
) -> list[Report]:
    """Open issues of a shop by item, errors first; with ``resolved`` also those that are over."""
    statement = select(issue).where(issue.c.shop_id == shop.id)
    if not resolved:
        statement = statement.where(issue.c.resolved_at.is_(None))
    if retailer_id is not None:
        statement = statement.where(issue.c.retailer_id == retailer_id)
    statement = statement.order_by(issue.c.retailer_id, issue.c.severity, issue.c.source, issue.c.code)
    return [
        {
            "retailer_id": row.retailer_id,
            "source": row.source,
            "severity": row.severity,
            "code": row.code,
            "message": row.message,
            "action": row.action,
            "url": row.url,
            "owner": row.owner,
            "first_seen": iso(row.first_seen),
            "last_seen": iso(row.last_seen),
            "count": row.count,
            "resolved_at": iso(row.resolved_at),
        }
        for row in connection.execute(statement)
    ]


def shop_settings(connection: Connection, shop: Shop) -> Report:
    """How a shop is set up. No secret, only whether there is one."""
    return {
        "shop": shop.slug,
        "state": shop.state,
        "reason": shop.reason,
        "store": shop.store_kind,
        "store_url": shop.store_url,
        "store_options": dict(shop.store_options),
        "mapping": dict(shop.mapping),
        "catalog": shop.catalog_id,
        "currency": shop.currency,
        "has_token": shop.meta_token is not None,
        "has_store_secret": shop.store_secret is not None,
        "created_at": iso(shop.created_at),
        "limits": in_force(shop.limits),
        "schedules": {
            row.job: {
                "cron": row.cron if row.enabled else "off",
                "zone": row.zone,
                "next_due": iso(row.next_run_at) if row.enabled and shop.state == "active" else None,
            }
            for row in of_shop(connection, shop.id)
        },
    }


def status(connection: Connection, chosen: Sequence[Shop]) -> list[Report]:
    """How fresh these shops are against the promise, per job."""
    now = database_now(connection)
    open_issues = _per_shop(connection, issue.c.shop_id, issue.c.resolved_at.is_(None))
    pending_items = _per_shop(connection, pending.c.shop_id, unsettled(to_ms(now)))
    rows: defaultdict[int, dict[str, Row[*tuple[Any, ...]]]] = defaultdict(dict)
    for row in connection.execute(select(schedule)):
        rows[row.shop_id][row.job] = row
    reports = []
    for shop in chosen:
        state, reason = _state(connection, shop, now)
        reports.append(
            {
                "shop": shop.slug,
                "state": state,
                "reason": reason,
                "open_issues": open_issues.get(shop.id, 0),
                "pending_items": pending_items.get(shop.id, 0),
                "freshness": {job: _freshness(rows[shop.id].get(job), job, shop, now) for job in PROMISE},
                "held_runs": [row.id for row in held_runs(connection, shop.id)],
            }
        )
    return reports


def _per_shop(connection: Connection, shop_id: Column[int], where: Any) -> dict[int, int]:
    rows = connection.execute(select(shop_id, func.count()).where(where).group_by(shop_id))
    return {row[0]: row[1] for row in rows}


def _state(connection: Connection, shop: Shop, now: datetime) -> tuple[str, str | None]:
    if shop.state != "active":
        return shop.state, shop.reason
    keys = (budgets.SENDING, budgets.APP, budgets.writes(shop.catalog_id), budgets.token(shop.id))
    block = budgets.blocked(connection, keys, now)
    if block is None:
        return "active", None
    until = "celery -A worker sending start" if block.until is None else iso(block.until)
    return "throttled", f"{block.reason or 'Meta asked us to slow down'} (until {until})"


def _freshness(row: Row[*tuple[Any, ...]] | None, job: str, shop: Shop, now: datetime) -> Report:
    age_s = None
    if row is not None and row.accepted_at is not None:
        age_s = max(0, round((now - row.accepted_at).total_seconds()))
    due = row is not None and row.enabled and shop.state == "active"
    return {
        "age_s": age_s,
        "promise_s": round(PROMISE[job].total_seconds()),
        "met": met(age_s, job),
        "next_due": iso(row.next_run_at) if row is not None and due else None,
    }


def _runs(connection: Connection, *where: Any, limit: int = 1) -> Any:
    columns = [column for column in run.columns if column.name not in ("seen", "cursor", "watermark")]
    return connection.execute(
        select(*columns, shop_table.c.slug)
        .join(shop_table, shop_table.c.id == run.c.shop_id)
        .where(*where)
        .order_by(run.c.id.desc())
        .limit(limit)
    )


def _run_reports(connection: Connection, rows: Sequence[Any]) -> list[Report]:
    left: Counter[str] = Counter()
    shop_ids = {row.shop_id for row in rows}
    for content_run, volatile_run, number in connection.execute(
        select(pending.c.run_id, pending.c.volatile_run, func.count())
        .where(pending.c.shop_id.in_(shop_ids), unsettled(to_ms(database_now(connection))))
        .group_by(pending.c.run_id, pending.c.volatile_run)
    ):
        # An item whose halves were changed by two runs is awaited by both.
        for run_id in {content_run, volatile_run} - {None}:
            left[run_id] += number
    return [
        {
            "run": row.id,
            "shop": row.slug,
            "job": row.job,
            "state": row.state,
            "started_at": iso(row.started_at),
            "finished_at": iso(row.finished_at),
            **{name: row._mapping[name] for name in _COUNTS},  # noqa: SLF001  # SQLAlchemy's public row by name
            "pending": left[row.id],
            "calls": row.calls,
            "error": row.error,
        }
        for row in rows
    ]
