"""Forget what nobody needs any more, in small bites: see ``worker.database.retention`` for what and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from worker.database import payloads
from worker.database.engine import database_now, reading, writing
from worker.database.locks import lock_shop
from worker.database.retention import RULES, forget
from worker.sync.context import Context, Wake

# Rows per transaction: some ten milliseconds.
_CHUNK: Final = 500


def retain(context: Context) -> Iterator[Wake]:
    """One slice of forgetting; what is left is for the next one. Nothing follows from it."""
    started = context.monotonic()
    gone = 0
    for rule in RULES:
        found = _CHUNK
        while found == _CHUNK and context.monotonic() - started < context.limits.slice_s:
            with writing(context.engine, "retain.1-forget") as connection:
                found = forget(connection, rule, database_now(connection), _CHUNK)
            gone += found
    with reading(context.engine) as connection:
        shop_ids = payloads.owners(connection)
    for shop_id in shop_ids:
        if context.monotonic() - started >= context.limits.slice_s:
            break
        with writing(context.engine, "retain.2-payloads") as connection:
            if lock_shop(connection, shop_id) is not None:
                gone += payloads.drop_unused(connection, shop_id)
    context.progress(f"{gone} rows forgotten")
    yield from ()
