"""Simulate many seeds: ``python -m tests.simulation FROM TO``, TO excluded.

Prints each seed that ends wrong, and one summary line. Exits 1 if any did. ``--without`` takes a safeguard out, to find
seeds that notice.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import tempfile
import time
from pathlib import Path

import pytest
import structlog

from tests.simulation.ablations import ABLATIONS
from tests.simulation.chaos import Chaos


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=int, metavar="FROM")
    parser.add_argument("end", type=int, metavar="TO")
    parser.add_argument("--without", choices=sorted(ABLATIONS), help="the safeguard to take out")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.set_threshold(50_000)  # a quarter of the time went into looking for cycles
    started = time.monotonic()
    totals = dict.fromkeys(("calls", "crashes", "zombies", "lost", "doubled"), 0)
    wrong = 0
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as directory:
        limits = ABLATIONS[args.without](monkeypatch) if args.without else None
        for seed in range(args.first, args.end):
            chaos = Chaos(Path(directory) / f"{seed}.db", seed, limits=limits)
            problem = chaos.problem()
            if problem is not None:
                wrong += 1
                print(f"seed {seed}: {problem[:1000]}", flush=True)  # noqa: T201 - a command prints
            for name, number in chaos.tally().items():
                totals[name] += number
            chaos.close()
    faults = ", ".join(f"{number} {name}" for name, number in totals.items())
    seeds = args.end - args.first
    print(f"{wrong} wrong outcomes in {seeds} seeds, {time.monotonic() - started:.0f} s; {faults}")  # noqa: T201 - the same
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
