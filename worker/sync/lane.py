"""The lane: the single sender of one catalog. Moves what Meta confirmed toward what the store says.

One batch is four short transactions with nothing but bytes and one call between them:

    pick      choose due items, write the batch ``ready`` with its manifest, mark the items
    commit    ready → sending, fenced, at most 2 s before the call
    (call)    POST items_batch
    record    the answer, on the batch's own row, whatever became of the lease since

A ``ready`` batch of an earlier owner never left and reopens at once. A ``sending`` one may have left: its outcome is
unknown until it can no longer land.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker import failpoints
from worker.database import batches, budgets, issues, ledger, outages, payloads, run_state
from worker.database.bulk import chunks
from worker.database.engine import database_now, reading, writing
from worker.database.locks import Lease, acquire, hold, lock_shop, release
from worker.database.tables import shop
from worker.database.types import to_ms
from worker.errors import Fenced, ShelfbeatError
from worker.graph import BatchAnswer
from worker.items import compose, compose_archive, compose_delete, mask_of
from worker.items.batching import cut
from worker.items.diff import carries_volatile, content_rests, plan, routed
from worker.items.removal import grace_ms, timed
from worker.items.states import (
    LANE_CONTENT,
    LANE_DELETE,
    LANE_STATUS,
    LANE_VOLATILE,
    UNCERTAIN_CONTENT,
    Acked,
    Op,
    Want,
)
from worker.sync import answers, conclude, outage
from worker.sync.completion import finish_runs
from worker.sync.context import Context, Wake, label
from worker.sync.manifest import ARCHIVE, CONTENT, DELETE, VOLATILE, Line, pack, runs_of, unpack
from worker.sync.sweep import sweep
from worker.sync.waking import arrived, call_at, sending_keys, wake_lane, wake_push

HESITATION_S: Final = 2.0
"""A sender that was held up longer than this between committing and calling does not call."""

_PARTS: Final = {Op.VOLATILE: VOLATILE, Op.ARCHIVE: ARCHIVE, Op.DELETE: DELETE}
_OF_LANE: Final = {
    LANE_VOLATILE: Op.VOLATILE,
    LANE_STATUS: Op.ARCHIVE,
    LANE_CONTENT: Op.CONTENT,
    LANE_DELETE: Op.DELETE,
}

# Removals are few and cheap: they need not wait behind a million contents. Nobody waits for what is hidden already.
_ORDER: Final = (LANE_VOLATILE, LANE_STATUS, LANE_CONTENT, LANE_DELETE)


@dataclass(frozen=True, slots=True)
class Picked:
    """A batch as it was committed: enough to build exactly the bytes its manifest speaks of."""

    batch_id: int
    op: Op
    wants: dict[str, Want]
    lines: list[Line]
    sent_mask: int


def push(context: Context, shop_id: int) -> list[Wake]:
    """Send what is due, batch after batch, until nothing is, or time is up."""
    started = context.monotonic()
    with writing(context.engine, "lane.1-lease") as connection:
        shop_row = lock_shop(connection, shop_id)
        if shop_row is None:
            return []
        # Noted for a stopped shop too: whoever makes it active again must not wait for this one.
        arrived(connection, shop_id, "push")
        if shop_row.state != "active":
            return []
        lease = acquire(connection, shop_id, "push", context.owner)
        if lease is None:
            return wake_push(context, connection, shop_row, busy=True)
        _clear_up(connection, shop_row, lease)
        half_open = outages.awaits_probe(connection, database_now(connection))
    wakes: list[Wake] = []
    if half_open and outage.probe(context, shop_id):
        wakes += sweep(context)  # everybody waited for this
    try:
        while context.monotonic() - started < context.limits.slice_s:
            with writing(context.engine, "lane.2-pick") as connection:
                shop_row = hold(connection, lease)
                picked = _pick(context, connection, shop_row, lease)
                wakes += finish_runs(connection, shop_row, database_now(connection))
            if picked is None:
                break
            context.progress(f"{label(shop_row.slug, 'push')}: {len(picked.lines)} items")
            _send(context, lease, shop_row, picked)
    except Fenced:
        return wakes
    with writing(context.engine, "lane.7-release") as connection:
        shop_row = lock_shop(connection, shop_id)
        release(connection, lease)
        if shop_row is not None and shop_row.state == "active":
            wakes += wake_lane(context, connection, shop_row)
    return wakes


def _clear_up(connection: Connection, shop_row: Row[Any], lease: Lease) -> None:
    """Resolve what earlier owners left between picking and recording."""
    now = database_now(connection)
    for row in batches.open_batches(connection, shop_row.id):
        if row.epoch == lease.epoch:
            continue
        if row.state == "ready":
            _give_back(connection, shop_row, row.id, now, "The sender stopped before the call.")
        elif row.state == "sending":
            # It may have left; ``poll_at`` already says until when it may land.
            batches.change(
                connection, row.id, ("sending",), state="unknown", error="The sender stopped during the call."
            )


def _give_back(connection: Connection, shop_row: Row[Any], batch_id: int, now: datetime, error: str) -> None:
    row = batches.get(connection, batch_id)
    if row is not None and batches.change(
        connection, batch_id, ("ready", "sending"), state="refused", error=error, settled_at=now
    ):
        conclude.reopen(connection, shop_row, unpack(row.manifest), now)


def _pick(context: Context, connection: Connection, shop_row: Row[Any], lease: Lease) -> Picked | None:
    """Choose what the next call carries and commit to it; None when nothing may be sent now."""
    now = database_now(connection)
    if shop_row.state != "active":
        return None
    if _is_blocked(connection, shop_row, now):
        return None
    if len(batches.waiting(connection, shop_row.id)) >= context.limits.open_batches:
        return None
    used = budgets.used_pct(connection, budgets.writes(shop_row.catalog_id), now)
    lanes = _ORDER if used < budgets.BACKGROUND_PCT else (LANE_VOLATILE,) if used < budgets.EVERYTHING_PCT else ()
    pulling = run_state.is_pulling(connection, shop_row.id)
    for lane in lanes:
        at = call_at(context, connection, shop_row, lane, now, pulling=pulling)
        if at is None or at > now:
            continue
        chosen = _choose(context, connection, shop_row, lane, now)
        if chosen:
            return _commit_pick(connection, shop_row, lease, _OF_LANE[lane], chosen, now)
    return None


def _is_blocked(connection: Connection, shop_row: Row[Any], now: datetime) -> bool:
    return budgets.blocked(connection, sending_keys(shop_row), now) is not None


def _choose(
    context: Context, connection: Connection, shop_row: Row[Any], lane: int, now: datetime
) -> dict[str, tuple[Acked | None, Want]]:
    """Due wants of one lane that go together in one call. Puts right what needs nothing, or belongs in another lane."""
    now_ms = to_ms(now)
    grace = grace_ms(shop_row.limits)
    while True:
        wants = ledger.due(connection, shop_row.id, lane, now_ms, context.limits.batch_items)
        acked = ledger.acknowledged(connection, shop_row.id, list(wants))
        chosen: dict[str, tuple[Acked | None, Want]] = {}
        moved: dict[str, Want] = {}
        dropped: list[str] = []
        for retailer_id, want in wants.items():
            op = plan(acked.get(retailer_id), want, now_ms)
            waiting: Want | None = want
            if op is Op.DELETE:
                waiting = timed(want, grace, shop_row.content_floor, now_ms)
            if op is Op.DROP or waiting is None:
                dropped.append(retailer_id)
            elif waiting.due_at > now_ms:
                moved[retailer_id] = waiting
            elif op is not _OF_LANE[lane]:
                moved[retailer_id] = routed(acked.get(retailer_id), want, now_ms)
            else:
                chosen[retailer_id] = acked.get(retailer_id), want
        ledger.drop_wants(connection, shop_row.id, dropped)
        # What the store took back is no longer anybody's problem.
        issues.resolve(connection, shop_row.id, dropped, conclude.OF_META, now)
        ledger.put_wants(connection, shop_row.id, moved)
        if chosen or not wants:
            return _that_fit(context, chosen)


def _that_fit(context: Context, chosen: dict[str, tuple[Acked | None, Want]]) -> dict[str, tuple[Acked | None, Want]]:
    """As many as one call may carry: Meta's limits, and the smaller calls in which suspects travel."""
    room = context.limits.batch_items
    fitting: list[str] = []
    sizes: list[int] = []
    for retailer_id, (_, want) in chosen.items():
        limit = want.share_limit or room
        if len(fitting) >= min(room, limit):
            if want.share_limit:
                continue
            break
        room = min(room, limit)
        fitting.append(retailer_id)
        # Room for the envelope of one record and the "" of fields that it lacks.
        sizes.append((want.payload_length or 0) + len(want.volatile or b"") + 6 * len(retailer_id) + 2048)
    count = cut(sizes, context.limits.batch_items, context.limits.batch_bytes)
    return {retailer_id: chosen[retailer_id] for retailer_id in fitting[: max(1, count)]}


def _commit_pick(
    connection: Connection,
    shop_row: Row[Any],
    lease: Lease,
    op: Op,
    chosen: dict[str, tuple[Acked | None, Want]],
    now: datetime,
) -> Picked:
    now_ms = to_ms(now)
    lines = [_line(op, retailer_id, acked, want, now_ms) for retailer_id, (acked, want) in chosen.items()]
    runs = runs_of(lines)
    batch_id = batches.add(
        connection,
        shop_row.id,
        lease.epoch,
        upsert=op is Op.CONTENT,
        items=len(lines),
        manifest=pack(lines),
        runs=runs,
        now=now,
    )
    ledger.take(connection, shop_row.id, batch_id, chosen)
    wants = {retailer_id: want for retailer_id, (_, want) in chosen.items()}
    return Picked(batch_id, op, wants, lines, shop_row.fields_sent)


def _line(op: Op, retailer_id: str, acked: Acked | None, want: Want, now_ms: int) -> Line:
    parts = _PARTS.get(op, CONTENT | (VOLATILE if carries_volatile(want, now_ms) else 0))
    whole = (
        op is not Op.VOLATILE
        or content_rests(want, now_ms)
        or (acked is not None and want.content_fp == acked.content_fp and not want.uncertain & UNCERTAIN_CONTENT)
    )
    stamp = max(want.content_stamp, want.status_stamp)
    return Line(
        retailer_id,
        parts,
        want.src_fp,
        want.content_fp,
        want.volatile_fp,
        stamp,
        want.volatile_stamp,
        want.band,
        want.run_id if whole else None,
        want.volatile_run if parts & VOLATILE else None,
    )


def _send(context: Context, lease: Lease, shop_row: Row[Any], picked: Picked) -> None:
    built = _build(context, picked)
    try:
        sender = context.sender(shop_row)
    except ShelfbeatError as error:
        with writing(context.engine, "lane.8-stop") as connection:
            shop_row = hold(connection, lease)
            now = database_now(connection)
            _give_back(connection, shop_row, picked.batch_id, now, str(error))
            answers.stop_for(connection, shop_row, error, now)
        return
    with writing(context.engine, "lane.3-commit") as connection:
        # Counted from before the switch is looked at: 'sending stop' returns once no call can follow any more.
        committed = context.monotonic()
        shop_row = hold(connection, lease)
        now = database_now(connection)
        if built is None or shop_row.state != "active" or _is_blocked(connection, shop_row, now):
            _give_back(connection, shop_row, picked.batch_id, now, "Sending was stopped, or a newer pull replaced it.")
            return
        records, mask = built
        if not batches.change(
            connection, picked.batch_id, ("ready",), state="sending", sent_at=now, poll_at=_drained(context, now)
        ):
            return
        if mask & ~shop_row.fields_sent:
            connection.execute(
                shop.update().where(shop.c.id == shop_row.id).values(fields_sent=shop_row.fields_sent | mask)
            )
        for run_id in runs_of(picked.lines):
            run_state.count(connection, run_id, {"calls": 1})
    if context.monotonic() - committed > HESITATION_S:
        with writing(context.engine, "lane.4-give-back") as connection:
            shop_row = hold(connection, lease)
            _give_back(connection, shop_row, picked.batch_id, database_now(connection), "The sender was held up.")
        return
    answer: BatchAnswer | ShelfbeatError
    with ThreadPoolExecutor(max_workers=1) as beside:
        copy = beside.submit(_compressed, records)  # while the call waits for Meta
        failpoints.before("lane.5-post")
        try:
            answer = sender.items_batch(shop_row.catalog_id, records, allow_upsert=picked.op is Op.CONTENT)
        except ShelfbeatError as error:
            answer = error
        failpoints.after("lane.5-post")
        body = copy.result()
    with writing(context.engine, "lane.6-record") as connection:
        locked = lock_shop(connection, shop_row.id)
        if locked is not None:
            batches.keep_body(connection, picked.batch_id, body)
            answers.record(context, connection, locked, picked.batch_id, answer)


def _build(context: Context, picked: Picked) -> tuple[list[bytes], int] | None:
    """The records of a call, in manifest order, and the mask of their optional fields; None if a payload is gone.

    Reads one payload chunk at a time: a call's records may come from many.
    """
    if picked.op is Op.ARCHIVE:
        return [compose_archive(line.retailer_id) for line in picked.lines], 0
    if picked.op is Op.DELETE:
        return [compose_delete(line.retailer_id) for line in picked.lines], 0
    contents: dict[str, bytes] = {}
    if picked.op is Op.CONTENT:
        places: dict[int, list[str]] = {}
        for retailer_id, want in picked.wants.items():
            places.setdefault(want.payload_id or 0, []).append(retailer_id)
        with reading(context.engine) as connection:
            for payload_id, retailer_ids in places.items():
                data = payloads.read(connection, payload_id)
                if data is None:
                    return None
                for retailer_id in retailer_ids:
                    want = picked.wants[retailer_id]
                    start = want.payload_offset or 0
                    contents[retailer_id] = data[start : start + (want.payload_length or 0)]
    mask = 0
    records = []
    for line in picked.lines:
        content = contents.get(line.retailer_id)
        volatile = picked.wants[line.retailer_id].volatile if line.parts & VOLATILE else None
        mask |= (mask_of(content) if content else 0) | (mask_of(volatile) if volatile else 0)
        records.append(compose(line.retailer_id, content, volatile, picked.sent_mask))
    return records, mask


def _compressed(records: Sequence[bytes]) -> bytes:
    packer = zlib.compressobj(1)
    # Some at a time: each call lets go of the interpreter, and waits to have it back.
    parts = [packer.compress(b"\n".join((*part, b""))) for part in chunks(records, 200)]
    return b"".join(parts) + packer.flush()


def _drained(context: Context, sent_at: datetime) -> datetime:
    return sent_at + timedelta(seconds=context.limits.drain_s)
