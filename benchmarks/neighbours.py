"""How long the prices of small shops wait while a large one beside them is read and sent for the first time.

python -m benchmarks.neighbours --items 100000 --shops 50
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, select

from benchmarks import feed
from benchmarks.processes import Installation, Sandbox
from worker.database.engine import database_now, make_engine, reading, writing
from worker.database.run_state import OPEN
from worker.database.tables import run, schedule, shop

_SMALL_ITEMS = 20
_PROMISE_S = 900.0
_AT_MOST_S = 1800.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--items", type=int, default=100_000, help="of the large shop")
    parser.add_argument("--shops", type=int, default=50, help=f"small ones, of {_SMALL_ITEMS} items each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shelfbeat-sandbox-") as beside:
        sandbox = Sandbox(Path(beside))
        try:
            settings = {"META_GRAPH_URL": sandbox.url, "BENCHMARK_TOKEN": "test-token"}
            with Installation(settings) as installation:
                sys.exit(0 if _Street(installation, options.shops).measure(options.items) else 1)
        finally:
            sandbox.stop()


class _Street:
    """One large shop and its small neighbours, each with schedules that fire only when they are told to."""

    def __init__(self, installation: Installation, shops: int) -> None:
        self._installation = installation
        self._small = [f"small-{number}" for number in range(shops)]
        installation.command("db", "upgrade")
        installation.start_worker()
        installation.start_beat()
        self._engine: Engine = make_engine(f"sqlite:///{installation.directory}/var/shelfbeat.db")
        self._prices = 0
        self._price()
        with ThreadPoolExecutor(2) as together:
            list(together.map(self._add, [*self._small, "large"]))
        with writing(self._engine) as connection:
            never = datetime.fromisoformat("2999-01-01T00:00:00+00:00")
            connection.execute(schedule.update().values(next_run_at=never))

    def measure(self, items: int) -> bool:
        """Print the lags; whether each kept the promise."""
        feed.write(self._path("large"), feed.items(items))
        list(self._round("full", self._small))
        alone = list(self._round("volatile", self._small))
        began = time.monotonic()
        self._fire("full", ["large"])
        _until(lambda: self._open("large", "full"))
        beside: list[float] = []
        rounds = 0
        while self._open("large", "full"):
            beside += self._round("volatile", self._small)
            rounds += 1
        took_s = time.monotonic() - began
        sys.stdout.write(
            f"One shop of {items:,} items, {len(self._small)} of {_SMALL_ITEMS}; load {os.getloadavg()[0]:.1f}.\n"
            f"Seconds from the moment at which a small shop's prices were due until Meta had confirmed them:\n"
            f"  nobody else    {_told(alone)}\n"
            f"  large shop's first full, {took_s:.0f} s, {rounds} rounds    {_told(beside)}\n"
        )
        return max(beside) <= _PROMISE_S

    def _round(self, job: str, slugs: list[str]) -> Iterator[float]:
        """Change every price, let a job of these shops be due, and wait for all; the seconds each took."""
        self._price()
        due = self._fire(job, slugs)
        _until(lambda: len(self._ended(job, due)) == len(slugs))
        yield from self._ended(job, due)

    def _fire(self, job: str, slugs: list[str]) -> datetime:
        with writing(self._engine) as connection:
            due = database_now(connection)
            ids = select(shop.c.id).where(shop.c.slug.in_(slugs))
            connection.execute(
                schedule.update().where(schedule.c.job == job, schedule.c.shop_id.in_(ids)).values(next_run_at=due)
            )
        return due

    def _ended(self, job: str, due: datetime) -> list[float]:
        found = select(run.c.finished_at).where(run.c.job == job, run.c.fire_time == due, run.c.state == "succeeded")
        with reading(self._engine) as connection:
            return [(at - due).total_seconds() for at in connection.execute(found).scalars()]

    def _open(self, slug: str, job: str) -> bool:
        found = select(run.c.id).join(shop, shop.c.id == run.c.shop_id)
        with reading(self._engine) as connection:
            open_run = found.where(shop.c.slug == slug, run.c.job == job, run.c.state.in_(OPEN))
            return connection.execute(open_run).first() is not None

    def _add(self, slug: str) -> None:
        catalog = "1" if slug == "large" else slug.replace("small-", "2")
        self._installation.command("shop", "add", slug, "--store", "feed", "--store-url", str(self._path(slug)),
                                   "--catalog", catalog, "--token-env", "BENCHMARK_TOKEN")  # fmt: skip

    def _price(self) -> None:
        """Every item of the small shops costs a little more."""
        self._prices += 1
        for slug in self._small:
            feed.write(self._path(slug), feed.items(_SMALL_ITEMS, prices=self._prices))

    def _path(self, slug: str) -> Path:
        return self._installation.directory / f"{slug}.csv"


def _told(seconds: list[float]) -> str:
    centiles = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"p50 {centiles[49]:.1f}  p95 {centiles[94]:.1f}  largest {max(seconds):.1f}  ({len(seconds)} pushes)"


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _AT_MOST_S
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit(f"It did not happen within {_AT_MOST_S:g} s.")
        threading.Event().wait(0.5)


if __name__ == "__main__":
    main()
