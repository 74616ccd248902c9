"""Learn what became of what was sent. Until Meta's own handle says so, nothing counts as synced."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker import failpoints
from worker.database import batches, budgets, outages, run_state
from worker.database.engine import database_now, writing
from worker.database.locks import lock_shop
from worker.errors import (
    AppRefused,
    CatalogRefused,
    Permanent,
    SecretUnreadable,
    ShelfbeatError,
    Throttled,
    TokenRefused,
)
from worker.graph import BatchStatus, HandleUnknown
from worker.sync import conclude, outage
from worker.sync.answers import stop_for
from worker.sync.completion import finish_runs
from worker.sync.context import Context, Wake, label
from worker.sync.manifest import unpack
from worker.sync.sweep import sweep
from worker.sync.waking import arrived, asking_keys, back_at, wake_lane, wake_push

# Meta takes about two minutes; small batches and the sandbox answer at once. Polls count against a quota of
# 20,000 an hour per catalog, so the early ones cost nothing that matters.
_POLLS_S: Final = (0.5, 1.0, 2.0, 4.0, 5.0, 10.0, 10.0, 15.0, 15.0, 20.0, 30.0, 30.0, 60.0)

# How soon after an unanswered look at Meta the next one is made, where no outage says when.
_LOOK_AGAIN: Final = timedelta(seconds=30)

# One poller at a time: another may ask again when the first had time to answer.
_CLAIM: Final = timedelta(seconds=30)


def settle(context: Context, shop_id: int) -> list[Wake]:
    """Ask for every handle of a shop that is due, and resolve what can no longer land."""
    started = context.monotonic()
    wakes: list[Wake] = []
    with writing(context.engine, "settle.1-arrive") as connection:
        arrived(connection, shop_id, "settle")
        half_open = outages.awaits_probe(connection, database_now(connection))
    if half_open and outage.probe(context, shop_id):
        wakes += sweep(context)  # everybody waited for this
    while context.monotonic() - started < context.limits.slice_s:
        with writing(context.engine, "settle.2-claim") as connection:
            shop_row = lock_shop(connection, shop_id)
            if shop_row is None:
                return wakes
            asked = _next(connection, shop_row)
            asked_at = database_now(connection)
            if asked is None:
                wakes += finish_runs(connection, shop_row, database_now(connection))
                return wakes + wake_lane(context, connection, shop_row)
        if not isinstance(asked, Row):
            continue
        if asked.state != "sent":
            _judge(context, shop_row, asked)
            continue
        context.progress(f"{label(shop_row.slug, 'settle')}: handle of {asked.items} items")
        status: BatchStatus | ShelfbeatError
        failpoints.before("settle.3-ask")
        try:
            status = context.sender(shop_row).batch_status(shop_row.catalog_id, asked.handle)
        except ShelfbeatError as error:
            status = error
        failpoints.after("settle.3-ask")
        with writing(context.engine, "settle.4-conclude") as connection:
            locked = lock_shop(connection, shop_id)
            if locked is None:
                return wakes
            _record(context, connection, locked, asked.id, status, asked_at)
            wakes += finish_runs(connection, locked, database_now(connection))
            # What a finished batch set free should not wait until the other handles were asked for.
            wakes += wake_push(context, connection, locked)
    with writing(context.engine, "settle.5-leave") as connection:
        shop_row = lock_shop(connection, shop_id)
        return wakes if shop_row is None else wakes + wake_lane(context, connection, shop_row)


def _next(connection: Connection, shop_row: Row[Any]) -> Row[Any] | bool | None:
    """The batch that Meta is to be asked about now; True if one was resolved without asking; None if none is due."""
    now = database_now(connection)
    active = shop_row.state == "active"
    may_ask = (
        active
        and budgets.blocked(connection, asking_keys(shop_row), now) is None
        and back_at(connection, shop_row, (budgets.APP,), now, urgent=True) <= now
    )
    for row in batches.open_batches(connection, shop_row.id):
        if row.poll_at is None or row.poll_at > now:
            continue
        if row.state in ("unknown", "sending"):
            well = outages.well_since(connection, row.sent_at)
            if well or not active:
                _resolve(connection, shop_row, row, now, strikes=int(well))
                return True
            if may_ask:
                return row
            continue
        if row.state == "sent" and may_ask and batches.claim_poll(connection, row.id, row.poll_at, now + _CLAIM):
            return row
    return None


def _judge(context: Context, shop_row: Row[Any], row: Row[Any]) -> None:
    """Nothing has gone through since this call: while Meta answers nobody, its items are not to blame, and wait."""
    well = outage.is_well(context, shop_row)
    with writing(context.engine, "settle.6-judge") as connection:
        locked = lock_shop(connection, shop_row.id)
        if locked is None:
            return
        now = database_now(connection)
        if well:
            _resolve(connection, locked, row, now, strikes=1)
        else:
            batches.change(connection, row.id, (row.state,), poll_at=now + _LOOK_AGAIN)


def _resolve(connection: Connection, shop_row: Row[Any], row: Row[Any], now: datetime, *, strikes: int) -> None:
    """The first copy can no longer land: what it may have changed at Meta is sent again."""
    found = batches.get(connection, row.id)
    if found is not None and batches.change(connection, row.id, (row.state,), state="resolved", settled_at=now):
        conclude.reopen(
            connection,
            shop_row,
            unpack(found.manifest),
            now,
            uncertain=True,
            strikes=strikes,
            reason="Meta never said what became of this item, although it was sent alone.",
        )


def _record(
    context: Context,
    connection: Connection,
    shop_row: Row[Any],
    batch_id: int,
    status: BatchStatus | ShelfbeatError,
    asked_at: datetime,
) -> None:
    row = batches.get(connection, batch_id)
    if row is None or row.state != "sent":
        return
    now = database_now(connection)
    if isinstance(status, HandleUnknown):
        _lost(context, connection, row, now, status.message)
        outages.went_through(connection, now, asked_at)
    elif isinstance(status, ShelfbeatError):
        _unanswered(context, connection, shop_row, row, status, now)
    elif status.state == "running":
        budgets.succeeded(connection, budgets.reads(shop_row.catalog_id), now, None)
        outages.went_through(connection, now, asked_at)
        if now - row.sent_at >= timedelta(seconds=context.limits.handle_s):
            _lost(context, connection, row, now, "Meta's handle did not finish within an hour.")
        else:
            _again(connection, row, now, _POLLS_S[min(row.polls, len(_POLLS_S) - 1)])
    elif status.state == "finished":
        _finished(context, connection, shop_row, row, status, now)
        outages.went_through(connection, now, asked_at)
    else:
        _lost(context, connection, row, now, f"Meta ended the handle as '{status.state}'.")
        outages.went_through(connection, now, asked_at)


def _finished(
    context: Context, connection: Connection, shop_row: Row[Any], row: Row[Any], status: BatchStatus, now: datetime
) -> None:
    lines = unpack(row.manifest)
    mine = {line.retailer_id: line for line in lines}
    messages: dict[str, list[str]] = {}
    for retailer_id, message in status.errors:
        messages.setdefault(retailer_id, []).append(message)
    # Both lists name refused items: errors are a sample with reasons, invalid_ids repeats an id for each error.
    listed = max(len(status.invalid_ids), len(status.errors))
    if listed < status.errors_total:
        _lost(context, connection, row, now, "Meta reports more errors than it names items for.")
        return
    refused = {
        retailer_id: (mine[retailer_id], messages.get(retailer_id) or ["Meta refused this item and gave no reason."])
        for retailer_id in {*messages, *status.invalid_ids}
        if retailer_id in mine
    }
    accepted = [line for line in lines if line.retailer_id not in refused]
    if not batches.change(
        connection,
        row.id,
        ("sent",),
        state="settled",
        settled_at=now,
        accepted=len(accepted),
        rejected=row.rejected + len(refused),
        polls=row.polls + 1,
        last_poll_at=now,
    ):
        return
    budgets.succeeded(connection, budgets.reads(shop_row.catalog_id), now, None)
    conclude.accept(connection, shop_row, accepted, now)
    conclude.reject(connection, shop_row, refused, "batch", now)
    run_state.touch(connection, row.runs, "pushing", now)


def _lost(context: Context, connection: Connection, row: Row[Any], now: datetime, error: str) -> None:
    """No outcome to be had: unknown, and closed until it can no longer land."""
    batches.change(
        connection,
        row.id,
        ("sent",),
        state="unknown",
        error=error,
        polls=row.polls + 1,
        last_poll_at=now,
        poll_at=now + timedelta(seconds=context.limits.drain_s),
    )


def _unanswered(
    context: Context, connection: Connection, shop_row: Row[Any], row: Row[Any], error: ShelfbeatError, now: datetime
) -> None:
    """The question failed, not the batch."""
    wait_s = _POLLS_S[min(row.polls, len(_POLLS_S) - 1)]
    if isinstance(error, Throttled) and error.scope == "catalog":
        budgets.block(connection, budgets.reads(shop_row.catalog_id), now, error.retry_after_s, str(error))
    elif isinstance(error, (Throttled, TokenRefused, CatalogRefused, AppRefused, SecretUnreadable)):
        stop_for(connection, shop_row, error, now)
    elif isinstance(error, Permanent):
        wait_s = _POLLS_S[-1]
    else:
        outages.trouble(connection, now, str(error), of_everybody=False)
    if now - row.sent_at >= timedelta(seconds=context.limits.handle_s) and not isinstance(error, Throttled):
        _lost(context, connection, row, now, str(error))
    else:
        _again(connection, row, now, wait_s)


def _again(connection: Connection, row: Row[Any], now: datetime, wait_s: float) -> None:
    batches.change(
        connection,
        row.id,
        ("sent",),
        polls=row.polls + 1,
        last_poll_at=now,
        poll_at=now + timedelta(seconds=wait_s),
    )
