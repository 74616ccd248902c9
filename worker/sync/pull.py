"""A pull: read the store page by page and write what it says as *desired*.

One task is one slice of at most a minute. Between slices the run's row holds everything: the cursor, the bits of the
items seen, the counters. A slice begins and ends with the lease of its job; each of its transactions checks it.

The hot path looks at raw bytes only: their fingerprint equals the one on record for nearly every item of a quiet
catalog, and only the misses are decoded, normalised, checked and merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, select

from worker import failpoints
from worker.database import budgets, ledger, run_state
from worker.database.bulk import CHUNK
from worker.database.engine import database_now, reading, writing
from worker.database.locks import Lease, draw_stamp, hold, release
from worker.database.tables import schedule, shop
from worker.database.types import to_ms
from worker.errors import Fenced, Permanent, ShelfbeatError, StoreIncomplete, Transient
from worker.items.bitmap import Bitmap
from worker.items.breaker import suspicions
from worker.stores.contract import CursorExpired, Page, Store
from worker.sync import absence, completion, interruption
from worker.sync.breaker import Breaker
from worker.sync.context import MAX_DELAY_S, Context, Wake
from worker.sync.reading import PageReader
from worker.sync.slice import Pull, commit
from worker.sync.turn import later, take_lease, take_up
from worker.sync.waking import wake_lane

log = structlog.get_logger("shelfbeat.sync")

# How often the lease is renewed while the store is slow.
_RENEW_S: Final = 20.0

# How often a long pull writes down how far it is.
_COMMIT_S: Final = 2.0


def run_slice(context: Context, run_id: str) -> Iterator[Wake]:
    """Carry a run's pull on for one slice. Yields wake-ups as soon as there is something to send."""
    with reading(context.engine) as connection:
        run = run_state.get(connection, run_id)
        shop_row = None if run is None else connection.execute(select(shop).where(shop.c.id == run.shop_id)).first()
    if run is None or shop_row is None or run.state not in ("queued", "pulling"):
        return
    try:
        store = context.open_store(shop_row)
    except ShelfbeatError as error:
        yield from interruption.fail_before(context, run, error)
        return
    with closing(store):
        seed = context.seed(shop_row, store)
        with writing(context.engine, "pull.1-begin") as connection:
            begun = _begin(context, connection, run_id, store, seed)
        if isinstance(begun, list):
            yield from begun
            return
        lease, shop_row, run = begun
        pull = Pull(
            context,
            lease,
            shop_row,
            run,
            store,
            Bitmap(run.seen),
            run.cursor,
            _since(context, shop_row, run),
            Breaker.of(shop_row, run, lambda: _live(context, run.shop_id)),
            watermark=run.watermark,
        )
        try:
            yield from _go_on(pull)
        except Fenced:
            return


def _begin(
    context: Context, connection: Connection, run_id: str, store: Store, seed: int
) -> tuple[Lease, Row[Any], Row[Any]] | list[Wake]:
    """Take the job's lease and the run. The wake-ups that follow instead, where it cannot begin now."""
    turn = take_up(connection, run_id)
    if isinstance(turn, list):
        return turn
    shop_row, run, now = turn
    block = budgets.blocked(connection, [budgets.store(shop_row.store_url)], now)
    if block is not None:
        delay_s = MAX_DELAY_S if block.until is None else (block.until - now).total_seconds()
        return later(connection, shop_row, run, now, delay_s)
    if context.seed(shop_row, store) != seed:
        return later(connection, shop_row, run, now, 0)  # the mapping changed since the store was opened under it
    lease = take_lease(context, connection, turn, "pull")
    if isinstance(lease, list):
        return lease
    values: dict[str, Any] = {
        "starts": run.starts + 1,
        "state": "pulling",
        "deadline": now + run_state.PATIENCE["pulling"],
    }
    if run.state == "queued":
        stamp = draw_stamp(connection, shop_row)
        values |= {"started_at": now, "base_stamp": stamp, "item_mark": shop_row.item_seq, "seed": seed}
    elif run.seed != seed:
        # Rules, mapping or adapter changed under a running pull: what it has read so far was judged otherwise.
        values |= {"seed": seed, "cursor": None, "seen": None, **interruption.UNREAD}
    run_state.change(connection, run_id, **values)
    if shop_row.seed not in (0, seed) and run.job != "full":
        _force_full(connection, shop_row, now)
    return lease, shop_row, run_state.open_run(connection, run_id)


def _force_full(connection: Connection, shop_row: Row[Any], now: datetime) -> None:
    """What shapes the items changed since the last full: incremental pulls never show what did not change."""
    connection.execute(
        schedule.update()
        .where(
            schedule.c.shop_id == shop_row.id,
            schedule.c.job == "full",
            schedule.c.enabled,
            schedule.c.next_run_at > now,
        )
        .values(next_run_at=now)
    )


def _since(context: Context, shop_row: Row[Any], run: Row[Any]) -> str | None:
    with reading(context.engine) as connection:
        watermark: str | None = connection.execute(
            select(schedule.c.watermark).where(schedule.c.shop_id == shop_row.id, schedule.c.job == run.job)
        ).scalar()
    return watermark


def _live(context: Context, shop_id: int) -> int:
    with reading(context.engine) as connection:
        return ledger.live_count(connection, shop_id)


def _go_on(pull: Pull) -> Iterator[Wake]:
    try:
        yield from _read(pull)
    except CursorExpired:
        yield from interruption.start_over(pull)
    except Transient as error:
        yield from interruption.retry(pull, error)
    except Permanent as error:
        yield from interruption.fail(pull, str(error))


def _read(pull: Pull) -> Iterator[Wake]:
    context = pull.context
    started = committed = context.monotonic()
    reader = PageReader(pull)
    read = {pull.cursor}
    while True:
        if pull.store.one_export:
            stamp = pull.run.base_stamp
        else:
            with writing(context.engine, "pull.2-stamp") as connection:
                stamp = draw_stamp(connection, hold(connection, pull.lease))
        asked = context.monotonic()
        failpoints.before("pull.3-ask")
        page = _page(pull)
        failpoints.after("pull.3-ask")
        if not pull.store.one_export and context.monotonic() - asked > context.limits.page_age_s:
            raise Transient("The store took too long to answer: what it said may be outdated.")
        if not page.last and page.cursor in read:
            raise StoreIncomplete(
                "The store leads from one page back to a page that was read before, so its end is never reached.",
                action="Report this to whoever runs the store.",
            )
        read.add(page.cursor)
        if pull.cursor is None and pull.watermark is None:
            pull.watermark = page.watermark
        yield from reader.take(page, stamp)
        pull.cursor = page.cursor
        context.progress(f"shop={pull.shop.slug} {pull.run.job}: {pull.breaker.read} items read")
        if page.last:
            break
        now = context.monotonic()
        if now - committed >= _COMMIT_S:
            with writing(context.engine, "pull.8-save") as connection:
                commit(pull, connection, hold(connection, pull.lease))
            committed = now
        if page.pause_s or now - started >= context.limits.slice_s:
            yield from _hand_over(pull, page.pause_s)
            return
    nameless = pull.run.unidentified + pull.counts.get("unidentified", 0)
    yield from _complete(pull, whole=not page.unmodified and not nameless)


def _page(pull: Pull) -> Page[Any]:
    """Ask the store for a page. A first page may be a whole download, so the lease is renewed meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        asked = beside.submit(_ask, pull)
        while True:
            try:
                return asked.result(timeout=_RENEW_S)
            except TimeoutError:
                if asked.done():
                    raise
                with writing(pull.context.engine, "pull.4-renew") as connection:
                    hold(connection, pull.lease)


def _ask(pull: Pull) -> Page[Any]:
    if pull.run.job == "full":
        return pull.store.full(pull.cursor)
    if pull.run.job == "delta":
        return pull.store.changed(pull.since, pull.cursor)
    return pull.store.volatile(pull.since, pull.cursor)


def _hand_over(pull: Pull, pause_s: float) -> Iterator[Wake]:
    with writing(pull.context.engine, "pull.9-hand-over") as connection:
        shop_row = hold(connection, pull.lease)
        commit(pull, connection, shop_row)
        release(connection, pull.lease)
        wakes = wake_lane(pull.context, connection, shop_row)
        wakes += later(connection, shop_row, pull.run, database_now(connection), pause_s)
    yield from wakes


def _complete(pull: Pull, *, whole: bool) -> Iterator[Wake]:
    """The store was read to its end: judge what is missing, then hand the run to the lane, or to a person."""
    reasons = pull.breaker.reasons()
    if reasons:
        reasons.append("None of this is sent before somebody approves it.")
    yield from _open_gates(pull)
    if pull.run.job == "full" and whole:
        missing = yield from absence.archive_absent(pull)
        reasons += [missing] if missing else []
    doubtful = " ".join(reasons) or None
    with writing(pull.context.engine, "pull.14-complete") as connection:
        shop_row = hold(connection, pull.lease)
        commit(pull, connection, shop_row)
        wakes = _move_on(pull, connection, shop_row, whole=whole, doubtful=doubtful)
    yield from wakes


def _open_gates(pull: Pull) -> Iterator[Wake]:
    """Let go what looked improbable while it was read, and is not now that everything was."""
    with reading(pull.context.engine) as connection:
        if not ledger.holds(connection, pull.shop.id, pull.run.id):
            return
    over = pull.breaker.over() & pull.breaker.judged
    after: str | None = ""
    while after is not None:
        with writing(pull.context.engine, "pull.19-judge") as connection:
            shop_row = hold(connection, pull.lease)
            held = ledger.gated(connection, shop_row.id, pull.run.id, after)
            acked = ledger.acknowledged(connection, shop_row.id, list(held))
            opened = {
                retailer_id: want._replace(gate_run=None)
                for retailer_id, want in held.items()
                # A full holds what is missing for another reason, which is judged next.
                if (pull.run.job != "full" or want.seq in pull.seen)
                and not suspicions(acked.get(retailer_id), want) & over
            }
            ledger.put_wants(connection, shop_row.id, opened)
            wakes = wake_lane(pull.context, connection, shop_row) if opened else []
        yield from wakes
        after = max(held) if len(held) == CHUNK else None


def _move_on(
    pull: Pull, connection: Connection, shop_row: Row[Any], *, whole: bool, doubtful: str | None
) -> list[Wake]:
    now = database_now(connection)
    job = pull.run.job
    run = run_state.open_run(connection, pull.run.id)
    held = doubtful is not None and (not run.pulled or ledger.holds(connection, shop_row.id, run.id))
    values: dict[str, Any] = {}
    if whole:
        base = pull.run.base_stamp
        if job == "full":
            values = {"seed": pull.run.seed}
        if job == "full" and not held:
            values["content_floor"] = max(shop_row.content_floor, base)
        if job in ("full", "volatile") and not held:
            values["volatile_floor"] = max(shop_row.volatile_floor, base)
    if values:
        connection.execute(shop.update().where(shop.c.id == shop_row.id).values(**values))
    # The first delta after a full reaches back to that full's beginning.
    jobs = ("delta", "volatile") if job == "full" else (job,)
    if pull.watermark is not None:
        connection.execute(
            schedule.update()
            .where(schedule.c.shop_id == shop_row.id, schedule.c.job.in_(jobs))
            .values(watermark=pull.watermark)
        )
    run_state.change(
        connection,
        pull.run.id,
        state="held" if held else "pushing",
        error=doubtful if held else None,
        complete=whole,
        cursor=None,
        seen=None,
        deadline=now + run_state.PATIENCE["pushing"],
    )
    run_state.adopt(connection, shop_row.id, pull.run.id, job, to_ms(now))
    release(connection, pull.lease)
    wakes = completion.supersede(connection, shop_row, now, run)
    if held:
        log.warning("run.held", shop=shop_row.slug, run=run.id, job=job, pulled=run.pulled, reason=doubtful)
        wakes += completion.wake_next(connection, shop_row, job)
    wakes += completion.finish_runs(connection, shop_row, now)
    return wakes + wake_lane(pull.context, connection, shop_row)
