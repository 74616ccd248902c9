"""A shop with some of everything to do, and the stages on which each step of the machinery is passed.

A stage is a world in which one piece of work can fail at one step: in place for what a process survives, in a process
of its own for what it does not.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import httpx
from sqlalchemy.exc import OperationalError

from tests.simulation.victim import Victim, Work
from tests.simulation.world import SLUG, World
from worker import failpoints
from worker.database.tables import batch, pending, run, snapshot
from worker.failpoints import Failpoint, InjectedBug
from worker.items.states import BY_META
from worker.sandbox.batches import BatchFault
from worker.sync import dispatch, requests
from worker.sync.context import Context, Limits, Wake
from worker.sync.manifest import unpack

# Drained after longer than a process stands still, as with the defaults; slices of two pages.
LIMITS: Final = Limits(batch_items=50, drain_s=600.0, handle_s=3600.0, slice_s=5.0)

# How long a page takes: each is written down, and the second ends a slice.
_PAGE_S: Final = 3.0

STANDSTILL_S: Final = 300.0

# Celery's first delay before a task is tried again after the database went away.
_RETRY_S: Final = 2.0


class Passage(NamedTuple):
    """One side of one step, passed in the ``work``-th piece of work."""

    work: int
    step: str
    side: str


class Stage(World):
    """One shop between two pulls.

    Attributes:
        carried_out: Pieces of work begun so far.
        passages: Every side of every step passed so far by processes that were not forked, in order.
        trouble: How often the store still misbehaves. Shared with forked processes, as the clock is.
        on_passage: What else happens at a side of a step, to bring about a step that is rare.
    """

    def __init__(self, path: Path) -> None:
        self._shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        super().__init__(path, seed=1, limits=LIMITS, latency_s=1.0)
        self.carried_out = 0
        self.passages: list[Passage] = []
        self.on_passage: dict[tuple[str, str], Callable[[], None]] = {}
        self.fault: tuple[int, Failpoint] | None = None
        self.struck = ""
        self.stale: list[str] = []
        self.begin: Callable[[], None] = self.request
        self.shelf.page_size = 2
        self.on_call = _reject_bad_titles
        self.started("a", "b", "c", "d", "e")
        self.shelf.put("a", title="Changed")
        self.shelf.put("b", price="11.00 USD")
        self.shelf.remove("c")
        self.shelf.put("d", title="Bad")
        self.shelf.put("f")
        self.shelf.on_page = self._on_page
        self.carried_out = 0

    @property
    def now_s(self) -> float:
        return self._shared[0]

    @now_s.setter
    def now_s(self, value: float) -> None:
        self._shared[0] = value

    @property
    def trouble(self) -> int:
        return int(self._shared[1])

    @trouble.setter
    def trouble(self, value: int) -> None:
        self._shared[1] = value

    # Work

    def request(self) -> None:
        self.carry_out(lambda context: requests.request_run(context, SLUG, "full").wakes)

    def decide(self, how: Callable[[Context, str, str], list[Wake]]) -> None:
        """Ask for a full sync that the breaker holds, and judge it."""
        self.request()
        self.settle_down()
        for row in self.rows(run):
            if row.state == "held":
                self.carry_out(partial(_decided, how, row.id))

    def beat(self) -> None:
        for _ in range(2):  # the first finds out when each job is due for the first time
            self.carry_out(dispatch.dispatch)
            self.now_s += 61

    def play(self) -> None:
        """Begin, and let everything come to rest; again while the beginning was lost or its run did not succeed."""
        for _ in range(3):
            with suppress(OperationalError):
                self.begin()
            self.settle_down()
            if [row.state for row in self.rows(run)][1:][-1:] == ["succeeded"]:
                return

    def sweep(self) -> None:
        with suppress(OperationalError):
            super().sweep()

    def deliver(self, wake: Wake) -> None:
        try:
            super().deliver(wake)
        except OperationalError:
            self.wakes.append((self.now_s + _RETRY_S, wake))

    def carry_out(self, work: Work) -> None:
        self.carried_out += 1
        if self.fault is None or self.fault[0] != self.carried_out:
            super().carry_out(work)
        elif self.fault[1].action.removesuffix("-before") in ("kill", "stop"):
            self._sacrifice(work, self.fault[1])
        else:
            self._fail(work, self.fault[1])

    def _fail(self, work: Work, failpoint: Failpoint) -> None:
        failpoints.arm((failpoint,))
        try:
            super().carry_out(work)
        except (InjectedBug, OperationalError) as error:
            self.struck = type(error).__name__
            if isinstance(error, OperationalError):
                raise
        finally:
            failpoints.arm(())

    def _sacrifice(self, work: Work, failpoint: Failpoint) -> None:
        victim = Victim(self, work, failpoint)
        self.struck = victim.attend()
        if self.struck != "stopped":
            return
        # A process that stands still in the middle of a transaction keeps SQLite's only write lock: nobody goes on.
        locked = failpoint.action == "stop-before" and failpoint.step in failpoints.TRANSACTIONS
        if locked:
            self.now_s += STANDSTILL_S
        else:
            self._go_on_without_it()
        before = self.ledger()
        victim.wake_up()
        victim.attend()
        # What holds no lease acts on what it reads in the same transaction, and cannot be stale.
        if not locked and failpoint.step.startswith(("pull.", "audit.", "lane.")):
            after = self.ledger()
            self.stale = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))

    def _go_on_without_it(self) -> None:
        """Let time pass in which the store changes once more, so that what it knew is stale."""
        self.shelf.put("b", price="12.00 USD")
        self.request()
        ends = self.now_s + STANDSTILL_S
        while self.now_s < ends:
            until = min(self.now_s + 30.0, ends)
            while self.wakes and min(at for at, _ in self.wakes) <= until:
                self.step()
            self.now_s = max(self.now_s, until)
            self.sweep()

    def _on_page(self, when: str) -> None:
        if when == "before":
            self.now_s += _PAGE_S

    # What there is

    def ledger(self) -> dict[str, Any]:
        """Every row that says something of an item or a run, by its table and id."""
        items = {f"{table.name} {row.retailer_id}": row for table in (snapshot, pending) for row in self.rows(table)}
        return {**items, **{f"run {row.id}": row for row in self.rows(run)}}

    def problems(self, pushes: Counter[str]) -> list[str]:
        """What is wrong at rest.

        Args:
            pushes: How often each item is sent when nothing fails.
        """
        where = self.whereabouts()
        resting = {key for key, places in where.items() if places == ["quarantined"]}
        found = [line for line in self.differences() if line.partition(".")[0] not in resting]
        found += self.misbelieved()
        found += [f"{key} is in {places}" for key, places in where.items() if places not in _AT_REST]
        found += [f"{key} was in two calls that could land in any order" for key in sorted(self.overlaps)]
        once_more = Counter({*pushes, *self.shelf.items})
        once_more["b"] += self.struck == "stopped"
        found += [f"{key} was sent once more than once more" for key in self.pushes() - (pushes + once_more)]
        found += [f"run {row.id} is {row.state}: {row.error}" for row in self.rows(run) if not _has_ended(row)]
        found += [f"{key} was changed by a process that had lost its lease" for key in self.stale]
        # Nothing keeps a process from being held up between its last look at the lease and the call itself. Then the
        # call comes late, while its items are still closed.
        if self.fault is None or self.fault[1].step != "lane.5-post":
            found += [f"{owner} sent without holding the lane" for owner in self.intruders]
        return found

    def pushes(self) -> Counter[str]:
        """How often each item was sent."""
        return Counter(record["id"] for call in self.sent() for record in call)

    def whereabouts(self) -> dict[str, list[str]]:
        """For every item ever seen, where it is. More than one place, or none, is wrong at any time."""
        wanted = {row.retailer_id: row for row in self.rows(pending)}
        confirmed = {row.retailer_id for row in self.rows(snapshot)}
        carried = [
            (line.retailer_id, row.id)
            for row in self.rows(batch)
            if row.state in ("ready", "sending", "sent", "unknown")
            for line in unpack(row.manifest)
        ]
        places: dict[str, list[str]] = {key: [] for key in {*wanted, *confirmed, *self.shelf.offered()}}
        for key, batch_id in carried:
            places[key].append(f"batch {batch_id}")
        for key, found in places.items():
            want = wanted.get(key)
            if want is None:
                found.extend(["acknowledged"] if key in confirmed else [])
            elif want.batch_id is not None:
                found.extend([] if (key, want.batch_id) in carried else [f"lost batch {want.batch_id}"])
            elif want.gate_run is not None:
                found.append("gated")
            elif want.delete_at is not None:
                found.append("hidden until it is deleted")
            elif BY_META in (want.content_quarantine, want.volatile_quarantine):
                found.append("quarantined")
            else:
                found.append("pending")
        return places


def _decided(how: Callable[[Context, str, str], list[Wake]], run_id: str, context: Context) -> list[Wake]:
    return how(context, run_id, "somebody")


_AT_REST: Final = (["acknowledged"], ["quarantined"], ["hidden until it is deleted"])


def _has_ended(row: Any) -> bool:
    return row.state == "succeeded" or (row.state in ("failed", "canceled", "superseded") and bool(row.error))


def _reject_bad_titles(edge: str, request: httpx.Request) -> BatchFault | None:
    if edge != "items_batch":
        return None
    records = json.loads(request.content)["requests"]
    bad = [record["data"]["id"] for record in records if record["data"].get("title") == "Bad"]
    return BatchFault(reject=dict.fromkeys(bad, "The title is bad."))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scene.

    Attributes:
        passages: In a scene without a fault: every side of every step, in order.
        sent: How often each item was sent.
        struck: What the fault did to its process: a signal, "stopped", or an exception; empty without a fault.
        failed: How many runs failed.
        problems: What is wrong at rest.
    """

    passages: list[Passage]
    sent: Counter[str]
    struck: str
    failed: int
    problems: list[str]


class Theatre:
    """One shop between two pulls, from which any number of scenes start.

    Each is played by a forked process, so that none leaves a trace but its database, which is put back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stage = Stage(path)
        self._stage.engine.dispose()  # brings the write-ahead log into the file
        self._rows = path.read_bytes()
        self._now_s = self._stage.now_s

    def play(
        self,
        scene: Callable[[Stage], None],
        fault: tuple[int, Failpoint] | None = None,
        sent: Counter[str] | None = None,
    ) -> Outcome:
        """Play a scene to its end.

        Args:
            fault: The piece of work that fails, counted from 1, and how.
            sent: How often each item is sent without it.
        """
        self._stage.now_s = self._now_s  # shared with all who are forked
        ours, theirs = Pipe()
        pid = os.fork()
        if pid == 0:
            _play(self._stage, scene, fault, sent, theirs)
        theirs.close()
        try:
            outcome: Outcome | str = ours.recv()
        finally:
            os.kill(pid, signal.SIGKILL)  # also when the test ran out of time
            os.waitpid(pid, 0)
            self._path.write_bytes(self._rows)
            for left in ("-wal", "-shm"):
                Path(f"{self._path}{left}").unlink(missing_ok=True)
        assert isinstance(outcome, Outcome), outcome
        return outcome

    def close(self) -> None:
        self._stage.close()


def _play(
    stage: Stage,
    scene: Callable[[Stage], None],
    fault: tuple[int, Failpoint] | None,
    sent: Counter[str] | None,
    pipe: Connection,
) -> NoReturn:
    try:
        for side in ("before", "after"):
            setattr(failpoints, side, _watched(stage, side, getattr(failpoints, side)))
        scene(stage)
        stage.fault = fault
        stage.play()
        pushes = stage.pushes()
        failed = sum(row.state == "failed" for row in stage.rows(run))
        pipe.send(Outcome(stage.passages, pushes, stage.struck, failed, stage.problems(sent or pushes)))
    except BaseException:  # noqa: BLE001 - this process ends here; the test shows what it was
        pipe.send(traceback.format_exc())
    finally:
        os._exit(0)


def _watched(stage: Stage, side: str, passing: Callable[[str], bool]) -> Callable[[str], bool]:
    def watched(step: str) -> bool:
        stage.passages.append(Passage(stage.carried_out, step, side))
        stage.on_passage.get((step, side), lambda: None)()
        return passing(step)

    return watched
