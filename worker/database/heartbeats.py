"""Signs of life: what was done last, by the database's clock. A row per name, renewed by whoever does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from worker.database.tables import heartbeat

DISPATCH: Final = "dispatch"
SWEEP: Final = "sweep"
WATCHDOG: Final = "watchdog"


def of_queue(queue: str) -> str:
    """Somebody finished a task of this queue."""
    return f"queue:{queue}"


def of_worker(node: str) -> str:
    """This worker finished a task."""
    return f"worker:{node}"


def show(connection: Connection, names: Iterable[str], now: datetime, detail: Mapping[str, Any] | None = None) -> None:
    insert = pg_insert if connection.dialect.name == "postgresql" else sqlite_insert
    for name in sorted(names):  # in one order, so that two writers lock rows in one order
        values = {"at": now, "detail": dict(detail or {})}
        statement = insert(heartbeat).values(name=name, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def find(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(heartbeat).where(heartbeat.c.name == name)).first()


def last(connection: Connection) -> dict[str, datetime]:
    """When each of them was last alive."""
    return {row.name: row.at for row in connection.execute(select(heartbeat.c.name, heartbeat.c.at))}


def sign_off(connection: Connection, name: str) -> None:
    """It ended in order, so nobody shall miss it."""
    connection.execute(heartbeat.delete().where(heartbeat.c.name == name))
