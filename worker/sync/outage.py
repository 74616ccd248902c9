"""Is Meta well? A read of the shop's catalog, which takes and changes nothing, asked where nothing else can tell."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from worker import failpoints
from worker.database import budgets, outages
from worker.database.engine import database_now, writing
from worker.database.locks import lock_shop
from worker.errors import CatalogRefused, SecretUnreadable, ShelfbeatError, Throttled, TokenRefused, Transient
from worker.graph import Catalog
from worker.sync.answers import stop_for
from worker.sync.context import Context


def probe(context: Context, shop_id: int) -> bool:
    """End an outage whose wait is over, if Meta answers. Of all processes one asks. Returns whether it ended."""
    with writing(context.engine, "probe.1-claim") as connection:
        shop_row = lock_shop(connection, shop_id)
        if shop_row is None or shop_row.state != "active":
            return False
        if not outages.claim_probe(connection, database_now(connection)):
            return False
    answer = _ask(context, shop_row)
    with writing(context.engine, "probe.3-judge") as connection:
        locked = lock_shop(connection, shop_id)
        now = database_now(connection)
        if isinstance(answer, Catalog):
            outages.probe_went_through(connection, now)
            return True
        if _is_the_shops(answer):
            if locked is not None:
                stop_for(connection, locked, answer, now)
            outages.probe_says_nothing(connection, now)
        else:
            wait_s = answer.retry_after_s if isinstance(answer, Transient) else None
            outages.probe_failed(connection, now, str(answer), wait_s)
    return False


def is_well(context: Context, shop_row: Row[Any]) -> bool:
    """Whether Meta answers this shop now: without that, silence about a call is no item's doing."""
    answer = _ask(context, shop_row)
    with writing(context.engine, "probe.4-note") as connection:
        locked = lock_shop(connection, shop_row.id)
        now = database_now(connection)
        if isinstance(answer, Catalog):
            outages.went_through(connection, now, now)
            return True
        if isinstance(answer, Throttled) and answer.scope == "catalog":
            budgets.block(connection, budgets.reads(shop_row.catalog_id), now, answer.retry_after_s, str(answer))
        elif locked is not None:
            stop_for(connection, locked, answer, now)
    return False


def _ask(context: Context, shop_row: Row[Any]) -> Catalog | ShelfbeatError:
    answer: Catalog | ShelfbeatError
    failpoints.before("probe.2-ask")
    try:
        answer = context.sender(shop_row).catalog(shop_row.catalog_id)
    except ShelfbeatError as error:
        answer = error
    failpoints.after("probe.2-ask")
    return answer


def _is_the_shops(error: ShelfbeatError) -> bool:
    """An answer about one shop says nothing of the app: the next shop has to ask."""
    if isinstance(error, Throttled):
        return error.scope != "app"
    return isinstance(error, (TokenRefused, CatalogRefused, SecretUnreadable))
