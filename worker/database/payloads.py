"""Chunks of items, encoded once by the pull; what is pending points into them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from worker.database.tables import payload, pending


def put(connection: Connection, shop_id: int, data: bytes) -> int:
    """Store one chunk and return its id."""
    statement = payload.insert().values(shop_id=shop_id, data=data).returning(payload.c.id)
    return int(connection.execute(statement).scalar_one())


def read(connection: Connection, payload_id: int) -> bytes | None:
    """One chunk; None when it was dropped."""
    data: bytes | None = connection.execute(select(payload.c.data).where(payload.c.id == payload_id)).scalar()
    return data


def drop_unused(connection: Connection, shop_id: int) -> int:
    """Delete the chunks that no pending row points into. The shop's row is locked."""
    used = select(pending.c.payload_id).where(pending.c.shop_id == shop_id, pending.c.payload_id.is_not(None))
    gone = connection.execute(payload.delete().where(payload.c.shop_id == shop_id, payload.c.id.not_in(used)))
    return gone.rowcount


def owners(connection: Connection) -> list[int]:
    """Ids of the shops that have chunks, used or not."""
    return list(connection.execute(select(payload.c.shop_id).distinct()).scalars())
