"""Items that Meta lists and nobody here knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from worker.database.bulk import chunks, delete, is_any
from worker.database.tables import orphan


def see(connection: Connection, shop_id: int, retailer_ids: Sequence[str], audit: datetime) -> None:
    """Note what an audit that began at ``audit`` found; seen twice in one audit counts once."""
    if not retailer_ids:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(orphan)
    statement = statement.on_conflict_do_update(
        index_elements=list(orphan.primary_key.columns),
        set_={"last_seen_at": statement.excluded.last_seen_at, "audits": orphan.c.audits + 1},
        where=orphan.c.last_seen_at < statement.excluded.last_seen_at,
    )
    fixed = {"shop_id": shop_id, "first_seen_at": audit, "last_seen_at": audit, "audits": 1, "ours": False}
    connection.execute(statement, [{"retailer_id": key} | fixed for key in sorted(retailer_ids)])


def forget_unseen(connection: Connection, shop_id: int, audit: datetime) -> None:
    """Drop what a complete audit that began at ``audit`` did not find any more."""
    connection.execute(orphan.delete().where(orphan.c.shop_id == shop_id, orphan.c.last_seen_at < audit))


def forget(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> None:
    delete(connection, orphan, shop_id, retailer_ids)


def count(connection: Connection, shop_id: int) -> int:
    return int(connection.execute(select(func.count()).where(orphan.c.shop_id == shop_id)).scalar_one())


def some(connection: Connection, shop_id: int, limit: int) -> list[str]:
    """By id."""
    statement = select(orphan.c.retailer_id).where(orphan.c.shop_id == shop_id).order_by(orphan.c.retailer_id)
    return [row[0] for row in connection.execute(statement.limit(limit))]


def repeated(connection: Connection, shop_id: int, audit: datetime, *, ours: bool) -> list[str]:
    """Those that an audit has seen and another before it, and that are ours, or not known to be, by id."""
    statement = select(orphan.c.retailer_id).where(
        orphan.c.shop_id == shop_id,
        orphan.c.audits >= 2,
        orphan.c.last_seen_at >= audit,
        orphan.c.ours.is_(ours),
    )
    return [row[0] for row in connection.execute(statement.order_by(orphan.c.retailer_id))]


def are_ours(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> None:
    for part in chunks(retailer_ids):
        connection.execute(
            orphan.update()
            .where(orphan.c.shop_id == shop_id, is_any(connection, orphan.c.retailer_id, part))
            .values(ours=True)
        )
