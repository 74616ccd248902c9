"""Find what is due and not under way: messages get lost, and workers die. The rows know what has to go on.

Also ends what has no hope left, and tells what stands still all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from worker.database import audits, batches, heartbeats, ledger, outages, run_state
from worker.database.engine import database_now, reading, writing
from worker.database.locks import is_held, lock_shop, release_dead
from worker.database.tables import shop
from worker.database.types import to_ms
from worker.items.states import LANES
from worker.sync import completion
from worker.sync.audit import after_unknown
from worker.sync.context import Context, Wake
from worker.sync.turn import later
from worker.sync.waking import forget_sent, on_its_way, wake_lane
from worker.sync.watchdog import watch


def sweep(context: Context, *, afresh: bool = False) -> Iterator[Wake]:
    """Look after every shop that has work; yields what should go on.

    Args:
        afresh: Believe no wake-up to be on its way: the worker that held it may have died. Some arrive twice then.
    """
    with reading(context.engine) as connection:
        shop_ids = shops_with_work(connection, database_now(connection))
    found = 0
    for shop_id in shop_ids:
        with writing(context.engine, "sweep.1-look-after") as connection:
            shop_row = lock_shop(connection, shop_id)
            wakes = [] if shop_row is None else _look_after(context, connection, shop_row, afresh=afresh)
        found += len(wakes)
        yield from wakes
    with writing(context.engine, "sweep.2-watch") as connection:
        now = database_now(connection)
        heartbeats.show(connection, [heartbeats.SWEEP], now)
        watch(connection, now)
    context.progress(f"{len(shop_ids)} shops with work, {found} wake-ups")


def shops_with_work(connection: Connection, now: datetime) -> list[int]:
    """Ids of the shops that a sweep has to look after, in one statement: ten thousand idle ones cost a few probes each.

    A shop that does not sync has work while a run of it is open; what is pending there waits for whoever resumes it.
    """
    sends = or_(batches.shop_has_open(shop.c.id), *(ledger.shop_has_due(shop.c.id, lane, to_ms(now)) for lane in LANES))
    has_work = or_(
        run_state.shop_has_open(shop.c.id),
        and_(shop.c.state == "active", or_(sends, audits.shop_has_unaudited(shop.c.id))),
    )
    statement = select(shop.c.id).where(has_work).order_by(shop.c.id)
    return list(connection.execute(statement).scalars())


def _look_after(context: Context, connection: Connection, shop_row: Row[Any], *, afresh: bool) -> list[Wake]:
    now = database_now(connection)
    release_dead(connection, shop_row.id, context.is_dead)
    if afresh:
        forget_sent(connection, shop_row.id)
    wakes: list[Wake] = []
    for run in run_state.open_runs(connection, shop_row.id):
        if run.state == "held" or _waits(connection, run):
            continue  # it waits for a person, however long
        if shop_row.state == "active" and run.deadline < now:
            wakes += completion.end_run(connection, shop_row, run, "failed", now, _out_of_time(run))
        elif on_its_way(connection, shop_row.id, run.job, now):
            continue  # another one would only beget more of them
        elif run.state == "pulling" and not is_held(connection, shop_row.id, run.job, now):
            wakes += later(connection, shop_row, run, now, 0.0)
        elif run.state == "queued":
            wakes += completion.wake_next(connection, shop_row, run.job)
    wakes += completion.finish_runs(connection, shop_row, now)
    wakes += completion.supersede(connection, shop_row, now)
    wakes += wake_lane(context, connection, shop_row)
    wakes += after_unknown(context, connection, shop_row, now)
    return wakes


def _waits(connection: Connection, run: Row[Any]) -> bool:
    """Whether a person has stopped what the run waits for."""
    return run.state == "pushing" and outages.stopped(connection) is not None


def _out_of_time(run: Row[Any]) -> str:
    if run.state == "pulling":
        what = "audit" if run.job == "audit" else "pull"
        return f"The {what} made no progress for a quarter of an hour. Look at the worker's log."
    return "Its items were not settled within a day; they stay pending and go with the next run."
