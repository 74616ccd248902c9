"""Graph calls as rows: ready → sending → sent → settled, or refused, or unknown → resolved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, literal_column, select

from worker.database.tables import batch

_OPEN: Final[ColumnElement[bool]] = literal_column(
    "state IN ('ready', 'sending', 'sent', 'unknown')"
)  # the partial index, word for word
_COLUMNS: Final = [column for column in batch.c if column.name not in ("body", "manifest")]


def add(
    connection: Connection,
    shop_id: int,
    epoch: int,
    *,
    upsert: bool,
    items: int,
    manifest: bytes,
    runs: Sequence[str],
    now: datetime,
) -> int:
    statement = (
        batch.insert().values(
            shop_id=shop_id,
            epoch=epoch,
            state="ready",
            upsert=upsert,
            items=items,
            manifest=manifest,
            runs=list(runs),
            created_at=now,
            polls=0,
            accepted=0,
            rejected=0,
        )
    ).returning(batch.c.id)
    return int(connection.execute(statement).scalar_one())


def open_batches(connection: Connection, shop_id: int) -> list[Row[Any]]:
    """Batches without an outcome, oldest first, without manifest and body."""
    return list(connection.execute(select(*_COLUMNS).where(batch.c.shop_id == shop_id, _OPEN).order_by(batch.c.id)))


def waiting(connection: Connection, shop_id: int) -> list[Row[Any]]:
    """Open batches that take a place in the lane: one whose outcome is unknown holds its items, not the others."""
    return [row for row in open_batches(connection, shop_id) if row.state != "unknown"]


def get(connection: Connection, batch_id: int) -> Row[Any] | None:
    columns: list[Any] = [*_COLUMNS, batch.c.manifest]
    return connection.execute(select(*columns).where(batch.c.id == batch_id)).first()


def change(connection: Connection, batch_id: int, expected: Sequence[str], **values: Any) -> bool:
    """Compare-and-set: change the batch if it is still in one of the expected states."""
    done = connection.execute(
        batch.update().where(batch.c.id == batch_id, batch.c.state.in_(expected)).values(**values)
    )
    return done.rowcount == 1


def claim_poll(connection: Connection, batch_id: int, seen_poll_at: datetime | None, until: datetime) -> bool:
    """Let one of several pollers ask: the others see a later time."""
    done = connection.execute(
        batch.update()
        .where(batch.c.id == batch_id, batch.c.state == "sent", batch.c.poll_at.is_not_distinct_from(seen_poll_at))
        .values(poll_at=until)
    )
    return done.rowcount == 1


def next_poll(connection: Connection, shop_id: int) -> datetime | None:
    """When the next open batch wants attention."""
    found: datetime | None = connection.execute(
        select(func.min(batch.c.poll_at)).where(batch.c.shop_id == shop_id, _OPEN)
    ).scalar()
    return found


def keep_body(connection: Connection, batch_id: int, body: bytes) -> None:
    connection.execute(batch.update().where(batch.c.id == batch_id).values(body=body))


def forget_bodies(connection: Connection, before: datetime) -> None:
    """Drop the copies of request bodies made before a time; the manifests stay."""
    connection.execute(batch.update().where(batch.c.created_at < before, batch.c.body.is_not(None)).values(body=None))
