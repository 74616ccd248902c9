"""Find what is due and not under way: messages get lost, and workers die. The rows know what has to go on.

Also ends what has no hope left and clears what nobody points to any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, select

from worker.database import batches, ledger, run_state
from worker.database.engine import database_now, reading, writing
from worker.database.locks import is_held, lock_shop, release_dead
from worker.database.tables import payload, shop
from worker.database.types import to_ms
from worker.items.diff import LANES
from worker.sync import completion
from worker.sync.context import Context, Wake
from worker.sync.waking import arrived, wake_lane

# How long the copy of a request body is kept for whoever has to look into it.
_KEEP_BODY: Final = timedelta(days=3)


def sweep(context: Context, *, afresh: bool = False) -> Iterator[Wake]:
    """Look over every shop; yields what should go on.

    Args:
        afresh: Believe no wake-up to be on its way: the worker that held it may have died. Some arrive twice then.
    """
    with reading(context.engine) as connection:
        shop_ids = [row[0] for row in connection.execute(select(shop.c.id).order_by(shop.c.id))]
    found = 0
    for shop_id in shop_ids:
        with reading(context.engine) as connection:
            if not _needs_attention(connection, shop_id):
                continue
        with writing(context.engine) as connection:
            shop_row = lock_shop(connection, shop_id)
            wakes = [] if shop_row is None else _look_after(context, connection, shop_row, afresh=afresh)
        found += len(wakes)
        yield from wakes
    with writing(context.engine) as connection:
        batches.forget_bodies(connection, database_now(connection) - _KEEP_BODY)
    context.progress(f"{len(shop_ids)} shops, {found} wake-ups")


def _needs_attention(connection: Connection, shop_id: int) -> bool:
    now_ms = to_ms(database_now(connection))
    return bool(
        run_state.open_runs(connection, shop_id)
        or batches.open_batches(connection, shop_id)
        or any(ledger.are_due(connection, shop_id, lane, now_ms, 1) for lane in LANES)
        or connection.execute(select(exists().where(payload.c.shop_id == shop_id))).scalar()
    )


def _look_after(context: Context, connection: Connection, shop_row: Row[Any], *, afresh: bool) -> list[Wake]:
    now = database_now(connection)
    release_dead(connection, shop_row.id, context.is_dead)
    if afresh:
        arrived(connection, shop_row.id, "push")
        arrived(connection, shop_row.id, "settle")
    wakes: list[Wake] = []
    for run in run_state.open_runs(connection, shop_row.id):
        if shop_row.state == "active" and run.deadline < now and run.state != "held":
            wakes += completion.end_run(connection, shop_row, run, "failed", now, _out_of_time(run))
        elif run.state == "pulling" and not is_held(connection, shop_row.id, run.job, now):
            wakes.append(completion.pull_wake(shop_row, run))
        elif run.state == "queued":
            wakes += completion.wake_next(connection, shop_row, run.job)
    wakes += completion.finish_runs(connection, shop_row, now)
    wakes += wake_lane(context, connection, shop_row)
    ledger.drop_unused_payloads(connection, shop_row.id)
    return wakes


def _out_of_time(run: Row[Any]) -> str:
    if run.state == "pulling":
        return "The pull made no progress for a quarter of an hour. Look at the worker's log."
    return "Its items were not settled within a day; they stay pending and go with the next run."
