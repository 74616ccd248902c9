"""Carry an audit on for a few seconds, and what to do where Meta does not play along."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row

from worker.database import audits, budgets, issues, run_state
from worker.database.engine import database_now, writing
from worker.database.locks import hold, release
from worker.errors import (
    AppRefused,
    CallRefused,
    CallTooLarge,
    CatalogRefused,
    Fenced,
    Permanent,
    SecretUnreadable,
    ShelfbeatError,
    Throttled,
    TokenRefused,
    Transient,
)
from worker.sync import completion
from worker.sync.answers import stop_for
from worker.sync.audit import listing, orphans, repair
from worker.sync.audit.work import Audit, Progress, Sightings, begin, save
from worker.sync.context import MAX_DELAY_S, Context, Wake
from worker.sync.interruption import UNREAD
from worker.sync.requests import Asked, queue_run
from worker.sync.turn import later, take_lease, take_up
from worker.sync.waking import asking_keys, back_at, wake_lane

log = structlog.get_logger("shelfbeat.sync")

# How often a long audit writes down how far it is.
_COMMIT_S: Final = 2.0

# How long background work waits while most of the quota is used up.
_SPENT_S: Final = 30.0

_RESTARTS: Final = 3
_SMALLEST_PAGE: Final = 10


def run_slice(context: Context, run_id: str) -> Iterator[Wake]:
    """Carry a run's audit on for one slice."""
    with writing(context.engine, "audit.1-begin") as connection:
        begun = _begin(context, connection, run_id)
    if not isinstance(begun, Audit):
        yield from begun
        return
    try:
        yield from _go_on(begun)
    except Fenced:
        return


def _begin(context: Context, connection: Connection, run_id: str) -> Audit | list[Wake]:
    """Take the job's lease and the run. The wake-ups that follow instead, where it cannot begin now."""
    turn = take_up(connection, run_id)
    if isinstance(turn, list):
        return turn
    shop_row, run, now = turn
    if run.state == "queued":
        # Also where it has to wait at once: it is taken up, and the watchdog need not ask why nobody does.
        run_state.change(connection, run_id, state="pulling", started_at=now, item_mark=shop_row.item_seq)
    wait_s = _must_wait_s(connection, shop_row, now)
    if wait_s:
        return _wait(connection, shop_row, run, now, wait_s)
    lease = take_lease(context, connection, turn, "audit")
    if isinstance(lease, list):
        return lease
    run_state.change(connection, run_id, starts=run.starts + 1, deadline=now + run_state.PATIENCE["pulling"])
    return begin(context, lease, shop_row, run_state.open_run(connection, run_id))


def _must_wait_s(connection: Connection, shop_row: Row[Any], now: datetime) -> float:
    """Seconds for which Meta is not to be asked; 0: ask."""
    keys = asking_keys(shop_row)
    block = budgets.blocked(connection, keys, now)
    if block is not None:
        return max((block.until - now).total_seconds(), 1.0) if block.until is not None else MAX_DELAY_S
    turn = back_at(connection, shop_row, keys, now, urgent=False)
    if turn > now:
        return (turn - now).total_seconds()
    spent = budgets.used_pct(connection, budgets.reads(shop_row.catalog_id), now) >= budgets.BACKGROUND_PCT
    return _SPENT_S if spent else 0.0


def _wait(connection: Connection, shop_row: Row[Any], run: Row[Any], now: datetime, wait_s: float) -> list[Wake]:
    """Go on after a wait that is not the audit's fault: its patience begins anew behind it."""
    until = now + timedelta(seconds=wait_s) + run_state.PATIENCE["pulling"]
    run_state.change(connection, run.id, deadline=until, starts=0)
    return later(connection, shop_row, run, now, wait_s)


def _go_on(audit: Audit) -> Iterator[Wake]:
    try:
        yield from _work(audit)
    except CallTooLarge as error:
        audit.progress.page //= 2
        if audit.progress.page < _SMALLEST_PAGE:
            yield from _fail(audit, str(error))
        else:
            yield from _hand_over(audit)
    except CallRefused as error:
        listing_on = audit.progress.phase == "listing" and audit.progress.after is not None
        if listing_on and audit.progress.restarts < _RESTARTS:
            yield from _start_over(audit)
        else:
            yield from _fail(audit, str(error))
    except (Throttled, TokenRefused, CatalogRefused, SecretUnreadable, AppRefused) as error:
        yield from _stop(audit, error)
    except Transient as error:
        yield from _retry(audit, error)
    except Permanent as error:
        yield from _fail(audit, str(error))


def _work(audit: Audit) -> Iterator[Wake]:
    context = audit.context
    started = committed = context.monotonic()
    while True:
        if audit.progress.phase == "listing":
            if listing.read_page(audit):
                reason = listing.disbelief(audit)
                if reason is not None:
                    yield from _fail(audit, reason)
                    return
                _save(audit)  # with the last of the orphans
                yield from orphans.conclude(audit)
                audit.progress.phase, audit.progress.after = "repair", None
        elif (yield from repair.repair_some(audit)):
            yield from _complete(audit)
            return
        now = context.monotonic()
        context.progress(f"shop={audit.shop.slug} audit: {audit.progress.phase}, {audit.progress.listed} items listed")
        spent = audit.used_pct is not None and audit.used_pct >= budgets.BACKGROUND_PCT
        if spent or now - started >= context.limits.slice_s:
            yield from _hand_over(audit, _SPENT_S if spent else 0.0)
            return
        if now - committed >= _COMMIT_S:
            _save(audit)
            committed = now


def _save(audit: Audit) -> None:
    with writing(audit.context.engine, "audit.3-save") as connection:
        hold(connection, audit.lease)
        save(audit, connection)


def _hand_over(audit: Audit, delay_s: float = 0.0) -> Iterator[Wake]:
    with writing(audit.context.engine, "audit.10-hand-over") as connection:
        shop_row = hold(connection, audit.lease)
        save(audit, connection)
        release(connection, audit.lease)
        wakes = later(connection, shop_row, audit.run, database_now(connection), delay_s)
    yield from wakes


def _complete(audit: Audit) -> Iterator[Wake]:
    """Everything was compared: what it made pending is left to the lane."""
    with writing(audit.context.engine, "audit.11-complete") as connection:
        shop_row = hold(connection, audit.lease)
        save(audit, connection)
        now = database_now(connection)
        if audit.partial:
            audits.audited(connection, shop_row.id, now, batch_ids=audit.run.scope["batches"])
        else:
            audits.audited(connection, shop_row.id, now, before=audit.run.started_at)
            # What still differed was found again, and what waits to be sent is about to be equal.
            codes = (*repair.CODES, *orphans.CODES)
            issues.resolve_unseen(connection, shop_row.id, "diagnostics", codes, audit.run.started_at, now)
        run_state.change(
            connection,
            audit.run.id,
            state="pushing",
            complete=True,
            cursor=None,
            seen=None,
            deadline=now + run_state.PATIENCE["pushing"],
        )
        release(connection, audit.lease)
        wakes = completion.finish_runs(connection, shop_row, now)
        if audit.progress.needs_full:
            wakes += queue_run(connection, Asked(shop_row, "full", now, "audit")).wakes
        wakes += wake_lane(audit.context, connection, shop_row)
    yield from wakes


def _start_over(audit: Audit) -> Iterator[Wake]:
    """Meta does not take its own cursor any more: from page 1, as the same run."""
    fresh = Progress(page=audit.progress.page, restarts=audit.progress.restarts + 1)
    with writing(audit.context.engine, "audit.12-start-over") as connection:
        shop_row = hold(connection, audit.lease)
        audit.progress, audit.seen = fresh, Sightings()
        for name in UNREAD:
            audit.counts.pop(name, None)
        run_state.change(connection, audit.run.id, **UNREAD)
        save(audit, connection)
        release(connection, audit.lease)
        wakes = later(connection, shop_row, audit.run, database_now(connection), 0.0)
    yield from wakes


def _stop(audit: Audit, error: ShelfbeatError) -> Iterator[Wake]:
    """Trouble of more than this call: whoever it concerns waits, or the shop stops."""
    with writing(audit.context.engine, "audit.13-stop") as connection:
        shop_row = hold(connection, audit.lease)
        save(audit, connection)
        release(connection, audit.lease)
        now = database_now(connection)
        if isinstance(error, Throttled) and error.scope == "catalog":
            reads = budgets.reads(shop_row.catalog_id)
            budgets.block(connection, reads, now, error.retry_after_s, str(error))
        else:
            stop_for(connection, shop_row, error, now)
        run = run_state.open_run(connection, audit.run.id)
        wakes = []
        if run.state == "pulling":
            wakes = _wait(connection, shop_row, run, now, _must_wait_s(connection, shop_row, now) or 1.0)
    yield from wakes


def _retry(audit: Audit, error: Transient) -> Iterator[Wake]:
    """Wait and ask again, for a while. What was read so far is kept."""
    answered = bool(audit.counts)
    wakes: list[Wake] = []
    with writing(audit.context.engine, "audit.14-retry") as connection:
        shop_row = hold(connection, audit.lease)
        now = database_now(connection)
        since = now if answered else audit.run.retry_since or now
        retries = 0 if answered else audit.run.retries
        save(audit, connection)
        delay_s = error.retry_after_s or min(2.0**retries, 8.0)
        gives_up = (now - since).total_seconds() >= audit.context.limits.pull_retry_s
        run_state.change(connection, audit.run.id, retries=retries + 1, retry_since=since)
        if not gives_up:
            release(connection, audit.lease)
            wakes = later(connection, shop_row, audit.run, now, delay_s)
    if gives_up:
        yield from _fail(audit, str(error))
    else:
        log.warning("audit.retry", shop=audit.shop.slug, run=audit.run.id, error=str(error))
        yield from wakes


def _fail(audit: Audit, reason: str) -> Iterator[Wake]:
    with writing(audit.context.engine, "audit.15-fail") as connection:
        shop_row = hold(connection, audit.lease)
        save(audit, connection)
        release(connection, audit.lease)
        wakes = completion.end_run(connection, shop_row, audit.run, "failed", database_now(connection), reason)
        wakes += wake_lane(audit.context, connection, shop_row)
    yield from wakes
