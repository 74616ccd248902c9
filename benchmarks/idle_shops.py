"""What ten thousand shops cost while nothing happens: the sweep's look, dispatch's look, and the health check.

``python -m benchmarks.idle_shops [--shops 10000] [--database URL]``. Give ``--database`` an empty database.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text

from schedules import DEFAULTS, PROMISE, next_fire
from worker.database import schema
from worker.database.engine import database_now, make_engine, reading, writing
from worker.database.ids import new_ulid
from worker.database.tables import pending, run, schedule, shop
from worker.database.types import to_ms
from worker.sync.context import Context
from worker.sync.dispatch import dispatch
from worker.sync.sweep import shops_with_work, sweep

RUNS_PER_SHOP = 30
QUARANTINED_PER_SHOP = 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--shops", type=int, default=10_000)
    arguments.add_argument("--database", help="URL of an empty database; a SQLite file of its own without it.")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        engine = make_engine(given.database or f"sqlite:///{Path(directory)}/shelfbeat.db")
        schema.upgrade(engine)
        fill(engine, given.shops)
        context = _context(engine)
        print(f"{engine.dialect.name}, {given.shops} shops, {3 * given.shops} schedules, nothing to do:")
        with reading(engine) as connection:
            report("the sweep's look", lambda: len(shops_with_work(connection, database_now(connection))))
        report("a whole sweep", lambda: len(list(sweep(context))))
        report("dispatch with nothing due", lambda: len(list(dispatch(context))))
        with writing(engine) as connection:
            make_due(connection, 2000)
        report("dispatch of 2,000 due", lambda: len(list(dispatch(context))), times=1)
        engine.dispose()


def report(what: str, work: Callable[[], int], *, times: int = 5) -> None:
    """The shortest of some rounds, and what the last one found."""
    seconds = []
    found = 0
    for _ in range(times):
        began = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - began)
    print(f"  {what:<28} {min(seconds) * 1000:9.1f} ms   found {found}")


def fill(engine: Engine, shops: int) -> None:
    """Shops with their schedules, a history of runs, and some items in quarantine."""
    for first in range(0, shops, 1000):
        slugs = [f"shop-{number}" for number in range(first, min(first + 1000, shops))]
        with writing(engine) as connection:
            now = database_now(connection)
            connection.execute(insert(shop), [_shop(slug, now) for slug in slugs])
            ids = {
                row.slug: row.id
                for row in connection.execute(select(shop.c.slug, shop.c.id).where(shop.c.slug.in_(slugs)))
            }
            connection.execute(insert(schedule), [row for slug in slugs for row in _schedules(ids[slug], slug, now)])
            connection.execute(insert(run), [row for slug in slugs for row in _runs(ids[slug], now)])
            connection.execute(insert(pending), [row for slug in slugs for row in _quarantined(ids[slug], now)])
    with writing(engine) as connection:
        connection.execute(text("ANALYZE"))


def make_due(connection: Connection, number: int) -> None:
    chosen = select(schedule.c.shop_id).where(schedule.c.job == "delta").order_by(schedule.c.shop_id).limit(number)
    due = database_now(connection) - timedelta(seconds=1)
    connection.execute(
        schedule.update().where(schedule.c.job == "delta", schedule.c.shop_id.in_(chosen)).values(next_run_at=due)
    )


def _shop(slug: str, now: datetime) -> dict[str, Any]:
    zeros = dict.fromkeys(("fields_sent", "seed", "observation_seq", "item_seq", "content_floor", "volatile_floor"), 0)
    return {
        "slug": slug,
        "store_kind": "feed",
        "store_url": f"https://{slug}.example/feed.csv",
        "store_options": {},
        "mapping": {},
        "catalog_id": f"catalog-{slug}",
        "state": "active",
        "created_at": now,
        **zeros,
    }


def _schedules(shop_id: int, slug: str, now: datetime) -> Iterator[dict[str, Any]]:
    later = now + timedelta(hours=1)  # none becomes due while this runs
    for job in PROMISE:
        fire = next_fire(DEFAULTS[job], slug, job, later)
        yield {
            "shop_id": shop_id,
            "job": job,
            "cron": DEFAULTS[job],
            "zone": "UTC",
            "enabled": True,
            "next_run_at": fire,
            "accepted_at": now,
        }


def _runs(shop_id: int, now: datetime) -> Iterator[dict[str, Any]]:
    zeros = dict.fromkeys(
        (
            *("retries", "starts", "pulled", "unidentified", "invalid", "unchanged"),
            *("created", "updated", "removed", "accepted", "rejected", "calls"),
        ),
        0,
    )
    for number in range(RUNS_PER_SHOP):
        fire = now - timedelta(minutes=15 * (number + 1))
        yield {
            "id": new_ulid(to_ms(fire)),
            "shop_id": shop_id,
            "job": "volatile",
            "fire_time": fire,
            "trigger": "schedule",
            "state": "succeeded",
            "created_at": fire,
            "started_at": fire,
            "finished_at": fire,
            "deadline": fire,
            "complete": True,
            **zeros,
        }


def _quarantined(shop_id: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(QUARANTINED_PER_SHOP):
        values = {column.name: 0 for column in pending.c if not column.nullable}
        tomorrow_ms = to_ms(now + timedelta(days=1))
        yield values | {
            "shop_id": shop_id,
            "retailer_id": f"sku-{number}",
            "lane": 1,
            "due_at": tomorrow_ms,
            "content_quarantine": 1,
        }


def _context(engine: Engine) -> Context:
    def unused(*_: object) -> Any:
        raise AssertionError("an idle shop is not looked into")

    return Context(
        engine=engine, open_store=unused, sender=unused, seed=unused, monotonic=time.monotonic, owner="benchmark"
    )


if __name__ == "__main__":
    main()
