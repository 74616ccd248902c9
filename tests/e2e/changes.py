"""Which change in a store reaches Meta by which job, and what the jobs cost: measured, and written as tables.

A store's own module says how each change is made; here it is made once for every job, each time to products that nobody
has touched, then that job alone runs, and Meta's catalog is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tests.e2e.meter import Meter

JOBS = ("volatile", "delta", "full")
"""In the order of their promises, so the first that sees a change is the one that brings it."""

Items = Mapping[str, Mapping[str, Any]]
"""Meta's catalog: items by retailer_id."""

Arrived = Callable[[Items], bool]
"""Whether Meta's catalog shows what was done."""

Sync = Callable[[str], Mapping[str, Any]]
"""Runs a job to its end and returns the run's report, as ``sync JOB SHOP --wait --json`` prints it."""


class Change(NamedTuple):
    """Something that a merchant does. ``make`` does it, to a product that is new to it at each call."""

    name: str
    make: Callable[[], Arrived]


class Cost(NamedTuple):
    """What a run asked of the store. ``pulled``: items read; ``sent``: calls to Meta."""

    name: str
    pulled: int
    seconds: float
    requests: int
    size_bytes: int
    sent: int


def measure_changes(changes: Sequence[Change], sync: Sync, items: Callable[[], Items]) -> dict[str, tuple[str, ...]]:
    """The jobs that see each change, in the order of ``JOBS``."""
    table: dict[str, list[str]] = {change.name: [] for change in changes}
    for job in JOBS:
        made = {change.name: change.make() for change in changes}
        # Right after the change, because that is when a store's own indexes and caches would hide it.
        sync(job)
        known = items()
        for name, arrived in made.items():
            if arrived(known):
                table[name].append(job)
    return {name: tuple(jobs) for name, jobs in table.items()}


def measure_costs(runs: Sequence[tuple[str, str]], sync: Sync, meter: Meter) -> list[Cost]:
    """The cost of each of ``runs``, a name and a job, one after the other."""
    costs = []
    for name, job in runs:
        meter.read()
        report = sync(job)
        began, ended = (datetime.fromisoformat(report[at]) for at in ("started_at", "finished_at"))
        requests, size_bytes = meter.read()
        seconds = (ended - began).total_seconds()
        costs.append(Cost(name, report["pulled"], seconds, requests, size_bytes, report["calls"]))
    return costs


def changes_as_text(table: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table: for each change the jobs that see it, and the one by which it arrives at the latest."""
    rows = [("change", *JOBS, "arrives with")]
    for name, seen in table.items():
        # The first of the three is the one with the shortest promise.
        rows.append((name, *("yes" if job in seen else "–" for job in JOBS), seen[0] if seen else "none"))
    return _markdown(rows)


def costs_as_text(costs: Sequence[Cost]) -> str:
    rows = [("run", "items read", "time", "requests to the store", "answers", "calls to Meta")]
    rows += [
        (one.name, f"{one.pulled:,}", f"{one.seconds:.1f} s", str(one.requests), _size(one.size_bytes), str(one.sent))
        for one in costs
    ]
    return _markdown(rows)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
