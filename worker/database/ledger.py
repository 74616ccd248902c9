"""The rows that exist once per item: what Meta confirmed, what the store says, and where its bytes lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    ScalarSelect,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from worker.database.bulk import CHUNK, chunks, delete, is_any, put, update
from worker.database.tables import pending, snapshot
from worker.items.states import BY_RULES, Acked, Want

_SNAPSHOT: Final = list(snapshot.c)[1:]
_PENDING: Final = list(pending.c)[1:]
_FREE: Final[ColumnElement[bool]] = literal_column(
    "batch_id IS NULL AND gate_run IS NULL"
)  # the partial index, word for word

# Ids and numbers alone, so that more of them fit in a page than in a chunk.
_PAGE: Final = 5000

_SHOWN: Final[ColumnElement[bool]] = snapshot.c.state.op("&")(1) == 0
_SAME_ITEM: Final = and_(snapshot.c.shop_id == pending.c.shop_id, snapshot.c.retailer_id == pending.c.retailer_id)

# May be picked when their time has come. Built once: every look at a lane asks these.
_IN_LANE: Final[tuple[ColumnElement[bool], ...]] = (
    pending.c.shop_id == bindparam("shop_id"),
    pending.c.lane == bindparam("lane"),
    _FREE,
)
_DUE: Final = pending.c.due_at <= bindparam("now_ms")
_NEXT_DUE: Final = select(func.min(pending.c.due_at)).where(*_IN_LANE)
_NTH_DUE: Final = (
    select(pending.c.due_at)
    .where(*_IN_LANE, _DUE)
    .order_by(pending.c.due_at)
    .offset(bindparam("before", type_=Integer))
    .limit(1)
)
_DUE_WANTS: Final = (
    select(*_PENDING)
    .where(*_IN_LANE, _DUE)
    .order_by(pending.c.due_at, pending.c.retailer_id)
    .limit(bindparam("at_most", type_=Integer))
)


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
    """The desired state's source per known id: of the pending row if there is one, else of the snapshot.

    That of a gated row is 0: each pull that sees it has to judge it.
    """
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
        case((pending.c.gate_run.is_(None), pending.c.src_fp), else_=0),
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
    """Number and desired volatile fingerprint per known id; that of a gated row is 0, as in ``sources``."""
    found: dict[str, tuple[int, int]] = {}
    judged = case((pending.c.gate_run.is_(None), pending.c.volatile_fp), else_=0)
    for table, column in ((snapshot, snapshot.c.volatile_fp), (pending, judged)):  # what is pending counts
        for retailer_id, seq, volatile_fp in connection.execute(
            select(table.c.retailer_id, table.c.seq, column).where(
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


def due(connection: Connection, shop_id: int, lane: int, now_ms: int, limit: int) -> dict[str, Want]:
    """Wants of one lane that may be picked now, oldest first."""
    rows = connection.execute(_DUE_WANTS, {"shop_id": shop_id, "lane": lane, "now_ms": now_ms, "at_most": limit})
    return {row[0]: Want(*row[1:]) for row in rows}


def next_due_ms(connection: Connection, shop_id: int, lane: int) -> int | None:
    """When the next want of a lane may be picked; in the past if one may be picked now."""
    found: int | None = connection.execute(_NEXT_DUE, {"shop_id": shop_id, "lane": lane}).scalar()
    return found


def are_due(connection: Connection, shop_id: int, lane: int, now_ms: int, number: int) -> bool:
    """Whether at least so many wants of a lane may be picked now."""
    nth = {"shop_id": shop_id, "lane": lane, "now_ms": now_ms, "before": number - 1}
    return connection.execute(_NTH_DUE, nth).first() is not None


def shop_has_due(shop_id: ColumnElement[int], lane: int, now_ms: int) -> ColumnElement[bool]:
    """Condition: a shop has a want of this lane that may be picked now."""
    return exists().where(pending.c.shop_id == shop_id, pending.c.lane == lane, pending.c.due_at <= now_ms, _FREE)


def oldest_due_ms(shop_id: ColumnElement[int]) -> ScalarSelect[int]:
    """Value: since when the oldest want of a shop might be picked."""
    return select(func.min(pending.c.due_at)).where(pending.c.shop_id == shop_id, _FREE).scalar_subquery()


def take(connection: Connection, shop_id: int, batch_id: int, retailer_ids: Iterable[str]) -> None:
    """Mark wants as carried by an open batch."""
    update(connection, pending, shop_id, ["batch_id"], [(key, batch_id) for key in sorted(retailer_ids)])


def live_count(connection: Connection, shop_id: int) -> int:
    """Items that Meta shows: acknowledged and not archived."""
    return int(connection.execute(select(func.count()).where(snapshot.c.shop_id == shop_id, _SHOWN)).scalar_one())


def shown(connection: Connection, shop_id: int, mark: int, after: str) -> list[tuple[str, int]]:
    """Id and number of items that Meta shows, some thousands of those behind an id, up to a number."""
    return _page(connection, snapshot, shop_id, mark, after, _SHOWN)


def not_shown(connection: Connection, shop_id: int, mark: int, after: str) -> list[tuple[str, int]]:
    """The same of wanted items that Meta does not show.

    Of an item that Meta has archived, what is pending counts: it may have come back, and gone again unsent.
    """
    stays = or_(pending.c.status == 0, pending.c.gate_run.is_not(None))
    return _page(connection, pending, shop_id, mark, after, stays, ~exists().where(_SAME_ITEM, _SHOWN))


def hidden(connection: Connection, shop_id: int, mark: int, after: str) -> list[tuple[str, int]]:
    """The same of items that Meta hides and of which nothing is wanted."""
    return _page(connection, snapshot, shop_id, mark, after, not_(_SHOWN), ~exists().where(_SAME_ITEM))


def _page(
    connection: Connection, table: Any, shop_id: int, mark: int, after: str, *conditions: ColumnElement[bool]
) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(table.c.retailer_id, table.c.seq)
        .where(table.c.shop_id == shop_id, table.c.retailer_id > after, table.c.seq <= mark, *conditions)
        .order_by(table.c.retailer_id)
        .limit(_PAGE)
    )
    return [(row[0], row[1]) for row in rows]


def leaving(connection: Connection, shop_id: int) -> list[int]:
    """Numbers of the items that Meta shows and whose removal is decided."""
    rows = connection.execute(
        select(pending.c.seq)
        .join(snapshot, _SAME_ITEM)
        .where(pending.c.shop_id == shop_id, pending.c.status != 0, pending.c.gate_run.is_(None), _SHOWN)
    )
    return [row[0] for row in rows]


def gated(connection: Connection, shop_id: int, run_id: str, after: str = "") -> dict[str, Want]:
    """A chunk of the wants that wait for the judgement on a run, by id, those behind ``after``."""
    rows = connection.execute(
        select(*_PENDING)
        .where(pending.c.shop_id == shop_id, pending.c.gate_run == run_id, pending.c.retailer_id > after)
        .order_by(pending.c.retailer_id)
        .limit(CHUNK)
    )
    return {row[0]: Want(*row[1:]) for row in rows}


def holds(connection: Connection, shop_id: int, run_id: str) -> bool:
    """Whether any want waits for the judgement on a run."""
    found = select(exists().where(pending.c.shop_id == shop_id, pending.c.gate_run == run_id))
    return bool(connection.execute(found).scalar())


def open_gates(connection: Connection, shop_id: int, run_id: str) -> int:
    """Let go what waits for the judgement on a run. Returns how many wants that are."""
    opened = connection.execute(
        pending.update().where(pending.c.shop_id == shop_id, pending.c.gate_run == run_id).values(gate_run=None)
    )
    return opened.rowcount
