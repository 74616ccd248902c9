"""The whole path, as a user goes it: feed → worker → Meta's stand-in, with time, calls and memory of each sync.

python -m benchmarks.catalog --items 100000
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import feed
from benchmarks.processes import Installation, Sandbox, Watch

PHASES = (
    "first full",
    "full, nothing changed",
    "full, 1 % changed",
    "volatile, file untouched",
    "volatile, nothing changed",
    "volatile, all prices changed",
)
"""In the order in which they are measured: each starts from what the one before left."""

_MOST_MB = 200
# What the issue of the main job promises: items → phase → seconds.
_GOALS_S = {2_000: {"first full": 10.0}, 100_000: {"first full": 40.0, "full, nothing changed": 5.0}}


@dataclass(frozen=True, slots=True)
class Measured:
    """One sync.

    Attributes:
        wall_s: From typing the command with ``--wait`` to its prompt.
        run_s: From the run's start to its end, as the database tells it.
        cpu_s: Processor time of all processes but the sandbox, whose is ``sandbox_cpu_s``.
        calls: Of ``items_batch``, counted by the sandbox.
        peaks_mb: Largest resident memory per kind of process.
    """

    phase: str
    wall_s: float
    run_s: float
    cpu_s: float
    sandbox_cpu_s: float
    calls: int
    sent: int
    peaks_mb: dict[str, float]


def measure(options: argparse.Namespace, number: int) -> Iterator[Measured]:
    """One round: a new directory, a new shop, every phase once."""
    with tempfile.TemporaryDirectory(prefix="shelfbeat-sandbox-") as beside:
        sandbox = Sandbox(Path(beside))
        try:
            settings = {"META_GRAPH_URL": sandbox.url, "BENCHMARK_TOKEN": "test-token", "LOG_FORMAT": "json"}
            if options.database:
                settings |= {"DATABASE_URL": options.database, "TOKEN_KEYS": "a key for benchmarks and nothing else"}
            if options.redis:
                settings |= {"REDIS_URL": options.redis}
            with Installation(settings) as installation:
                yield from _syncs(options, installation, sandbox, f"benchmark-{number}")
        finally:
            sandbox.stop()


def _syncs(options: argparse.Namespace, installation: Installation, sandbox: Sandbox, slug: str) -> Iterator[Measured]:
    path = installation.directory / f"products.{options.format}"
    feed.write(path, feed.items(options.items))
    installation.command("db", "upgrade")
    _say(f"worker ready after {installation.start_worker():.1f} s, feed of {path.stat().st_size / 1e6:.0f} MB")
    installation.command("shop", "add", slug, "--store", "feed", "--store-url", str(path), "--catalog",
                         str(time.time_ns()), "--token-env", "BENCHMARK_TOKEN")  # fmt: skip
    for job in ("full", "delta", "volatile"):
        installation.command("shop", "schedule", slug, job, "off")
    before: dict[str, Callable[[], None]] = {
        "full, 1 % changed": lambda: feed.write(path, feed.items(options.items, changed=True)),
        # The same bytes in a new file: it has to be read to know.
        "volatile, nothing changed": lambda: feed.write(path, feed.items(options.items, changed=True)),
        "volatile, all prices changed": lambda: feed.write(path, feed.items(options.items, prices=5, changed=True)),
    }
    try:
        for phase in PHASES:
            if options.phases and not any(phase.startswith(wanted) for wanted in options.phases):
                continue
            before.get(phase, lambda: None)()
            yield _sync(installation, sandbox, slug, phase)
    finally:
        installation.command("shop", "remove", slug, "--yes")


def _sync(installation: Installation, sandbox: Sandbox, slug: str, phase: str) -> Measured:
    job = "volatile" if phase.startswith("volatile") else "full"
    calls, cpu_s = sandbox.calls(), sandbox.cpu_s()
    with Watch(installation) as watch:
        began = time.monotonic()
        run: dict[str, Any] = json.loads(installation.command("sync", job, slug, "--wait", "--json"))
        wall_s = time.monotonic() - began
    return Measured(
        phase,
        wall_s,
        _seconds(run),
        watch.cpu_s,
        sandbox.cpu_s() - cpu_s,
        sandbox.calls() - calls,
        run["accepted"] + run["rejected"],
        watch.peaks_mb,
    )


def _seconds(run: dict[str, Any]) -> float:
    started, finished = (datetime.fromisoformat(run[name]) for name in ("started_at", "finished_at"))
    return (finished - started).total_seconds()


def _report(items: int, rounds: list[list[Measured]]) -> bool:
    """Print a table; whether every goal for this many items was met."""
    met = True
    sys.stdout.write(
        f"\n{items:,} items, {len(rounds)} round(s): minimum / median seconds; CPU: ours + the sandbox's\n\n"
    )
    sys.stdout.write(
        "| sync | command | run | CPU | items | calls | largest process |\n|---|---|---|---|---|---|---|\n"
    )
    for same in zip(*rounds, strict=True):
        first = same[0]
        walls, runs = [one.wall_s for one in same], [one.run_s for one in same]
        peaks = {name: max(one.peaks_mb.get(name, 0.0) for one in same) for name in first.peaks_mb}
        name, peak = max(peaks.items(), key=lambda pair: pair[1])
        goal = _GOALS_S.get(items, {}).get(first.phase)
        met = met and peak <= _MOST_MB and (goal is None or min(walls) < goal)
        sys.stdout.write(
            f"| {first.phase} | {min(walls):.2f} / {statistics.median(walls):.2f}{f' (< {goal:g})' if goal else ''} "
            f"| {min(runs):.2f} / {statistics.median(runs):.2f} | {min(one.cpu_s for one in same):.2f} "
            f"+ {min(one.sandbox_cpu_s for one in same):.2f} | {first.sent:,} | {first.calls:,} "
            f"| {peak:.0f} MB, {name} |\n"
        )
    everything: dict[str, float] = {}
    for one in (one for same in rounds for one in same):
        for name, peak in one.peaks_mb.items():
            everything[name] = max(everything.get(name, 0.0), peak)
    peaks_told = ", ".join(f"{name} {peak:.0f} MB" for name, peak in sorted(everything.items()))
    sys.stdout.write(f"\nPeak memory: {peaks_told}\n")
    return met


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--format", choices=("csv", "ndjson"), default="csv")
    parser.add_argument("--rounds", type=int, default=1, help="repeat everything in a new directory")
    parser.add_argument("--phases", nargs="*", help="only those whose name starts so; the first full is always needed")
    parser.add_argument("--database", help="an empty PostgreSQL database instead of SQLite: postgresql://…")
    parser.add_argument("--redis", help="a Redis instead of the embedded broker: redis://…")
    parser.add_argument("--json", action="store_true", help="print every sync of every round")
    options = parser.parse_args()
    rounds: list[list[Measured]] = []
    for number in range(options.rounds):
        rounds.append([])
        for one in measure(options, number):
            rounds[-1].append(one)
            _say(f"round {number + 1}: {one.phase}: {one.wall_s:.2f} s, {one.calls} calls")
    if options.json:
        sys.stdout.write(json.dumps([[asdict(one) for one in same] for same in rounds], indent=1) + "\n")
        return
    sys.exit(0 if _report(options.items, rounds) else 1)


if __name__ == "__main__":
    main()
