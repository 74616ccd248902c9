"""Rows with a value in every column that needs one, and shops as a command adds them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Engine, Integer, LargeBinary, String, Table
from sqlalchemy.types import JSON

from worker.database import shops
from worker.database.engine import writing
from worker.database.tables import batch, pending, run, shop
from worker.database.types import Instant

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


def row(table: Table, **given: Any) -> dict[str, Any]:
    kinds = {Instant: NOON, JSON: {}, Boolean: False, Integer: 0, LargeBinary: b"", String: "x"}
    values = {}
    for column in table.columns:
        if column.name in given or column.nullable or column.server_default is not None:
            continue
        if column.primary_key and column.autoincrement is True:
            continue
        values[column.name] = next(value for kind, value in kinds.items() if isinstance(column.type, kind))
    return values | given


def a_shop(**given: Any) -> dict[str, Any]:
    return row(shop, **{"state": "active", "store_url": f"https://{given['slug']}.example/f.csv"} | given)


def a_run(**given: Any) -> dict[str, Any]:
    return row(run, **{"job": "full", "started_at": NOON} | given)


def a_batch(**given: Any) -> dict[str, Any]:
    return row(batch, **{"runs": []} | given)


def a_want(**given: Any) -> dict[str, Any]:
    return row(pending, **{"lane": 1} | given)


def add_shop(
    engine: Engine, slug: str = "acme", catalog_id: str = "1", *, currency: str | None = None, now: datetime = NOON
) -> int:
    """Returns its id. It has no schedule and no credential."""
    with writing(engine) as connection:
        return shops.add(
            connection,
            slug=slug,
            store_kind="feed",
            store_url="https://shop.example/feed.csv",
            store_options={},
            mapping={},
            catalog_id=catalog_id,
            currency=currency,
            now=now,
        )
