"""What is due, and what freshness was promised. Pure functions of rows and an instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from schedules.cadence import BadCadence, next_fire

PROMISE: Mapping[str, timedelta] = MappingProxyType(
    {"full": timedelta(hours=24), "delta": timedelta(hours=1), "volatile": timedelta(minutes=15)}
)
"""How old the last accepted state of a job may be. The audit promises nothing."""

_LEAST_GRACE_S = 120.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One enabled row of the schedule. ``next_run_at`` is aware; None: it was never computed."""

    shop_id: int
    slug: str
    job: str
    cron: str
    zone: str
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Move:
    """A row to move, by compare-and-set on ``slot.next_run_at``.

    Attributes:
        fire_time: The run to make, named by the slot that was missed first; None: none is due, the row only gets
            its first ``next_run_at``.
        next_run_at: Where the row goes, later than now; None: the cadence can no longer be read.
        problem: Why not, in one sentence; "" when all is well.
    """

    slot: Slot
    fire_time: datetime | None
    next_run_at: datetime | None
    problem: str = ""


def due(slots: Iterable[Slot], now: datetime) -> list[Move]:
    """The rows to move at ``now``, longest overdue first.

    However many slots of a row were missed, it is due once: the next one is counted from now. A row whose cadence
    cannot be read takes nothing from the others.
    """
    moves = [_move(slot, now) for slot in slots if slot.next_run_at is None or slot.next_run_at <= now]
    return sorted(moves, key=lambda move: move.fire_time or now)


def met(age_s: float | None, job: str) -> bool:
    """Whether the promise of a job is kept. ``age_s`` is the age of the last accepted state, None before the first.

    Ten percent over the promise, and never less than two minutes, are granted for the run itself.
    """
    if age_s is None:
        return False
    promise_s = PROMISE[job].total_seconds()
    return age_s <= promise_s + max(promise_s / 10, _LEAST_GRACE_S)


def _move(slot: Slot, now: datetime) -> Move:
    try:
        following = next_fire(slot.cron, slot.slug, slot.job, now, slot.zone)
    except BadCadence as error:
        return Move(slot, None, None, str(error))
    return Move(slot, slot.next_run_at, following)
