"""A pull that cannot go on: again from page 1, once more in a moment, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row

from schedules.due import PROMISE
from worker.database import budgets, run_state
from worker.database.engine import database_now, writing
from worker.database.locks import hold, lock_shop, release
from worker.errors import SecretUnreadable, ShelfbeatError, Throttled, Transient
from worker.sync import completion
from worker.sync.answers import stop_for
from worker.sync.context import Context, Wake
from worker.sync.slice import Pull, commit
from worker.sync.turn import later
from worker.sync.waking import wake_lane

log = structlog.get_logger("shelfbeat.sync")

# Counters that start again with the first page; what was merged stays counted.
UNREAD: Final = {"pulled": 0, "unidentified": 0, "unchanged": 0}

# What made the store forget its cursor may still go on.
_AGAIN_S: Final = 5.0


def start_over(pull: Pull) -> Iterator[Wake]:
    """The store forgot the cursor: from page 1, as the same run. What was merged stays merged.

    A store that forgets every cursor before the last page is read gets as long as the job may take.
    """
    with writing(pull.context.engine, "pull.15-start-over") as connection:
        shop_row = hold(connection, pull.lease)
        over = database_now(connection) - pull.run.started_at >= PROMISE[pull.run.job]
        if not over:
            run_state.change(connection, pull.run.id, starts=0, cursor=None, seen=None, watermark=None, **UNREAD)
            release(connection, pull.lease)
            wakes = [
                *wake_lane(pull.context, connection, shop_row),
                *later(connection, shop_row, pull.run, database_now(connection), _AGAIN_S),
            ]
    if over:
        yield from fail(pull, "The store forgets where a pull was before its last page is read.")
    else:
        yield from wakes


def retry(pull: Pull, error: Transient) -> Iterator[Wake]:
    """Wait and go on at the same page, for a while; a throttle is waited out for longer, and costs no attempt."""
    wakes: list[Wake] = []
    with writing(pull.context.engine, "pull.16-retry") as connection:
        shop_row = hold(connection, pull.lease)
        now = database_now(connection)
        since, retries = pull.run.retry_since or now, pull.run.retries
        if pull.cursor not in (None, pull.run.cursor):
            commit(pull, connection, shop_row)
            since, retries = now, 0
        if isinstance(error, Throttled):
            patience = run_state.PATIENCE["pulling"]
            until = budgets.block(connection, budgets.store(shop_row.store_url), now, error.retry_after_s, str(error))
            delay_s = (until - now).total_seconds()
        else:
            # The 30 s are for what fails, and begin with the first failure: a throttle before it was none.
            since = since if retries else now
            patience = timedelta(seconds=pull.context.limits.pull_retry_s)
            delay_s = error.retry_after_s or min(2.0**retries, 8.0)
            retries += 1
        over = now - since >= patience
        if not over:
            run_state.change(connection, pull.run.id, starts=0, retries=retries, retry_since=since)
            release(connection, pull.lease)
            wakes = later(connection, shop_row, pull.run, now, delay_s)
    if over:
        yield from fail(pull, str(error))
    else:
        log.warning("pull.retry", shop=pull.shop.slug, run=pull.run.id, job=pull.run.job, error=str(error))
        yield from wakes


def fail(pull: Pull, error: str) -> Iterator[Wake]:
    with writing(pull.context.engine, "pull.17-fail") as connection:
        shop_row = hold(connection, pull.lease)
        run_state.count(connection, pull.run.id, pull.counts)
        release(connection, pull.lease)
        wakes = completion.end_run(connection, shop_row, pull.run, "failed", database_now(connection), error)
        wakes += wake_lane(pull.context, connection, shop_row)
    yield from wakes


def fail_before(context: Context, run: Row[Any], error: ShelfbeatError) -> Iterator[Wake]:
    with writing(context.engine, "pull.18-refuse") as connection:
        shop_row = lock_shop(connection, run.shop_id)
        wakes: list[Wake] = []
        if shop_row is not None:
            now = database_now(connection)
            if isinstance(error, SecretUnreadable):
                stop_for(connection, shop_row, error, now)
            wakes = completion.end_run(connection, shop_row, run, "failed", now, str(error))
    yield from wakes
