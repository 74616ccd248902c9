"""The database of a simulated world, before anything happens in it."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from worker.database.engine import make_engine
from worker.database.tables import metadata, shop


@cache
def empty_database() -> bytes:
    """A database file with our tables and no rows: copying it is cheaper than making the tables for every world."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "empty.db"
        engine = make_engine(f"sqlite:///{path}")
        metadata.create_all(engine)
        engine.dispose()  # the last connection to close brings the write-ahead log into the file
        return path.read_bytes()


def without_safety(connection: Any, _: Any) -> None:
    # The machine does not lose power here: our crashes are exceptions.
    connection.execute("PRAGMA synchronous = OFF")


def a_shop(slug: str, catalog: str) -> Any:
    return shop.insert().values(
        slug=slug,
        store_kind="feed",
        store_url=f"https://{slug}.test/feed.csv",
        store_options={},
        mapping={},
        catalog_id=catalog,
        currency="USD",
        state="active",
        fields_sent=0,
        seed=0,
        observation_seq=0,
        item_seq=0,
        content_floor=0,
        volatile_floor=0,
        created_at=datetime(2027, 1, 1, tzinfo=UTC),
    )
