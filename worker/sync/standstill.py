"""Work of a shop that lies although it might go on: asked of rows alone.

Whoever is paused, held, throttled or stopped on purpose waits; that is not standing still.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, exists, func, literal, or_, select

from worker.database import batches, budgets, ledger, run_state
from worker.database.bulk import is_any
from worker.database.run_state import ACTIVE, PATIENCE
from worker.database.tables import batch, budget, lease, run, shop
from worker.database.types import from_ms, to_ms
from worker.items.states import LANES
from worker.sync.context import queue_of

PATIENCE_S: Final = 180.0
"""Everything goes on by itself within three minutes. What has not by then stands still."""

STANDSTILL: Final = timedelta(seconds=PATIENCE_S)
_RAMP: Final = timedelta(minutes=15)
AT_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Stuck:
    """Work of one shop that nobody has taken up."""

    code: str
    queue: str
    slug: str
    since: datetime
    what: str


def pulls(connection: Connection, now: datetime) -> list[Stuck]:
    """Runs that wait for nobody and are carried on by nobody."""
    # By shop first: a few probes each, where the table of runs would be read from end to end.
    busy = connection.execute(select(shop.c.id).where(shop.c.state == "active", run_state.shop_has_open(shop.c.id)))
    shop_ids = list(busy.scalars())
    if not shop_ids:
        return []
    other = run.alias("other")
    waits = exists().where(other.c.shop_id == run.c.shop_id, other.c.job == run.c.job, other.c.state.in_(ACTIVE))
    carried = _is_held(run.c.shop_id, run.c.job, now)
    not_taken = and_(run.c.state == "queued", run.c.created_at < now - STANDSTILL, ~waits)
    abandoned = and_(run.c.state == "pulling", run.c.deadline < now + PATIENCE["pulling"] - STANDSTILL, ~carried)
    rows = connection.execute(
        select(run.c.job, run.c.state, run.c.created_at, run.c.deadline, shop.c.id, shop.c.slug, shop.c.store_url)
        .join(shop, shop.c.id == run.c.shop_id)
        .where(is_any(connection, run.c.shop_id, shop_ids), or_(not_taken, abandoned))
        .order_by(run.c.id)
        .limit(AT_MOST)
    ).all()
    return [
        Stuck("run.not_taken", queue_of(row.job), row.slug, row.created_at, f"Nobody takes up the {row.job} run")
        if row.state == "queued"
        else Stuck(
            "run.abandoned",
            queue_of(row.job),
            row.slug,
            row.deadline - PATIENCE["pulling"],
            f"Nobody goes on with the {row.job} pull",
        )
        for row in rows
        if budgets.blocked(connection, [budgets.store(row.store_url)], now) is None
    ]


def pushes(connection: Connection, now: datetime) -> list[Stuck]:
    """Items that may be sent and are not, where nothing of their shop is under way."""
    late_ms = to_ms(now - STANDSTILL)
    late = or_(*(ledger.shop_has_due(shop.c.id, lane, late_ms) for lane in LANES))
    rows = connection.execute(
        select(shop.c.slug, ledger.oldest_due_ms(shop.c.id).label("since"))
        .where(
            shop.c.state == "active",
            late,
            ~batches.shop_has_open(shop.c.id),
            ~_is_held(shop.c.id, "push", now),
            ~_must_wait(now, ":write"),
        )
        .order_by(shop.c.id)
        .limit(AT_MOST)
    )
    return [
        Stuck("push.stands_still", "push", row.slug, from_ms(row.since), "Nobody sends the pending items")
        for row in rows
    ]


def settles(connection: Connection, now: datetime) -> list[Stuck]:
    """Open batches that nobody asks about, or whose sender is gone."""
    late = now - STANDSTILL
    unsent = batch.c.state.in_(("ready", "sending"))
    since = case((unsent, batch.c.created_at), else_=batch.c.poll_at)
    rows = connection.execute(
        select(shop.c.slug, func.min(since).label("since"))
        .join(shop, shop.c.id == batch.c.shop_id)
        .where(shop.c.state == "active", batches.IS_OPEN, since < late, ~_must_wait(now, ":read"))
        .group_by(shop.c.slug)
        .order_by(shop.c.slug)
        .limit(AT_MOST)
    )
    return [
        Stuck("settle.stands_still", "settle", row.slug, row.since, "Nobody asks what became of a batch")
        for row in rows
    ]


def _is_held(shop_id: ColumnElement[int], lane: Any, now: datetime) -> ColumnElement[bool]:
    return exists().where(
        lease.c.shop_id == shop_id, lease.c.lane == lane, lease.c.owner.is_not(None), lease.c.expires_at > now
    )


def _must_wait(now: datetime, direction: str) -> ColumnElement[bool]:
    """Condition: Meta has told this shop's calls to wait, or the rest of its quota is for prices."""
    catalog = literal("catalog:") + shop.c.catalog_id + literal(direction)
    token = literal("token:") + cast(shop.c.id, String)
    return exists().where(budget.c.key.in_((catalog, token)), _waits(now))


def everybody_waits(connection: Connection, now: datetime) -> bool:
    """Whether Meta, or a person, has told all calls to wait: what is no one's own holds for everybody."""
    everybody = and_(*(~budget.c.key.startswith(kind) for kind in ("catalog:", "token:", "store:")))
    return bool(connection.execute(select(exists().where(everybody, _waits(now)))).scalar())


def _waits(now: datetime) -> ColumnElement[bool]:
    spent = and_(budget.c.used_pct >= budgets.BACKGROUND_PCT, budget.c.used_at > now - STANDSTILL)
    return or_(budgets.LASTS, budget.c.blocked_until > now, budget.c.recovered_at > now - _RAMP, spent)
