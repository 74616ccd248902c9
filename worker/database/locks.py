"""Who may change a shop's rows: the row lock of a moment, and the lease of a while.

Every transaction that changes the state of a shop locks the shop's row first (SQLite: the whole database, through
BEGIN IMMEDIATE). Such transactions are short and follow one another, so what one reads is still true when it writes,
and no statement needs guards of its own.

A lease covers longer work that makes network calls. Its fencing number, the epoch, is checked in every transaction of
that work *after* the shop's row is locked: an owner that was paused past its lease finds a larger epoch and stops.
Expiry is judged by the database's clock alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from worker.database.engine import database_now
from worker.database.tables import lease, shop
from worker.errors import Fenced

LEASE_TTL: Final = timedelta(seconds=90)

# Built once: these begin every transaction, and building a statement costs several times what executing it does.
_SHOP: Final = select(shop).where(shop.c.id == bindparam("shop_id"))
_SHOP_LOCKED: Final = _SHOP.with_for_update()
_LEASE: Final = select(lease).where(lease.c.shop_id == bindparam("shop_id"), lease.c.lane == bindparam("lane"))
_MINE: Final = (
    lease.c.shop_id == bindparam("of_shop"),
    lease.c.lane == bindparam("of_lane"),
    lease.c.epoch == bindparam("of_epoch"),
)
_RENEW: Final = lease.update().where(*_MINE, lease.c.owner.is_not(None)).values(expires_at=bindparam("until"))
_RELEASE: Final = lease.update().where(*_MINE).values(owner=None)
_DRAW: Final = (
    shop.update()
    .where(shop.c.id == bindparam("of_shop"))
    .values(observation_seq=shop.c.observation_seq + 1)
    .returning(shop.c.observation_seq)
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease. ``lane`` is "push", or the job whose pull it covers."""

    shop_id: int
    lane: str
    epoch: int


def lock_shop(connection: Connection, shop_id: int) -> Row[Any] | None:
    """Lock one shop's row to the end of this transaction; None if the shop is gone."""
    statement = _SHOP_LOCKED if connection.dialect.name == "postgresql" else _SHOP
    return connection.execute(statement, {"shop_id": shop_id}).first()


def acquire(connection: Connection, shop_id: int, lane: str, owner: str) -> Lease | None:
    """Take the lease if it is free or has expired; None while somebody else holds it. The shop's row is locked."""
    now = database_now(connection)
    held = connection.execute(_LEASE, {"shop_id": shop_id, "lane": lane}).first()
    if held is not None and held.owner is not None and held.expires_at > now:
        return None
    epoch = 1 if held is None else held.epoch + 1
    insert = pg_insert if connection.dialect.name == "postgresql" else sqlite_insert
    values = {"epoch": epoch, "owner": owner, "expires_at": now + LEASE_TTL}
    statement = insert(lease).values(shop_id=shop_id, lane=lane, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["shop_id", "lane"], set_=values))
    return Lease(shop_id, lane, epoch)


def hold(connection: Connection, held: Lease) -> Row[Any]:
    """Lock the shop, check that the lease is still ours, and renew it. Raises ``Fenced`` otherwise."""
    row = lock_shop(connection, held.shop_id)
    if row is None:
        raise Fenced(f"Shop {held.shop_id} is gone.")
    renewed = connection.execute(_RENEW, {**_mine(held), "until": database_now(connection) + LEASE_TTL})
    if renewed.rowcount != 1:
        raise Fenced(f"The {held.lane} lease of shop {held.shop_id} has a new owner.")
    return row


def release(connection: Connection, held: Lease) -> None:
    connection.execute(_RELEASE, _mine(held))


def _mine(held: Lease) -> dict[str, object]:
    return {"of_shop": held.shop_id, "of_lane": held.lane, "of_epoch": held.epoch}


def release_dead(connection: Connection, shop_id: int, is_dead: Callable[[str], bool]) -> None:
    """Free the leases of processes that certainly no longer live, instead of waiting for them to expire.

    The epoch grows with the next owner as ever, so a process wrongly called dead would be fenced, not obeyed.
    """
    held = connection.execute(select(lease).where(lease.c.shop_id == shop_id, lease.c.owner.is_not(None))).all()
    for row in held:
        if is_dead(row.owner):
            release(connection, Lease(shop_id, row.lane, row.epoch))


def is_held(connection: Connection, shop_id: int, lane: str, now: datetime) -> bool:
    row = connection.execute(_LEASE, {"shop_id": shop_id, "lane": lane}).first()
    return row is not None and row.owner is not None and row.expires_at > now


def draw_stamp(connection: Connection, shop_row: Row[Any]) -> int:
    """The next observation stamp of a shop, whose row is locked: greater than that of every request made so far."""
    stamp: int = connection.execute(_DRAW, {"of_shop": shop_row.id}).scalar_one()
    return stamp
