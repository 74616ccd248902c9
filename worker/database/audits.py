"""What an audit asks the ledger: what settled while Meta was being read, and what has not been audited yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, exists, func, literal_column, or_, select

from worker.database.batches import open_batches
from worker.database.tables import batch, run, snapshot

_OPEN_STATES: Final = ("ready", "sending", "sent", "unknown")
_UNAUDITED: Final[ColumnElement[bool]] = literal_column(
    "state = 'resolved' AND audited_at IS NULL"
)  # the partial index, word for word


class Moment(NamedTuple):
    """A point in the life of a shop's batches.

    Attributes:
        newest: The highest number that any batch has.
        under_way: This shop's batches without an outcome.
    """

    newest: int
    under_way: tuple[int, ...]


def moment(connection: Connection, shop_id: int) -> Moment:
    newest: int | None = connection.execute(select(func.max(batch.c.id))).scalar()
    return Moment(newest or 0, tuple(row.id for row in open_batches(connection, shop_id)))


def settled_since(connection: Connection, shop_id: int, then: Moment) -> list[bytes]:
    """Manifests of the batches that have had an outcome since: what Meta showed then may be older than that."""
    statement = select(batch.c.manifest).where(
        batch.c.shop_id == shop_id,
        or_(batch.c.id > then.newest, batch.c.id.in_(then.under_way)),
        batch.c.state.not_in(_OPEN_STATES),
    )
    return [row[0] for row in connection.execute(statement)]


def walk(connection: Connection, shop_id: int, after: str, limit: int) -> list[Row[str, int, int]]:
    """``(retailer_id, seq, state)`` of acknowledged items, by id, behind ``after``."""
    return list(
        connection.execute(
            select(snapshot.c.retailer_id, snapshot.c.seq, snapshot.c.state)
            .where(snapshot.c.shop_id == shop_id, snapshot.c.retailer_id > after)
            .order_by(snapshot.c.retailer_id)
            .limit(limit)
        ).all()
    )


def unaudited(connection: Connection, shop_id: int, limit: int) -> list[Row[Any]]:
    """``(id, settled_at)`` of batches whose outcome was never known and whose items nobody has compared, oldest
    first."""
    return list(
        connection.execute(
            select(batch.c.id, batch.c.settled_at)
            .where(batch.c.shop_id == shop_id, _UNAUDITED)
            .order_by(batch.c.id)
            .limit(limit)
        )
    )


def shop_has_unaudited(shop_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Condition: there is such a batch of a shop."""
    return exists().where(batch.c.shop_id == shop_id, _UNAUDITED)


def audited(
    connection: Connection,
    shop_id: int,
    now: datetime,
    *,
    batch_ids: Sequence[int] | None = None,
    before: datetime | None = None,
) -> None:
    """Note that these batches, or all resolved before a time, were compared with Meta."""
    statement = batch.update().where(batch.c.shop_id == shop_id, _UNAUDITED)
    if batch_ids is not None:
        statement = statement.where(batch.c.id.in_(batch_ids))
    if before is not None:
        statement = statement.where(batch.c.settled_at < before)
    connection.execute(statement.values(audited_at=now))


def manifests(connection: Connection, batch_ids: Sequence[int]) -> list[bytes]:
    return [row[0] for row in connection.execute(select(batch.c.manifest).where(batch.c.id.in_(batch_ids)))]


def carried(connection: Connection, shop_id: int, before_id: int, limit: int) -> list[tuple[int, bytes]]:
    """``(id, manifest)`` of batches that Meta took or may have taken, newest first, older than a number."""
    rows = connection.execute(
        select(batch.c.id, batch.c.manifest)
        .where(batch.c.shop_id == shop_id, batch.c.id < before_id, batch.c.state.in_(("settled", "resolved")))
        .order_by(batch.c.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def last_asked(connection: Connection, shop_id: int) -> datetime | None:
    """When the newest audit of a shop was asked for."""
    return connection.execute(
        select(func.max(run.c.created_at)).where(run.c.shop_id == shop_id, run.c.job == "audit")
    ).scalar()
