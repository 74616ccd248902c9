"""Graph calls as rows: ready → sending → sent → settled, or refused, or unknown → resolved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, exists, func, literal_column, select

from worker.database.tables import batch

IS_OPEN: Final[ColumnElement[bool]] = literal_column(
    "batch.state IN ('ready', 'sending', 'sent', 'unknown')"
)  # the partial index, word for word
_COLUMNS: Final[list[Any]] = [column for column in batch.c if column.name not in ("body", "manifest")]

# Built once: every look at a lane asks these.
_OPEN_OF_SHOP: Final = select(*_COLUMNS).where(batch.c.shop_id == bindparam("shop_id"), IS_OPEN).order_by(batch.c.id)
_NEXT_POLL: Final = select(func.min(batch.c.poll_at)).where(batch.c.shop_id == bindparam("shop_id"), IS_OPEN)
_WITH_MANIFEST: Final[Select[Any]] = select(*_COLUMNS, batch.c.manifest).where(batch.c.id == bindparam("batch_id"))


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
    return list(connection.execute(_OPEN_OF_SHOP, {"shop_id": shop_id}))


def shop_has_open(shop_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Condition: a shop has a batch without an outcome."""
    return exists().where(batch.c.shop_id == shop_id, IS_OPEN)


def waiting(connection: Connection, shop_id: int) -> list[Row[Any]]:
    """Open batches that take a place in the lane: one whose outcome is unknown holds its items, not the others."""
    return [row for row in open_batches(connection, shop_id) if row.state != "unknown"]


def get(connection: Connection, batch_id: int) -> Row[Any] | None:
    return connection.execute(_WITH_MANIFEST, {"batch_id": batch_id}).first()


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
    found: datetime | None = connection.execute(_NEXT_POLL, {"shop_id": shop_id}).scalar()
    return found


def keep_body(connection: Connection, batch_id: int, body: bytes) -> None:
    connection.execute(batch.update().where(batch.c.id == batch_id).values(body=body))
