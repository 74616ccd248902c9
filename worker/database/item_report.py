"""Everything known of one item: what the store said, what was sent, when, under which handle, what Meta answered."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Row, select

from worker.database import reports
from worker.database.reports import Report, iso
from worker.database.shops import Shop
from worker.database.tables import batch, payload, pending, snapshot
from worker.database.types import from_ms
from worker.errors import BadInput

_PARTS = ((1, "content"), (2, "volatile"), (4, "archive"), (8, "delete"))
_STATUS = ("active", "archived", "deleted")
_QUARANTINE = {0: None, 1: "our rules", 2: "Meta"}
_FAR_MS = 253_402_300_799_000 - 1

# An encoded half starts with a bit mask of the fields in it; members of a JSON object without braces follow.
_MASK_BYTES = 8


class Line(Protocol):
    """One item of a batch's manifest; see ``worker.sync.manifest``."""

    @property
    def retailer_id(self) -> str: ...
    @property
    def parts(self) -> int: ...


Unpack = Callable[[bytes], Iterable[Line]]


def item(connection: Connection, shop: Shop, retailer_id: str, unpack: Unpack, batches: int = 10) -> Report:
    """One item, with the newest batches that carried it.

    Args:
        unpack: Reads the manifest of a batch.
        batches: How many batches at most.

    Raises:
        BadInput: Nothing at all is known of this id.
    """
    acknowledged = _row(connection, snapshot, shop, retailer_id)
    desired = _row(connection, pending, shop, retailer_id)
    sent = _sent(connection, shop, retailer_id, unpack, batches)
    found = reports.issues(connection, shop, resolved=True, retailer_id=retailer_id)
    if acknowledged is None and desired is None and not sent and not found:
        raise BadInput(
            f"Nothing is known of an item {retailer_id!r} in the shop {shop.slug}.",
            action="Check the id, and whether a full sync has seen the item.",
        )
    return {
        "shop": shop.slug,
        "retailer_id": retailer_id,
        "state": _state(acknowledged, desired),
        "acknowledged": _acknowledged(acknowledged),
        "desired": _desired(connection, desired),
        "sent": sent,
        "issues": found,
    }


def _row(connection: Connection, table: Any, shop: Shop, retailer_id: str) -> Row[*tuple[Any, ...]] | None:
    return connection.execute(
        select(table).where(table.c.shop_id == shop.id, table.c.retailer_id == retailer_id)
    ).one_or_none()


def _state(acknowledged: Any, desired: Any) -> str:
    """The one of five in which every item is, or ``unknown`` before it was ever seen."""
    if desired is None:
        if acknowledged is None:
            return "unknown"
        return "archived" if acknowledged.state & 1 else "acknowledged"
    if desired.batch_id is not None:
        return "in flight"
    if desired.gate_run is not None:
        return "held"
    if desired.content_quarantine or desired.volatile_quarantine:
        return "quarantined"
    return "pending" if desired.delete_at is None else "archived"


def _acknowledged(row: Any) -> Report | None:
    """Fingerprints are shown in hexadecimal; 0 means unknown."""
    if row is None:
        return None
    return {
        "status": "archived" if row.state & 1 else "active",
        "content_fp": _hex(row.content_fp),
        "volatile_fp": _hex(row.volatile_fp),
        "source_fp": _hex(row.src_fp),
    }


def _desired(connection: Connection, row: Any) -> Report | None:
    if row is None:
        return None
    content = None
    if row.payload_id is not None:
        data = connection.execute(select(payload.c.data).where(payload.c.id == row.payload_id)).scalar_one_or_none()
        if data is not None:
            content = _decode(data[row.payload_offset : row.payload_offset + row.payload_length])
    return {
        "status": _STATUS[row.status],
        "content": content,
        "volatile": None if row.volatile is None else _decode(row.volatile),
        "content_fp": _hex(row.content_fp),
        "volatile_fp": _hex(row.volatile_fp),
        "due_at": None if row.due_at >= _FAR_MS else iso(from_ms(row.due_at)),
        "retry_at": None if row.retry_at is None else iso(from_ms(row.retry_at)),
        "delete_at": None if row.delete_at is None else iso(from_ms(row.delete_at)),
        "batch": row.batch_id,
        "attempts": row.attempts,
        "content_quarantine": _QUARANTINE[row.content_quarantine],
        "volatile_quarantine": _QUARANTINE[row.volatile_quarantine],
        "held_by": row.gate_run,
        "run": row.run_id,
    }


def _sent(connection: Connection, shop: Shop, retailer_id: str, unpack: Unpack, limit: int) -> list[Report]:
    needle = retailer_id.encode()
    found: list[Report] = []
    rows = connection.execute(
        select(batch).where(batch.c.shop_id == shop.id).order_by(batch.c.id.desc()).execution_options(yield_per=20)
    )
    for row in rows:
        # Ids lie in the manifest as plain text, so nearly all batches are passed over without unpacking.
        if needle not in row.manifest:
            continue
        parts = next((line.parts for line in unpack(row.manifest) if line.retailer_id == retailer_id), None)
        if parts is None:
            continue
        found.append(
            {
                "batch": row.id,
                "carried": [name for bit, name in _PARTS if parts & bit],
                "state": row.state,
                "items": row.items,
                "sent_at": iso(row.sent_at),
                "handle": row.handle,
                "settled_at": iso(row.settled_at),
                "fbtrace_id": row.fbtrace_id,
                "error": row.error,
                "record": _record(row.body, retailer_id),
            }
        )
        if len(found) == limit:
            rows.close()
            break
    return found


def _record(body: bytes | None, retailer_id: str) -> Any:
    """The request record as it was sent; None where its body is not kept (any more). A body has one record a line."""
    if body is None:
        return None
    needle = msgspec.json.encode(retailer_id)
    for line in zlib.decompress(body).splitlines():
        if needle in line:
            record = msgspec.json.decode(line)
            if record["data"]["id"] == retailer_id:
                return record
    return None


def _decode(half: bytes) -> Any:
    return msgspec.json.decode(b"{" + half[_MASK_BYTES:] + b"}")


def _hex(fingerprint: int) -> str | None:
    return f"{fingerprint & (1 << 64) - 1:016x}" if fingerprint else None
