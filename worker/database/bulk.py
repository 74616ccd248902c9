"""Bulk statements for the hot path: one statement per chunk, no object per row.

SQLite takes ``executemany`` on the raw driver and arrays as JSON; PostgreSQL takes arrays and ``unnest``, which costs
its server about half of what ``executemany`` does. Both sides are built from the table definitions.

Every function expects to run inside a transaction that holds the shop's row (see ``worker.database.locks``), so what
it reads is what it writes over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql

T = TypeVar("T")

CHUNK = 1000
"""Ids per look-up: 250 to 5,000 measured alike, and memory stays small."""


def chunks(rows: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def is_any(connection: Connection, column: Column[Any], values: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
    """``column`` is one of ``values``, as one array parameter instead of a thousand."""
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(values), type_=postgresql.ARRAY(column.type)))
    return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


@lru_cache(maxsize=64)
def _put_sql(table: Table, dialect: str) -> str:
    names = [column.name for column in table.columns]
    key = [column.name for column in table.primary_key]
    rest = [name for name in names if name not in key]
    updates = ", ".join(f"{name} = excluded.{name}" for name in rest)
    head = f"INSERT INTO {table.name} ({', '.join(names)})"
    tail = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"
    if dialect == "postgresql":
        arrays = ", ".join(f"%s::{_pg_type(column)}[]" for column in table.columns)
        return f"{head} SELECT * FROM unnest({arrays}) {tail}"  # noqa: S608 - names come from the table definitions
    return f"{head} VALUES ({', '.join('?' * len(names))}) {tail}"


def _pg_type(column: Column[Any]) -> str:
    compiled: str = column.type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped
    return compiled.partition(" COLLATE ")[0]


def put(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows or replace them by primary key. ``rows`` hold every column in table order; keys are distinct."""
    if not rows:
        return
    dialect = connection.dialect.name
    sql = _put_sql(table, dialect)
    if dialect == "postgresql":
        columns = tuple(list(values) for values in zip(*rows, strict=True))
        connection.exec_driver_sql(sql, columns)
    else:
        connection.exec_driver_sql(sql, [tuple(row) for row in rows])


def update(
    connection: Connection, table: Table, shop_id: int, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Set some columns of rows of one shop. Each row is ``(retailer_id, *values)`` in the order of ``names``."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        types = [_pg_type(table.c.retailer_id), *(_pg_type(table.c[name]) for name in names)]
        arrays = ", ".join(f"%s::{kind}[]" for kind in types)
        sets = ", ".join(f"{name} = given.{name}" for name in names)
        given = f"unnest({arrays}) AS given(retailer_id, {', '.join(names)})"
        same = "stored.shop_id = %s AND stored.retailer_id = given.retailer_id"
        sql = f"UPDATE {table.name} AS stored SET {sets} FROM {given} WHERE {same}"  # noqa: S608 - as above
        columns = [list(values) for values in zip(*rows, strict=True)]
        connection.exec_driver_sql(sql, (*columns, shop_id))
    else:
        sets = ", ".join(f"{name} = ?" for name in names)
        sql = f"UPDATE {table.name} SET {sets} WHERE shop_id = ? AND retailer_id = ?"  # noqa: S608 - as above
        connection.exec_driver_sql(sql, [(*values, shop_id, retailer_id) for retailer_id, *values in rows])


def delete(connection: Connection, table: Table, shop_id: int, retailer_ids: Iterable[str]) -> None:
    for part in chunks(list(retailer_ids)):
        connection.execute(
            table.delete().where(table.c.shop_id == shop_id, is_any(connection, table.c.retailer_id, part))
        )
