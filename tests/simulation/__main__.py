"""Simulate many seeds: ``python -m tests.simulation FROM TO``, TO excluded.

Prints each seed that ends wrong as it comes, and one summary line. Exits 1 if any did. ``--without`` takes a safeguard
out, with the trouble from which it protects, to see how many seeds notice.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from tests.simulation.ablations import ABLATIONS, FOCUS
from tests.simulation.chaos import Chaos

# Seeds that a process takes at once: enough that handing them out costs nothing, few enough to be even in the end.
_PORTION = 10


class Outcome(NamedTuple):
    """How one seed ended: None or what is wrong, what was thrown at it, seconds of CPU."""

    seed: int
    problem: str | None
    happened: Counter[str]
    cpu_s: float


def simulate(seed: int, without: str | None = None, focus: str | None = None) -> Outcome:
    """Run one seed, perhaps with a safeguard taken out, or with the trouble from which one protects."""
    started = time.process_time()
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as directory:
        limits = ABLATIONS[without](monkeypatch) if without else None
        chaos = Chaos(Path(directory) / "seed.db", seed, limits=limits, focus=FOCUS.get(focus or ""))
        try:
            return Outcome(seed, chaos.problem(), chaos.tally(), time.process_time() - started)
        finally:
            chaos.close()


def prepare() -> None:
    """Once per process: nobody has to read what a simulated store fails with, and few objects come in cycles."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.set_threshold(50_000)  # a quarter of the time went into looking for cycles
    gc.freeze()


def outcomes(first: int, end: int, jobs: int, without: str | None) -> Iterator[Outcome]:
    """The outcome of every seed; with several jobs in the order of the seeds all the same."""
    seeds = range(first, end)
    if jobs == 1:
        prepare()
        yield from (simulate(seed, without, without) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs, initializer=prepare) as processes:
        yield from processes.map(simulate, seeds, repeat(without), repeat(without), chunksize=_PORTION)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=int, metavar="FROM")
    parser.add_argument("end", type=int, metavar="TO")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--without", choices=sorted(ABLATIONS), help="the safeguard to take out")
    args = parser.parse_args()
    started = time.monotonic()
    happened: Counter[str] = Counter()
    wrong = 0
    cpu_s = 0.0
    for outcome in outcomes(args.first, args.end, args.jobs, args.without):
        happened += outcome.happened
        cpu_s += outcome.cpu_s
        if outcome.problem is not None:
            wrong += 1
            say(f"seed {outcome.seed}: {outcome.problem[:1000]}")
    seeds = args.end - args.first
    faults = ", ".join(f"{number} {name}" for name, number in happened.most_common())
    took = f"{time.monotonic() - started:.0f} s ({cpu_s / seeds:.2f} s of CPU per seed)"
    say(f"{wrong} wrong outcomes in {seeds} seeds, {took}; {faults}")
    return int(wrong > 0)


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command prints


if __name__ == "__main__":
    sys.exit(main())
