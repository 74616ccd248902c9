"""Named steps at which a test can kill, stop or fail a process. Does nothing unless ``arm`` was called.

A step is one transaction, or one call over the network: the units in which work becomes true. Each has two sides.
*Before* it, nothing of it has happened (a transaction is complete and not committed, a request has not left); *after*
it, all of it has, and this process has done nothing with that knowledge yet.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

CALLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pull.3-ask": "the store is asked for a page",
        "pull.11-confirm": "the store is asked for the items that seem to be missing",
        "lane.5-post": "the batch is sent to Meta",
        "settle.3-ask": "Meta is asked what became of a batch",
        "probe.2-ask": "Meta is asked for a catalog, to learn whether it is well",
        "audit.2-list": "Meta is asked for a page of its listing",
        "audit.4-count": "Meta is asked how many items it has",
        "audit.5-confirm": "Meta is asked for the items that seem to differ",
        "audit.8-fetch": "the store is asked for repaired items",
    }
)
"""The steps that are calls over the network, and what each does."""

TRANSACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request.1-queue": "a run is queued by hand",
        "dispatch.1-claim": "due schedules move on and their runs are queued",
        "dispatch.2-tick": "the dispatcher shows that it lives, and follows a clock that was put back",
        "pull.1-begin": "the pull takes its lease and its run",
        "pull.2-stamp": "a stamp is drawn, older than the page that is about to be asked for",
        "pull.4-renew": "the lease is renewed while the store is slow",
        "pull.5-merge": "what a page says becomes desired",
        "pull.6-note": "what is wrong with records that name no item is noted",
        "pull.7-duplicates": "ids that came twice are noted",
        "pull.8-save": "the cursor is written down, with what was seen and counted up to it",
        "pull.9-hand-over": "the slice is over: cursor written down, lease given back",
        "pull.10-recheck": "a stamp is drawn before missing items are looked up",
        "pull.12-archive": "missing items become desired as archived",
        "pull.13-clear": "duplicates that did not come again are cleared",
        "pull.14-complete": "the store was read to its end: the run goes to the lane",
        "pull.15-start-over": "the store forgot the cursor: the run starts again with the first page",
        "pull.16-retry": "the store is in trouble: the run waits",
        "pull.17-fail": "the pull failed: its run ends",
        "pull.18-refuse": "the store cannot be opened: the run ends before it began",
        "pull.19-judge": "what looked improbable while it was read, and is not, is let go",
        "lane.1-lease": "the sender takes the lane's lease, and clears up after its predecessor",
        "lane.2-pick": "a batch is written down as ready, with the items it carries",
        "lane.3-commit": "the batch is committed to: ready becomes sending",
        "lane.4-give-back": "the sender was held up: the batch is given back unsent",
        "lane.6-record": "Meta's answer is written down",
        "lane.7-release": "nothing more is due: the lease is given back",
        "lane.8-stop": "the shop's token cannot be read: the batch is given back unsent and the shop stops",
        "settle.1-arrive": "the wake-up is noted as arrived",
        "settle.2-claim": "a due handle is claimed, or a batch that can no longer land is resolved",
        "settle.4-conclude": "the snapshot takes what Meta confirmed; what it refused is put to rest",
        "settle.5-leave": "time is up: the next wake-up is noted",
        "settle.6-judge": "a call without an outcome is judged by whether Meta is well",
        "probe.1-claim": "the wait of an outage is over, and this process is the one to ask",
        "probe.3-judge": "the outage is over, or its wait is longer",
        "probe.4-note": "whether Meta is well is written down",
        "audit.1-begin": "the audit takes its lease and its run",
        "audit.3-save": "the cursor is written down, with what was seen and counted up to it",
        "audit.6-repair": "what of some items was wrongly believed is forgotten",
        "audit.7-stamp": "a stamp is drawn before the store is asked for repaired items",
        "audit.9-orphans": "what nobody here knows is reported, and hidden if it was ours",
        "audit.10-hand-over": "the slice is over: cursor written down, lease given back",
        "audit.11-complete": "everything was compared: the run goes to the lane",
        "audit.12-start-over": "Meta forgot the cursor: the run starts again with the first page",
        "audit.13-stop": "Meta refuses more than this call: whoever it concerns waits, or the shop stops",
        "audit.14-retry": "Meta is in trouble: the run waits",
        "audit.15-fail": "the audit failed, or is not believed: its run ends",
        "sweep.1-look-after": "a shop's lost wake-ups and hopeless runs are found",
        "approval.1-approve": "what a held run waits with is let go, and the run goes to the lane",
        "approval.2-reject": "a thousand items that a held run waits with are given up; after the last, the run ends",
        "sweep.2-watch": "what stands still is told, and that the sweep has ended",
        "retain.1-forget": "some rows that are older than they are kept are gone",
        "retain.2-payloads": "a shop's chunks that nothing points into are gone",
    }
)
"""The steps that are transactions, and what is true once they have committed."""

STEPS: Final[Mapping[str, str]] = MappingProxyType({**TRANSACTIONS, **CALLS})


class InjectedBug(RuntimeError):
    """An exception that no code expects, as a bug would raise it."""


@dataclass(frozen=True, slots=True)
class Failpoint:
    """What happens when a process passes a step for the ``passage``-th time, counted from 1.

    ``kill`` is SIGKILL to this process, ``stop`` SIGSTOP, ``raise`` an ``InjectedBug``: each after the step, or with
    ``-before`` before it. With ``commit-lost`` the connection breaks before the commit, with ``commit-unknown`` after
    it; both look the same to the caller.
    """

    step: str
    action: str
    passage: int = 1

    def __str__(self) -> str:
        return f"{self.step}:{self.action}:{self.passage}"


def parse(text: str) -> tuple[Failpoint, ...]:
    """Read ``STEP:ACTION[:PASSAGE]``, comma-separated. Raises ``ValueError`` with the rest of a sentence."""
    return tuple(_parse_one(part.strip()) for part in text.split(",") if part.strip())


def _parse_one(text: str) -> Failpoint:
    step, _, rest = text.partition(":")
    action, _, passage = rest.partition(":")
    if step not in STEPS:
        raise ValueError(f"there is no step {step!r}, docs/failpoints.md lists them")
    actions = actions_of(step)
    if action not in actions:
        raise ValueError(f"the step {step} has no action {action!r}, only {', '.join(actions)}")
    if not (passage or "1").isdecimal() or int(passage or "1") < 1:
        raise ValueError(f"{passage!r} is no passage of {step}; the first is 1")
    return Failpoint(step, action, int(passage or "1"))


def actions_of(step: str) -> tuple[str, ...]:
    """What can happen at a step. Only a transaction commits, so only there a commit can go wrong."""
    actions = (*_ACTS["before"], *_ACTS["after"])
    return actions if step in TRANSACTIONS else tuple(name for name in actions if not name.startswith("commit-"))


def before(step: str) -> bool:
    """A step is about to take effect. Returns whether its connection breaks now."""
    return _armed is not None and _armed.passes(step, "before")


def after(step: str) -> bool:
    """A step has taken effect. Returns whether its connection breaks now, before anybody learns it."""
    return _armed is not None and _armed.passes(step, "after")


def arm(failpoints: Sequence[Failpoint]) -> None:
    """From now on, in this process and those that it forks; passages are counted anew. None of them: disarm."""
    global _armed  # noqa: PLW0603 - one set for the process, so that a step that is not armed costs a look and no more
    _armed = _Armed(failpoints) if failpoints else None


class _Armed:
    def __init__(self, failpoints: Sequence[Failpoint]) -> None:
        self._failpoints = failpoints
        self._passages: Counter[tuple[str, str]] = Counter()

    def passes(self, step: str, side: Literal["before", "after"]) -> bool:
        self._passages[step, side] += 1
        breaks = False
        for failpoint in self._failpoints:
            act = _ACTS[side].get(failpoint.action)
            if act is not None and (failpoint.step, failpoint.passage) == (step, self._passages[step, side]):
                # Not a log line: whoever is about to be killed may not come to write one.
                os.write(2, f"failpoint {failpoint} in process {os.getpid()}\n".encode())
                breaks |= act(failpoint)
        return breaks


def _kill(_: Failpoint) -> bool:
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def _stop(_: Failpoint) -> bool:
    os.kill(os.getpid(), signal.SIGSTOP)
    return False


def _raise(failpoint: Failpoint) -> bool:
    raise InjectedBug(f"The failpoint {failpoint} was reached.")


def _break(_: Failpoint) -> bool:
    return True


_Act = Callable[[Failpoint], bool]
_ACTS: Final[Mapping[str, Mapping[str, _Act]]] = {
    "before": {"kill-before": _kill, "stop-before": _stop, "raise-before": _raise, "commit-lost": _break},
    "after": {"kill": _kill, "stop": _stop, "raise": _raise, "commit-unknown": _break},
}

_armed: _Armed | None = None
