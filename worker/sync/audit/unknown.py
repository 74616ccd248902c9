"""After a call whose outcome was never known: compare its items, once what was sent again has settled.

The first copy should have landed or be gone when they were sent again. If it landed later than anybody believed, it
overwrote what was sent again, and nothing but reading Meta back can tell. So it is given as long a time once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import audits, ledger, run_state
from worker.database.bulk import chunks
from worker.database.types import to_ms
from worker.sync.audit.work import ids_of
from worker.sync.context import Context, Wake
from worker.sync.requests import Asked, queue_run

# One after another: an outage leaves many such calls behind.
_EVERY: Final = timedelta(hours=1)

# An item that changes all the time is never quite settled; after this long its batch is compared all the same.
_PATIENCE: Final = timedelta(hours=6)

_BATCHES: Final = 20


def after_unknown(context: Context, connection: Connection, shop_row: Row[Any], now: datetime) -> list[Wake]:
    """Queue an audit of the items of calls without an outcome, at most one an hour. The shop's row is locked."""
    drained = now - timedelta(seconds=context.limits.drain_s)
    rows = [row for row in audits.unaudited(connection, shop_row.id, _BATCHES) if row.settled_at <= drained]
    if not rows or shop_row.state != "active" or run_state.open_runs(connection, shop_row.id, "audit"):
        return []
    last = audits.last_asked(connection, shop_row.id)
    if last is not None and now - last < _EVERY:
        return []
    ready = [row.id for row in rows if now - row.settled_at >= _PATIENCE or _settled(connection, shop_row, row.id, now)]
    if not ready:
        return []
    return queue_run(connection, Asked(shop_row, "audit", now, "unknown", {"batches": ready})).wakes


def _settled(connection: Connection, shop_row: Row[Any], batch_id: int, now: datetime) -> bool:
    ids = sorted(ids_of(audits.manifests(connection, [batch_id])))
    return not any(_under_way(connection, shop_row, part, to_ms(now)) for part in chunks(ids))


def _under_way(connection: Connection, shop_row: Row[Any], retailer_ids: Sequence[str], now_ms: int) -> bool:
    wants = ledger.wanted(connection, shop_row.id, retailer_ids).values()
    return any(want.batch_id is not None or want.due_at <= now_ms + run_state.WAITING_MS for want in wants)
