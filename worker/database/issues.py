"""Issues: one row per item, source and cause. A problem that goes away is resolved; one that returns is re-opened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from worker.database.bulk import chunks, is_any
from worker.database.tables import issue, pending

SOURCES: Final = ("rules", "validation", "batch", "review", "diagnostics")


class IssueRow(NamedTuple):
    """What was found.

    ``source``: rules, validation, batch, review, diagnostics · ``severity``: error, warning ·
    ``owner``: merchant, operator, meta.
    """

    retailer_id: str
    source: str
    code: str
    severity: str
    message: str
    action: str
    owner: str
    url: str | None = None


RuleFinding = tuple[str, str, str, str, str, str | None]
"""code, severity, message, action, owner, url."""


def record(connection: Connection, shop_id: int, rows: Iterable[IssueRow], now: datetime) -> None:
    """Open these issues, or count them once more; what was resolved is open again.

    Of several rows with one item, source and code the first counts, but an error before a warning.
    """
    found: dict[tuple[str, str, str], IssueRow] = {}
    for row in rows:
        key = (row.retailer_id, row.source, row.code)
        if key not in found or (found[key].severity != "error" and row.severity == "error"):
            found[key] = row
    if not found:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(issue)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=list(issue.primary_key.columns),
        set_={
            "severity": new.severity,
            "message": new.message,
            "action": new.action,
            "owner": new.owner,
            "url": new.url,
            "last_seen": new.last_seen,
            "count": issue.c.count + 1,
            "resolved_at": None,
        },
    )
    fixed = {"shop_id": shop_id, "first_seen": now, "last_seen": now, "count": 1}
    # In key order, so that two writers lock rows in one order.
    connection.execute(statement, [found[key]._asdict() | fixed for key in sorted(found)])


def resolve(
    connection: Connection, shop_id: int, retailer_ids: Sequence[str], sources: Collection[str], now: datetime
) -> None:
    """Close the open issues of these items that came from these sources."""
    for part in chunks(retailer_ids):
        connection.execute(
            update(issue)
            .where(
                issue.c.shop_id == shop_id,
                is_any(connection, issue.c.retailer_id, part),
                issue.c.source.in_(sorted(sources)),
                issue.c.resolved_at.is_(None),
            )
            .values(resolved_at=now)
        )


def resolve_leaving(connection: Connection, shop_id: int, gate_run: str, now: datetime) -> None:
    """Close the open issues of the items that a held run wants to remove."""
    leaving = select(pending.c.retailer_id).where(
        pending.c.shop_id == shop_id, pending.c.gate_run == gate_run, pending.c.status != 0
    )
    connection.execute(
        update(issue)
        .where(issue.c.shop_id == shop_id, issue.c.retailer_id.in_(leaving), issue.c.resolved_at.is_(None))
        .values(resolved_at=now)
    )


def replace_rules(
    connection: Connection,
    shop_id: int,
    findings: Mapping[str, Sequence[RuleFinding]],
    now: datetime,
    *,
    fields: Collection[str] | None = None,
) -> None:
    """Make the open ``rules`` issues of these items exactly these.

    Args:
        findings: Per retailer_id all that the rules found; empty for an item without a finding.
        fields: Only issues about these fields (their code's part before the dot) were looked for, as by a volatile
            pull; those about others stay as they are. None: all were.
    """
    for part in chunks(list(findings)):
        where = (
            issue.c.shop_id == shop_id,
            is_any(connection, issue.c.retailer_id, part),
            issue.c.source == "rules",
            issue.c.resolved_at.is_(None),
        )
        still = {(retailer_id, finding[0]) for retailer_id in part for finding in findings[retailer_id]}
        cured = [
            (retailer_id, code)
            for retailer_id, code in connection.execute(select(issue.c.retailer_id, issue.c.code).where(*where))
            if (retailer_id, code) not in still and (fields is None or code.partition(".")[0] in fields)
        ]
        if cured:
            connection.execute(
                update(issue)
                .where(*where, tuple_(issue.c.retailer_id, issue.c.code).in_(cured))
                .values(resolved_at=now)
            )
        record(
            connection,
            shop_id,
            (
                IssueRow(retailer_id, "rules", code, severity, message, action, owner, url)
                for retailer_id in part
                for code, severity, message, action, owner, url in findings[retailer_id]
            ),
            now,
        )


def resolve_unseen(
    connection: Connection, shop_id: int, source: str, codes: Sequence[str], seen_before: datetime, now: datetime
) -> None:
    """Close the open issues of these codes that were not seen again since a time."""
    connection.execute(
        update(issue)
        .where(
            issue.c.shop_id == shop_id,
            issue.c.source == source,
            issue.c.code.in_(codes),
            issue.c.resolved_at.is_(None),
            issue.c.last_seen < seen_before,
        )
        .values(resolved_at=now)
    )


def resolve_older(connection: Connection, shop_id: int, code: str, seen_before: datetime, now: datetime) -> None:
    """Close the open ``rules`` issues of one code, and those of no item, that were not seen again since a time."""
    connection.execute(
        update(issue)
        .where(
            issue.c.shop_id == shop_id,
            issue.c.source == "rules",
            or_(issue.c.code == code, issue.c.retailer_id == ""),
            issue.c.resolved_at.is_(None),
            issue.c.last_seen < seen_before,
        )
        .values(resolved_at=now)
    )
