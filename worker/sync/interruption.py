"""A pull that cannot go on: again from page 1, once more in a moment, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import structlog
from sqlalchemy import Row

from worker.database import budgets, run_state
from worker.database.engine import database_now, writing
from worker.database.locks import hold, lock_shop, release
from worker.errors import ShelfbeatError, Throttled, Transient
from worker.sync import completion
from worker.sync.context import MAX_DELAY_S, Context, Wake
from worker.sync.slice import Pull
from worker.sync.waking import wake_lane

log = structlog.get_logger("shelfbeat.sync")

# Counters that start again with the first page; what was merged stays counted.
UNREAD: Final = {"pulled": 0, "unidentified": 0, "unchanged": 0}


def start_over(pull: Pull) -> Iterator[Wake]:
    """The store forgot the cursor: from page 1, as the same run. What was merged stays merged."""
    with writing(pull.context.engine) as connection:
        shop_row = hold(connection, pull.lease)
        run_state.change(connection, pull.run.id, cursor=None, seen=None, watermark=None, **UNREAD)
        release(connection, pull.lease)
        wakes = wake_lane(pull.context, connection, shop_row)
    yield from wakes
    yield completion.pull_wake(pull.shop, pull.run)


def retry(pull: Pull, error: Transient) -> Iterator[Wake]:
    """Wait and go on at the same page, for a while; a throttle is waited out and costs no attempt."""
    with writing(pull.context.engine) as connection:
        shop_row = hold(connection, pull.lease)
        now = database_now(connection)
        if isinstance(error, Throttled):
            until = budgets.block(connection, budgets.store(shop_row.store_url), now, error.retry_after_s, str(error))
            run_state.change(connection, pull.run.id, starts=0)
            delay_s = (until - now).total_seconds()
        else:
            since = pull.run.retry_since or now
            if (now - since).total_seconds() >= pull.context.limits.pull_retry_s:
                delay_s = -1.0
            else:
                delay_s = error.retry_after_s or min(2.0**pull.run.retries, 8.0)
                run_state.change(connection, pull.run.id, starts=0, retries=pull.run.retries + 1, retry_since=since)
        if delay_s >= 0:
            release(connection, pull.lease)
    if delay_s < 0:
        yield from fail(pull, str(error))
    else:
        log.warning("pull.retry", shop=pull.shop.slug, run=pull.run.id, job=pull.run.job, error=str(error))
        yield completion.pull_wake(pull.shop, pull.run, min(delay_s, MAX_DELAY_S))


def fail(pull: Pull, error: str) -> Iterator[Wake]:
    with writing(pull.context.engine) as connection:
        shop_row = hold(connection, pull.lease)
        run_state.count(connection, pull.run.id, pull.counts)
        release(connection, pull.lease)
        wakes = completion.end_run(connection, shop_row, pull.run, "failed", database_now(connection), error)
        wakes += wake_lane(pull.context, connection, shop_row)
    yield from wakes


def fail_before(context: Context, run: Row[Any], error: ShelfbeatError) -> Iterator[Wake]:
    with writing(context.engine) as connection:
        shop_row = lock_shop(connection, run.shop_id)
        wakes = (
            []
            if shop_row is None
            else completion.end_run(connection, shop_row, run, "failed", database_now(connection), str(error))
        )
    yield from wakes
