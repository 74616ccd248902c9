"""The rows that exist once per item: what Meta confirmed, what the store says, and where its bytes lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, exists, func, literal_column, not_, or_, select

from worker.database.bulk import chunks, delete, is_any, put, update
from worker.database.tables import payload, pending, snapshot
from worker.items.diff import BY_RULES, Acked, Want

_SNAPSHOT: Final = list(snapshot.c)[1:]
_PENDING: Final = list(pending.c)[1:]


class Known(NamedTuple):
    """What is known of one item; both None: nothing."""

    acked: Acked | None
    want: Want | None


UNKNOWN: Final = Known(None, None)


class Source(NamedTuple):
    """What the hot path compares: the desired state's source fingerprint, and the item's number."""

    seq: int
    src_fp: int
    run_id: str | None
    refused: bool  # by our own rules


def sources(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> dict[str, Source]:
    """The desired state's source per known id: of the pending row if there is one, else of the snapshot."""
    found: dict[str, Source] = {}
    for row in connection.execute(
        select(snapshot.c.retailer_id, snapshot.c.seq, snapshot.c.src_fp).where(
            snapshot.c.shop_id == shop_id, is_any(connection, snapshot.c.retailer_id, retailer_ids)
        )
    ):
        found[row[0]] = Source(row[1], row[2], None, False)
    columns: list[Any] = [
        pending.c.retailer_id,
        pending.c.seq,
        pending.c.src_fp,
        pending.c.run_id,
        or_(pending.c.content_quarantine == BY_RULES, pending.c.volatile_quarantine == BY_RULES),
    ]
    for row in connection.execute(
        select(*columns).where(pending.c.shop_id == shop_id, is_any(connection, pending.c.retailer_id, retailer_ids))
    ):
        retailer_id, seq, src_fp, run_id, refused = tuple[Any, ...](row)
        found[retailer_id] = Source(seq, src_fp, run_id, bool(refused))
    return found


def volatile_fps(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Number and desired volatile fingerprint per known id."""
    found: dict[str, tuple[int, int]] = {}
    for table in (snapshot, pending):  # what is pending counts
        for retailer_id, seq, volatile_fp in connection.execute(
            select(table.c.retailer_id, table.c.seq, table.c.volatile_fp).where(
                table.c.shop_id == shop_id, is_any(connection, table.c.retailer_id, retailer_ids)
            )
        ):
            found[retailer_id] = seq, volatile_fp
    return found


def known(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> dict[str, Known]:
    acked = {row[0]: Acked(*row[1:]) for row in _rows(connection, snapshot, _SNAPSHOT, shop_id, retailer_ids)}
    wants = wanted(connection, shop_id, retailer_ids)
    return {key: Known(acked.get(key), wants.get(key)) for key in acked.keys() | wants.keys()}


def acknowledged(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> dict[str, Acked]:
    return {row[0]: Acked(*row[1:]) for row in _rows(connection, snapshot, _SNAPSHOT, shop_id, retailer_ids)}


def wanted(connection: Connection, shop_id: int, retailer_ids: Sequence[str]) -> dict[str, Want]:
    return {row[0]: Want(*row[1:]) for row in _rows(connection, pending, _PENDING, shop_id, retailer_ids)}


def _rows(
    connection: Connection, table: Any, columns: Sequence[Any], shop_id: int, retailer_ids: Sequence[str]
) -> Iterator[Any]:
    for part in chunks(retailer_ids):
        yield from connection.execute(
            select(*columns).where(table.c.shop_id == shop_id, is_any(connection, table.c.retailer_id, part))
        )


def put_wants(connection: Connection, shop_id: int, wants: Mapping[str, Want]) -> None:
    put(connection, pending, [(shop_id, key, *wants[key]) for key in sorted(wants)])


def put_acknowledged(connection: Connection, shop_id: int, rows: Mapping[str, Acked]) -> None:
    put(connection, snapshot, [(shop_id, key, *rows[key]) for key in sorted(rows)])


def put_sources(connection: Connection, shop_id: int, src_fps: Mapping[str, int]) -> None:
    update(connection, snapshot, shop_id, ["src_fp"], sorted(src_fps.items()))


def drop_wants(connection: Connection, shop_id: int, retailer_ids: Iterable[str]) -> None:
    delete(connection, pending, shop_id, sorted(retailer_ids))


def forget(connection: Connection, shop_id: int, retailer_ids: Iterable[str]) -> None:
    """Meta lost these items, or never had them: the next full finds them new."""
    delete(connection, snapshot, shop_id, sorted(retailer_ids))


def put_payload(connection: Connection, shop_id: int, data: bytes) -> int:
    statement = payload.insert().values(shop_id=shop_id, data=data).returning(payload.c.id)
    return int(connection.execute(statement).scalar_one())


def read_payload(connection: Connection, payload_id: int) -> bytes | None:
    data: bytes | None = connection.execute(select(payload.c.data).where(payload.c.id == payload_id)).scalar()
    return data


def drop_unused_payloads(connection: Connection, shop_id: int) -> int:
    """Delete the chunks that no pending row points into. The shop's row is locked."""
    used = select(pending.c.payload_id).where(pending.c.shop_id == shop_id, pending.c.payload_id.is_not(None))
    gone = connection.execute(payload.delete().where(payload.c.shop_id == shop_id, payload.c.id.not_in(used)))
    return gone.rowcount


def due(connection: Connection, shop_id: int, lane: int, now_ms: int, limit: int) -> dict[str, Want]:
    """Wants of one lane that may be picked now, oldest first."""
    rows = connection.execute(
        select(*_PENDING)
        .where(
            pending.c.shop_id == shop_id,
            pending.c.lane == lane,
            pending.c.due_at <= now_ms,
            literal_column("batch_id IS NULL AND gate_run IS NULL"),  # the partial index, word for word
        )
        .order_by(pending.c.due_at, pending.c.retailer_id)
        .limit(limit)
    )
    return {row[0]: Want(*row[1:]) for row in rows}


def next_due_ms(connection: Connection, shop_id: int, lane: int) -> int | None:
    """When the next want of a lane may be picked; in the past if one may be picked now."""
    found: int | None = connection.execute(
        select(func.min(pending.c.due_at)).where(
            pending.c.shop_id == shop_id,
            pending.c.lane == lane,
            literal_column("batch_id IS NULL AND gate_run IS NULL"),
        )
    ).scalar()
    return found


def are_due(connection: Connection, shop_id: int, lane: int, now_ms: int, number: int) -> bool:
    """Whether at least so many wants of a lane may be picked now."""
    last = (
        select(pending.c.due_at)
        .where(
            pending.c.shop_id == shop_id,
            pending.c.lane == lane,
            pending.c.due_at <= now_ms,
            literal_column("batch_id IS NULL AND gate_run IS NULL"),
        )
        .order_by(pending.c.due_at)
        .offset(number - 1)
        .limit(1)
    )
    return connection.execute(last).first() is not None


def take(connection: Connection, shop_id: int, batch_id: int, retailer_ids: Iterable[str]) -> None:
    """Mark wants as carried by an open batch."""
    update(connection, pending, shop_id, ["batch_id"], [(key, batch_id) for key in sorted(retailer_ids)])


def live_count(connection: Connection, shop_id: int) -> int:
    """Items that Meta shows: acknowledged and not archived."""
    return int(
        connection.execute(
            select(func.count()).where(snapshot.c.shop_id == shop_id, snapshot.c.state.op("&")(1) == 0)
        ).scalar_one()
    )


def numbered(connection: Connection, shop_id: int, mark: int) -> Iterator[tuple[str, bool, int]]:
    """``(retailer_id, acknowledged, seq)`` of every item up to a number that is not archived, or is not to be."""
    stream = {"yield_per": 5000}  # per statement: on the connection it would stay there
    yield from (
        (row[0], True, row[1])
        for row in connection.execute(
            select(snapshot.c.retailer_id, snapshot.c.seq).where(
                snapshot.c.shop_id == shop_id, snapshot.c.seq <= mark, snapshot.c.state.op("&")(1) == 0
            ),
            execution_options=stream,
        )
    )
    acknowledged_too = exists().where(
        and_(snapshot.c.shop_id == pending.c.shop_id, snapshot.c.retailer_id == pending.c.retailer_id)
    )
    yield from (
        (row[0], False, row[1])
        for row in connection.execute(
            select(pending.c.retailer_id, pending.c.seq).where(
                pending.c.shop_id == shop_id, pending.c.seq <= mark, pending.c.status == 0, not_(acknowledged_too)
            ),
            execution_options=stream,
        )
    )
