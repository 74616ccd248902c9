"""What the outcome of a batch means for each of its items. Only here does the snapshot move.

Every function runs in a transaction that holds the shop's row, and takes the manifest lines of one batch. A pending
row is compared half by half with what was sent: what the store said meanwhile stays to be sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import issues, ledger, run_state
from worker.database.issues import IssueRow
from worker.database.types import to_ms
from worker.graph import explain, is_missing
from worker.items.diff import plan, routed
from worker.items.removal import grace_ms, timed
from worker.items.states import ACTIVE, BY_META, NOT_QUARANTINED, UNCERTAIN_CONTENT, UNCERTAIN_VOLATILE, Acked, Op, Want
from worker.sync.manifest import ARCHIVE, CONTENT, DELETE, VOLATILE, Line

# Lines that speak of an item as long as it is to be removed.
_REMOVAL: Final = ARCHIVE | DELETE

_RETRY: Final = timedelta(hours=24)
_LONGEST_RETRY: Final = timedelta(days=7)

OF_META: Final = ("validation", "batch")
"""Sources of the issues that a later outcome of the same item replaces."""


def accept(connection: Connection, shop_row: Row[Any], lines: Sequence[Line], now: datetime) -> None:
    """The handle finished and lists no error for these: the snapshot takes what the manifest says was sent.

    What was deleted is forgotten, and created anew if it is back meanwhile.
    """
    now_ms = to_ms(now)
    grace = grace_ms(shop_row.limits)
    ids = [line.retailer_id for line in lines]
    known = ledger.known(connection, shop_row.id, ids)
    moved: dict[str, Acked] = {}
    kept: dict[str, Want] = {}
    deleted: list[str] = []
    done: list[str] = []
    finished: Counter[tuple[str | None, ...]] = Counter()
    for line in lines:
        before, want = known.get(line.retailer_id, ledger.UNKNOWN)
        if want is None:
            continue
        acked: Acked | None
        if line.parts & DELETE:
            acked = None
            deleted.append(line.retailer_id)
        else:
            acked = moved[line.retailer_id] = _moved(before, want, line)
        # The return of a hidden item sends it whole, so no doubt about it outlives the archive.
        if want.uncertain:
            want = want._replace(uncertain=0 if line.parts & _REMOVAL else want.uncertain & ~_doubt(line))
        want = want._replace(batch_id=None, strikes=0, share_limit=0)
        runs: tuple[str | None, ...] = (line.run_id, line.volatile_run)
        op = plan(acked, want, now_ms)
        left: Want | None = None
        if op is Op.DELETE:
            left = timed(want, grace, shop_row.content_floor, now_ms)
        elif op is not Op.DROP and (acked is not None or _is_at_hand(want)):
            left = routed(acked, _released(want, line), now_ms)
        if left is None:
            done.append(line.retailer_id)
        else:
            kept[line.retailer_id] = left
        if left is None or op is Op.DELETE:
            runs = (*runs, want.run_id, want.volatile_run)
        finished[runs] += 1
    ledger.put_acknowledged(connection, shop_row.id, moved)
    ledger.forget(connection, shop_row.id, deleted)
    ledger.put_wants(connection, shop_row.id, kept)
    ledger.drop_wants(connection, shop_row.id, done)
    counts: Counter[str] = Counter()
    for runs, number in finished.items():
        counts.update({name: number for name in runs if name is not None})
    _count(connection, counts, "accepted")
    resting = {key for key, want in kept.items() if BY_META in (want.content_quarantine, want.volatile_quarantine)}
    issues.resolve(connection, shop_row.id, [key for key in ids if key not in resting], OF_META, now)


def reject(
    connection: Connection,
    shop_row: Row[Any],
    refused: Mapping[str, tuple[Line, Sequence[str]]],
    source: str,
    now: datetime,
) -> None:
    """Meta says why it did not save these: each becomes an issue and rests in quarantine, half by half.

    An item that Meta no longer has is no bad item: its removal is done, and anything else is created anew.
    """
    now_ms = to_ms(now)
    known = ledger.known(connection, shop_row.id, sorted(refused))
    kept: dict[str, Want] = {}
    gone: list[str] = []
    lost: list[str] = []
    found: list[IssueRow] = []
    rejected: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for retailer_id, (line, messages) in refused.items():
        acked, want = known.get(retailer_id, ledger.UNKNOWN)
        if want is None:
            continue
        # Whatever an earlier call without an outcome may have changed is as uncertain as before.
        want = want._replace(batch_id=None)
        runs = [name for name in {line.run_id, line.volatile_run} if name is not None]
        if not line.parts & CONTENT and any(is_missing(message) for message in messages):
            lost.append(retailer_id)
            if line.parts & _REMOVAL and want.status != ACTIVE:
                gone.append(retailer_id)
                removed.update(runs)
                continue
            acked = None
            if not _is_at_hand(want):
                gone.append(retailer_id)
                rejected.update(runs)
            else:
                kept[retailer_id] = routed(None, want._replace(batch_id=None), now_ms)
        else:
            kept[retailer_id] = routed(acked, _quarantined(acked, want, line, messages, now_ms), now_ms)
            rejected.update(runs)
        found.extend(_issue(retailer_id, source, message) for message in messages)
    ledger.forget(connection, shop_row.id, lost)
    ledger.put_wants(connection, shop_row.id, kept)
    ledger.drop_wants(connection, shop_row.id, gone)
    issues.record(connection, shop_row.id, found, now)
    _count(connection, rejected, "rejected")
    _count(connection, removed, "accepted")


def reopen(
    connection: Connection,
    shop_row: Row[Any],
    lines: Sequence[Line],
    now: datetime,
    *,
    uncertain: bool = False,
    strikes: int = 0,
    delay_s: float = 0.0,
    reason: str = "",
) -> None:
    """These may be sent again: nothing was taken (``uncertain`` false), or nobody knows (true).

    Args:
        strikes: How much these items are suspected of spoiling the call: every second strike halves the largest call
            they may travel in, and alone they are quarantined with ``reason``.
    """
    now_ms = to_ms(now)
    known = ledger.known(connection, shop_row.id, [line.retailer_id for line in lines])
    kept: dict[str, Want] = {}
    found: list[IssueRow] = []
    rejected: Counter[str] = Counter()
    for line in lines:
        acked, want = known.get(line.retailer_id, ledger.UNKNOWN)
        if want is None:
            continue
        total = want.strikes + strikes
        want = want._replace(batch_id=None, strikes=total)
        if uncertain:
            want = want._replace(uncertain=want.uncertain | _doubt(line))
        if total // 2 > (total - strikes) // 2:
            if len(lines) == 1:
                message = reason or "Meta gave no usable answer for this item."
                want = _quarantined(acked, want, line, (message,), now_ms)._replace(strikes=0, share_limit=0)
                found.append(_issue(line.retailer_id, "batch", message))
                rejected.update(name for name in {line.run_id, line.volatile_run} if name is not None)
            else:
                want = want._replace(share_limit=max(1, len(lines) // 2))
        want = routed(acked, want, now_ms)
        if delay_s and want.due_at == now_ms:
            want = want._replace(due_at=now_ms + round(delay_s * 1000))
        kept[line.retailer_id] = want
    ledger.put_wants(connection, shop_row.id, kept)
    issues.record(connection, shop_row.id, found, now)
    _count(connection, rejected, "rejected")


def _moved(before: Acked | None, want: Want, line: Line) -> Acked:
    """The snapshot row after Meta saved this line. Halves that it has of an item we did not know of stay unknown."""
    if line.parts == CONTENT | VOLATILE:  # what nearly all are, and nothing of before is left
        seq = want.seq if before is None else before.seq
        return Acked(
            seq, line.src_fp, line.content_fp, line.volatile_fp, line.content_stamp, line.volatile_stamp, line.band << 1
        )
    before = before or Acked(want.seq, 0, 0, 0, 0, 0, 0)
    if line.parts & ARCHIVE:
        # Its return is always a miss, and nothing older than the decision to archive brings it back.
        stamp = max(before.content_stamp, line.content_stamp)
        volatile_fp = 0 if want.uncertain & UNCERTAIN_VOLATILE else before.volatile_fp
        return before._replace(src_fp=0, volatile_fp=volatile_fp, content_stamp=stamp, state=before.state | 1)
    after = before
    if line.parts & CONTENT:
        after = after._replace(content_fp=line.content_fp, content_stamp=line.content_stamp, state=after.state & ~1)
    if line.parts & VOLATILE:
        after = after._replace(
            volatile_fp=line.volatile_fp, volatile_stamp=line.volatile_stamp, state=line.band << 1 | after.state & 1
        )
    whole = after.content_fp == line.content_fp and after.volatile_fp == line.volatile_fp and not after.archived
    return after._replace(src_fp=line.src_fp if whole else 0)


def _is_at_hand(want: Want) -> bool:
    """Whether an item can be created whole. If not, its row is better dropped: the next full has all of it."""
    return want.payload_id is not None and want.volatile is not None


def _doubt(line: Line) -> int:
    """What Meta may hold otherwise while a line has no outcome. The status travels with the content.

    Nothing, if it is to be deleted: nobody sees it before and after, and a return is sent whole.
    """
    content = UNCERTAIN_CONTENT if line.parts & (CONTENT | ARCHIVE) else 0
    return content | (UNCERTAIN_VOLATILE if line.parts & VOLATILE else 0)


def _released(want: Want, line: Line) -> Want:
    """What is still to be sent belongs to whoever found it; what was accepted frees its half from quarantine."""
    if line.run_id is not None and want.run_id == line.run_id:
        want = want._replace(run_id=None)
    if line.volatile_run is not None and want.volatile_run == line.volatile_run:
        want = want._replace(volatile_run=None)
    if line.parts & CONTENT and want.content_quarantine == BY_META:
        want = want._replace(content_quarantine=NOT_QUARANTINED)
    if line.parts & VOLATILE and want.volatile_quarantine == BY_META:
        want = want._replace(volatile_quarantine=NOT_QUARANTINED)
    return want


def _quarantined(acked: Acked | None, want: Want, line: Line, messages: Sequence[str], now_ms: int) -> Want:
    """Put to rest what was refused, if it is still what the store says.

    For an item that Meta has, a refused record is blamed on the half that the messages speak of, so that the other
    half goes on; one that Meta does not have can only be created whole.
    """
    want = _released(want, line)
    if line.parts & _REMOVAL and want.status == ACTIVE:
        return want  # it is back: nothing that is refused any more
    of_volatile = all(_speaks_of_volatile(message) for message in messages)
    content = bool(line.parts & (CONTENT | _REMOVAL)) and want.content_fp == line.content_fp
    volatile = bool(line.parts & VOLATILE) and want.volatile_fp == line.volatile_fp
    if acked is None and line.parts & CONTENT:
        content = volatile = content and volatile
    elif content and volatile:
        content, volatile = not of_volatile, of_volatile
    if not content and not volatile:
        return want  # the store has changed it since
    attempts = min(want.attempts + 1, 30)
    wait = min(_RETRY * 2 ** (attempts - 1), _LONGEST_RETRY)
    return want._replace(
        attempts=attempts,
        retry_at=now_ms + wait // timedelta(milliseconds=1),
        content_quarantine=BY_META if content else want.content_quarantine,
        volatile_quarantine=BY_META if volatile else want.volatile_quarantine,
        run_id=None if want.run_id == line.run_id else want.run_id,
    )


def _speaks_of_volatile(message: str) -> bool:
    return explain(message).code.split(".")[0] in {
        "price",
        "sale_price",
        "sale_price_effective_date",
        "availability",
        "quantity_to_sell_on_facebook",
    }


def _issue(retailer_id: str, source: str, message: str) -> IssueRow:
    explained = explain(message)
    return IssueRow(retailer_id, source, explained.code, "error", explained.message, explained.action, explained.owner)


def _count(connection: Connection, counts: Counter[str], name: str) -> None:
    for run_id, number in counts.items():
        run_state.count(connection, run_id, {name: number})
