"""One run: the plan is carried out while the stores change; then quiet, rest, and the judgement."""

from __future__ import annotations

import heapq
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from tests.nemesis import oracle
from tests.nemesis.faults import FAULTS, Event, plan
from tests.nemesis.site import EVERY_MINUTE, Cadences, Kind, Site

_CHANGE_EVERY_S = 0.4
_LOOK_EVERY_S = 0.5

Log = Callable[[str], None]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@dataclass
class Report:
    """What happened and what came of it. ``problems`` is empty if everything held.

    Attributes:
        faults: How often each was begun; of those at Meta ``met`` says how many calls they hit.
        equal_after_s: Seconds of quiet until Meta showed what the stores offer, but for what it had refused.
        at_rest_after_s: Until nothing was left to do, the refused items included, which the merchants mended.
        ended_within_s: The longest that daemons took to end at SIGTERM.
        deaths: Daemons that ended without being killed, with their last words.
        complaints: Errors in the logs.
    """

    seed: int
    site: Kind
    seconds: float
    faults: dict[str, int] = field(default_factory=dict)
    met: int = 0
    changes: int = 0
    calls: int = 0
    items_sent: int = 0
    duplicate_ratio: float = 0.0
    lost: int = 0
    falsely_acknowledged: int = 0
    overlapping: int = 0
    equal_after_s: float | None = None
    at_rest_after_s: float | None = None
    ended_within_s: float | None = None
    rejected: int = 0
    approved: int = 0
    runs: dict[str, int] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    complaints: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(number for name, number in self.faults.items() if "kill -9" in name)

    def summary(self) -> str:
        """The run in one line."""
        after = "never" if self.equal_after_s is None else f"{self.equal_after_s:.0f} s"
        return (
            f"seed {self.seed} on {self.site}, {self.seconds:.0f} s: {sum(self.faults.values())} faults "
            f"({self.kills} kills; {self.met} calls to Meta disturbed), {self.changes} changes, "
            f"{sum(self.runs.values())} runs, {self.calls} calls, {self.items_sent} items sent; lost {self.lost}, "
            f"falsely acknowledged {self.falsely_acknowledged}, overlapping {self.overlapping}, "
            f"duplicate ratio {self.duplicate_ratio:.2f}, equal {after} after the last fault: "
            f"{'FAILED' if self.problems else 'all well'}"
        )


def run(
    kind: Kind,
    seed: int,
    seconds: float,
    *,
    cadences: Cadences = EVERY_MINUTE,
    every_s: float = 3.0,
    pace: float = 1.0,
    rest_s: float = 600.0,
    sizes: dict[str, int] | None = None,
    log: Log = _say,
    keep: bool = False,
    events: list[Event] | None = None,
) -> Report:
    """Everything from starting the servers to the judgement.

    Args:
        events: These and no others, instead of those that the seed draws.
        cadences: Of the jobs of every shop.
        every_s: Mean time between two faults; ``pace`` scales how long they last.
        rest_s: How long everything may take to come to rest once it is quiet.
        keep: Leave logs and databases behind if something did not hold.
    """
    report = Report(seed, kind, seconds)
    if events is None:
        events = plan(seed, seconds, kind, every_s=every_s, pace=pace)
    site = Site(kind, seed, cadences=cadences, sizes=sizes)
    try:
        _until(lambda: not oracle.lost(site), 120)
        log(f"All shops synced; {len(events)} faults to come. Logs: {site.installation.directory}")
        _go_wrong(site, events, seconds, log)
        report.faults = dict(Counter(event.kind for event in events).most_common())
        _come_to_rest(site, report, rest_s, log)
        _judge(site, report)
    finally:
        site.close(keep=keep and bool(report.problems))
    return report


def _go_wrong(site: Site, events: list[Event], seconds: float, log: Log) -> None:
    """Begin and end each event in time, and let the stores change meanwhile. Ends what still goes on."""
    began = time.monotonic()
    ends: list[tuple[float, int, str, Callable[[], object]]] = []
    coming = list(reversed(events))
    changed_s = 0.0
    while (now_s := time.monotonic() - began) < seconds:
        while coming and coming[-1].at_s <= now_s:
            event = coming.pop()
            log(f"{now_s:6.1f} s  {event.kind} ({event.lasts_s:.1f} s)")
            if (end := FAULTS[event.kind].begin(site, event)) is not None:
                heapq.heappush(ends, (now_s + event.lasts_s, len(coming), event.kind, end))
        while ends and ends[0][0] <= now_s:
            ends[0][3]()
            heapq.heappop(ends)
        while changed_s <= now_s:
            site.stores.change()
            changed_s += _CHANGE_EVERY_S
        time.sleep(0.05)
    for *_, end in ends:
        end()
    site.heal()
    log(f"{time.monotonic() - began:6.1f} s  quiet")


def _come_to_rest(site: Site, report: Report, rest_s: float, log: Log) -> None:
    quiet = time.monotonic()
    deadline = quiet + rest_s
    mended: set[str] = set()
    while time.monotonic() < deadline:
        for run_id in _looked(lambda: oracle.held(site), []):
            log(f"The operator approves {run_id}: so much had changed while nobody could look.")
            report.approved += site.installation.run("sync", "approve", run_id).code == 0
        # What Meta has refused stays as it is until somebody changes it; once changed it has to arrive.
        refused = {key for keys in _looked(lambda: oracle.rejected(site), {}).values() for key in keys} - mended
        differing = [line for line in oracle.lost(site) if line.split(".")[0].split(" ")[0] not in refused]
        if not differing and report.equal_after_s is None:
            report.equal_after_s = time.monotonic() - quiet
            log(f"Equal after {report.equal_after_s:.1f} s.")
        if not differing and not _looked(lambda: oracle.unsettled(site), ["the database is away"]):
            if not refused:
                report.at_rest_after_s = time.monotonic() - quiet
                log(f"At rest after {report.at_rest_after_s:.1f} s.")
                break
            log(f"The merchants mend {len(refused)} items that Meta has refused.")
            site.stores.mend(refused)
            mended |= refused
        time.sleep(_LOOK_EVERY_S)
    report.rejected = len(mended)
    report.ended_within_s = site.dismiss(site.beats)
    # What the beats' last tick began.
    _until(lambda: not oracle.unsettled(site), 60)
    report.problems += [f"token in {place}" for place in oracle.leaks(site)]
    report.ended_within_s = max(report.ended_within_s, site.dismiss(site.workers))


def _judge(site: Site, report: Report) -> None:
    lost, believed, traffic = oracle.lost(site), oracle.falsely_acknowledged(site), oracle.traffic(site)
    report.lost, report.falsely_acknowledged = len(lost), len(believed)
    report.overlapping = len(traffic.overlapping)
    report.calls, report.items_sent, report.met = traffic.calls, traffic.items, traffic.disturbed
    report.duplicate_ratio = round(traffic.duplicate_ratio, 3)
    report.changes, report.runs = site.stores.changes, oracle.runs(site)
    report.deaths, report.complaints = site.deaths, oracle.complaints(site)
    report.problems += [
        *lost,
        *believed,
        *(f"{key} was in two calls that could land in any order" for key in traffic.overlapping),
        *oracle.unsettled(site),
        *oracle.wrong_runs(site),
        *oracle.unexplained(site),
    ]
    if report.at_rest_after_s is None:
        report.problems.append("It did not come to rest.")
    if report.ended_within_s is not None and report.ended_within_s > 60:
        report.problems.append(f"SIGTERM took {report.ended_within_s:.0f} s.")


def _looked(look: Callable[[], Any], otherwise: Any) -> Any:
    """The answer of the database, or ``otherwise`` while it is still starting."""
    try:
        return look()
    except SQLAlchemyError:
        return otherwise


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not (held := _looked(holds, otherwise=False)) and time.monotonic() < ends:
        time.sleep(_LOOK_EVERY_S)
    return bool(held)
