"""What Meta's answer to one call means for its batch, its shop and everybody's budget."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import batches, budgets, outages, run_state
from worker.database.engine import database_now
from worker.database.tables import shop
from worker.errors import (
    AppRefused,
    CallRefused,
    CallTooLarge,
    CatalogRefused,
    OutcomeUnknown,
    Permanent,
    SecretUnreadable,
    ShelfbeatError,
    Throttled,
    TokenRefused,
    Transient,
)
from worker.graph import BatchAnswer
from worker.sync import conclude
from worker.sync.completion import end_run
from worker.sync.context import Context
from worker.sync.manifest import Line, pack, unpack

_FIRST_POLL: Final = timedelta(milliseconds=300)

_EMPTY_WAIT_S: Final = 5.0


def record(
    context: Context,
    connection: Connection,
    shop_row: Row[Any],
    batch_id: int,
    answer: BatchAnswer | ShelfbeatError,
) -> None:
    """Write down the answer on the batch's own row, whoever holds the lease by now."""
    row = batches.get(connection, batch_id)
    if row is None or row.state not in ("sending", "unknown"):
        return
    now = database_now(connection)
    lines = unpack(row.manifest)
    if isinstance(answer, BatchAnswer):
        _accepted_call(connection, shop_row, row, lines, answer, now)
    elif isinstance(answer, OutcomeUnknown):
        outages.trouble(connection, now, answer.message, of_everybody=False)
        # Its items stay closed until the first copy can no longer land.
        batches.change(
            connection,
            batch_id,
            (row.state,),
            state="unknown",
            error=answer.message,
            poll_at=row.sent_at + timedelta(seconds=context.limits.drain_s),
        )
    else:
        _refused_call(connection, shop_row, row, lines, answer, now)


def stop_for(connection: Connection, shop_row: Row[Any], error: ShelfbeatError, now: datetime) -> None:
    """Meta's or a store's refusal as far as it concerns more than one call: who has to wait, and for how long.

    A refused or unreadable token stops exactly this shop, at once: no further call, its runs failed, what was not sent
    pending. Trouble of the app stops everybody, and is nobody's failure.
    """
    if isinstance(error, AppRefused) or (isinstance(error, Throttled) and error.scope == "app"):
        wait_s = error.retry_after_s if isinstance(error, Throttled) else None
        outages.trouble(connection, now, str(error), wait_s, of_everybody=True)
    elif isinstance(error, Throttled):
        key = budgets.token(shop_row.id) if error.scope == "token" else budgets.writes(shop_row.catalog_id)
        budgets.block(connection, key, now, error.retry_after_s, str(error))
    elif isinstance(error, (TokenRefused, CatalogRefused, SecretUnreadable)):
        state = "needs_token" if isinstance(error, TokenRefused) else "paused"
        connection.execute(
            shop.update()
            .where(shop.c.id == shop_row.id, shop.c.state == "active")
            .values(state=state, reason=str(error))
        )
        for run in run_state.under_way(connection, shop_row.id):
            end_run(connection, shop_row, run, "failed", now, str(error))
    elif isinstance(error, Transient):
        outages.trouble(connection, now, str(error), of_everybody=False)
        budgets.block(
            connection,
            budgets.writes(shop_row.catalog_id),
            now,
            error.retry_after_s or _pause_s(connection, shop_row),
            str(error),
        )


def _pause_s(connection: Connection, shop_row: Row[Any]) -> float:
    """A trouble that names no time passes sooner than a throttle: 1 s, doubling to a minute while it repeats."""
    return min(2.0 ** budgets.in_a_row(connection, budgets.writes(shop_row.catalog_id)), 60.0)


def _accepted_call(
    connection: Connection, shop_row: Row[Any], row: Row[Any], lines: list[Line], answer: BatchAnswer, now: datetime
) -> None:
    used = answer.usage.used_pct if answer.usage is not None else None
    budgets.succeeded(connection, budgets.writes(shop_row.catalog_id), now, used)
    refused = {
        line.retailer_id: (line, answer.refused[line.retailer_id])
        for line in lines
        if line.retailer_id in answer.refused
    }
    rest = [line for line in lines if line.retailer_id not in refused]
    if answer.handle is None:
        batches.change(
            connection,
            row.id,
            (row.state,),
            state="refused",
            settled_at=now,
            rejected=len(refused),
            fbtrace_id=answer.fbtrace_id,
            error="Meta took nothing of this call.",
        )
        conclude.reopen(
            connection,
            shop_row,
            rest,
            now,
            strikes=0 if refused else 1,
            delay_s=0.0 if refused else _EMPTY_WAIT_S,
            reason="Meta takes nothing of a call with this item, and does not say why.",
        )
    else:
        batches.change(
            connection,
            row.id,
            (row.state,),
            state="sent",
            handle=answer.handle,
            **({"items": len(rest), "manifest": pack(rest)} if refused else {}),
            rejected=len(refused),
            poll_at=now + _FIRST_POLL,
            fbtrace_id=answer.fbtrace_id,
            error=None,
        )
    conclude.reject(connection, shop_row, refused, "validation", now)
    outages.went_through(connection, now, row.sent_at)


def _refused_call(
    connection: Connection, shop_row: Row[Any], row: Row[Any], lines: list[Line], error: ShelfbeatError, now: datetime
) -> None:
    """Nothing was taken: the items may go again as soon as whatever stands in the way is gone."""
    batches.change(connection, row.id, (row.state,), state="refused", settled_at=now, error=str(error))
    stop_for(connection, shop_row, error, now)
    if isinstance(error, CallTooLarge):
        conclude.reopen(connection, shop_row, lines, now, strikes=2, reason=str(error))
        outages.went_through(connection, now, row.sent_at)
    elif isinstance(error, CallRefused):
        conclude.reopen(connection, shop_row, lines, now, strikes=1, delay_s=_EMPTY_WAIT_S, reason=str(error))
        outages.went_through(connection, now, row.sent_at)
    elif isinstance(error, Permanent):
        conclude.reopen(connection, shop_row, lines, now)
    else:
        # Code 1 and its like may be one item's doing, or an outage. In an outage nobody's calls go through.
        suspicious = not isinstance(error, Throttled) and outages.well_since(connection, row.created_at)
        conclude.reopen(connection, shop_row, lines, now, strikes=int(suspicious), reason=str(error))
