"""One slice of a pull at work: what it holds in memory, and how that is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from worker.database import budgets, run_state
from worker.database.engine import database_now
from worker.database.locks import Lease
from worker.items.bitmap import Bitmap
from worker.stores.contract import Store
from worker.sync.breaker import Breaker
from worker.sync.context import Context


@dataclass(slots=True)
class Pull:
    """One slice at work. ``counts`` are those not yet committed with the cursor."""

    context: Context
    lease: Lease
    shop: Row[Any]
    run: Row[Any]
    store: Store
    seen: Bitmap
    cursor: str | None
    since: str | None
    breaker: Breaker
    counts: dict[str, int] = field(default_factory=dict)
    watermark: str | None = None

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


def commit(pull: Pull, connection: Connection, shop_row: Row[Any]) -> None:
    """Write down the cursor with the bits and counts that belong to it, as one."""
    now = database_now(connection)
    run_state.change(
        connection,
        pull.run.id,
        cursor=pull.cursor,
        seen=bytes(pull.seen),
        watermark=pull.watermark,
        starts=0,
        retries=0,
        retry_since=None,
        deadline=now + run_state.PATIENCE["pulling"],
    )
    run_state.count(connection, pull.run.id, pull.counts)
    budgets.succeeded(connection, budgets.store(shop_row.store_url), now, None)
    pull.counts.clear()
