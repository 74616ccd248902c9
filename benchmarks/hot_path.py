"""The hot path alone, in this process: a full pull without Celery, HTTP or another process, relative to a floor.

    python -m benchmarks.hot_path --items 100000

The floor is what any program pays that looks at a whole feed: read, decode, encode and hash every record, and compare
nothing. A ratio to it holds on a slow or busy machine, where seconds do not.
"""

from __future__ import annotations

import argparse
import cProfile
import csv
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec
from sqlalchemy import select
from xxhash import xxh3_64_intdigest

from benchmarks import feed
from worker.database import schedules, schema, shops
from worker.database.engine import database_now, make_engine, reading, writing
from worker.database.tables import run
from worker.graph import BatchAnswer, BatchStatus
from worker.items import source_seed
from worker.stores import StoreConfig, kinds
from worker.sync import lane, settle
from worker.sync.context import Context, Limits
from worker.sync.pull import run_slice
from worker.sync.requests import request_run

_SLUG = "benchmark"
_NO_SLICES_S = 1e9


class Taker:
    """Takes whatever is sent, at once and without looking at it."""

    def __init__(self) -> None:
        self.calls = 0

    def items_batch(self, _catalog_id: str, _records: Sequence[bytes], *, allow_upsert: bool) -> BatchAnswer:
        del allow_upsert
        self.calls += 1
        return BatchAnswer(f"handle-{self.calls}", {}, {}, None, "trace")

    def batch_status(self, _catalog_id: str, _handle: str) -> BatchStatus:
        return BatchStatus("finished", (), 0, (), (), None)


def floor(path: Path) -> int:
    """Read, decode, encode, hash. The sum keeps the work from being skipped."""
    encode, total = msgspec.json.encode, 0
    if path.suffix == ".ndjson":
        decode = msgspec.json.decode
        with path.open("rb") as lines:
            for line in lines:
                total += xxh3_64_intdigest(encode(decode(line)))
        return total
    with path.open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            total += xxh3_64_intdigest(encode(row))
    return total


class Bench:
    """One shop in one database, carried along by hand, with a clock that jumps over every wait."""

    def __init__(self, directory: Path, path: Path, database: str | None) -> None:
        self._skipped_s = 0.0
        self._taker = Taker()
        kind = kinds()["feed"]
        config = StoreConfig(str(path), {}, "USD", None, str(directory / "spool"), ())
        self.context = Context(
            engine=make_engine(
                database or f"sqlite:///{directory}/benchmark.db", clock=lambda: time.time() + self._skipped_s
            ),
            open_store=lambda _: kind.open(config),
            sender=lambda _: self._taker,
            seed=lambda row, store: source_seed(row.store_kind, store.version),
            monotonic=time.monotonic,
            owner="benchmark",
            limits=Limits(slice_s=_NO_SLICES_S),
        )
        schema.upgrade(self.context.engine)
        with writing(self.context.engine) as connection:
            now = database_now(connection)
            self._shop_id = shops.add(connection, slug=_SLUG, store_kind="feed", store_url=str(path), store_options={},
                                      mapping={}, catalog_id=str(time.time_ns()), currency="USD", now=now)  # fmt: skip
            schedules.create_defaults(connection, self._shop_id, _SLUG, now)

    def pull(self, job: str) -> None:
        ticket = request_run(self.context, _SLUG, job)
        for _ in run_slice(self.context, ticket.run_id):
            pass
        with reading(self.context.engine) as connection:
            found = connection.execute(select(run).where(run.c.id == ticket.run_id)).one()
        if found.state not in ("pushing", "succeeded"):
            raise SystemExit(f"The pull ended as {found.state}: {found.error}")

    def send(self) -> None:
        """Push and settle until no run waits for anything."""
        with reading(self.context.engine) as connection:
            waiting = connection.execute(select(run.c.id).where(run.c.state == "pushing")).first()
        while waiting is not None:
            lane.push(self.context, self._shop_id)
            self._skipped_s += 1
            settle.settle(self.context, self._shop_id)
            with reading(self.context.engine) as connection:
                waiting = connection.execute(select(run.c.id).where(run.c.state == "pushing")).first()

    def remove(self) -> None:
        with writing(self.context.engine) as connection:
            shops.remove(connection, self._shop_id)
        self.context.engine.dispose()


def measure(items: int, form: str, database: str | None, timed: Callable[[str, Callable[[], object]], None]) -> None:
    """One round in a new database; ``timed`` gets the name of each step and the step."""
    with tempfile.TemporaryDirectory(prefix="shelfbeat-benchmark-") as name:
        path = Path(name, f"products.{form}")
        feed.write(path, feed.items(items))
        bench = Bench(Path(name), path, database)
        try:
            timed("floor", lambda: floor(path))
            timed("first full: pull", lambda: bench.pull("full"))
            timed("first full: push and settle", bench.send)
            timed("full, nothing changed: pull", lambda: bench.pull("full"))
            bench.send()
            feed.write(path, feed.items(items, changed=True))
            timed("full, 1 % changed: pull", lambda: bench.pull("full"))
            timed("full, 1 % changed: push and settle", bench.send)
            feed.write(path, feed.items(items, changed=True))
            timed("volatile, nothing changed: pull", lambda: bench.pull("volatile"))
            bench.send()
            feed.write(path, feed.items(items, prices=5, changed=True))
            timed("volatile, all prices changed: pull", lambda: bench.pull("volatile"))
            timed("volatile, all prices changed: push and settle", bench.send)
        finally:
            bench.remove()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--format", choices=("csv", "ndjson"), default="ndjson")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", help="an empty PostgreSQL database instead of SQLite: postgresql://…")
    parser.add_argument("--profile", metavar="STEP", help="show where the steps whose name has this in it spend time")
    options = parser.parse_args()
    ratios: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    floor_s = [0.0]

    def timed(name: str, step: Callable[[], object]) -> None:
        profile = cProfile.Profile() if options.profile and options.profile in name else None
        # CPU time, not wall: what neighbours take from this process is none of its cost.
        began = time.process_time()
        if profile is None:
            step()
        else:
            profile.runcall(step)
            pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        took = time.process_time() - began
        if name == "floor":
            floor_s[0] = took
        seconds.setdefault(name, []).append(took)
        ratios.setdefault(name, []).append(took / floor_s[0])

    for _ in range(options.rounds):
        measure(options.items, options.format, options.database, timed)
    sys.stdout.write(f"\n{options.items:,} items, {options.format}, {options.rounds} round(s)\n\n")
    sys.stdout.write("| step | CPU s, minimum | of the floor, minimum / median |\n|---|---|---|\n")
    for name, took in seconds.items():
        sys.stdout.write(f"| {name} | {min(took):.2f} | {min(ratios[name]):.2f} / {median(ratios[name]):.2f} |\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"\nPeak memory of this process: {peak:.0f} MB\n")


if __name__ == "__main__":
    main()
