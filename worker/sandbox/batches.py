"""One handle of ``items_batch``: from accepted to finished, by the clock alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Ending = Literal["finished", "error", "canceled", "never"]

_DISPATCHED_AT = 0.1  # share of the whole time after which a handle shows the next state
_STARTED_AT = 0.2


class Record(NamedTuple):
    """One accepted request. ``line`` counts from 1 in the order of the call."""

    line: int
    method: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchFault:
    """What goes wrong with one call to ``items_batch`` beyond what the items deserve.

    Attributes:
        refuse: Message per id, answered at once in ``validation_status``.
        reject: Message per id, found when the item would be applied.
        reject_count: This many further items, drawn at random, are rejected with ``reject_message``.
        hide_ids: ``ids_of_invalid_requests`` and ``errors`` stay empty; only ``errors_total_count`` tells.
        foreign: Ids that are not in the batch and are listed with an error all the same.
        ending: The state in which the handle ends; ``never`` stays "started".
        share: Share of the items (0 to 1) that is applied before that ending.
        delay_s: How long the batch takes, instead of the usual time.
        lag_s: The items are applied this long after the handle says that they were.
        lose: Ids that are neither applied nor reported; None loses nothing, an empty collection everything.
        no_handle: Nothing is ingested and ``handles`` is empty.
        forget: The handle is unknown when it is asked for; its items are applied.
    """

    refuse: Mapping[str, str] = field(default_factory=dict)
    reject: Mapping[str, str] = field(default_factory=dict)
    reject_count: int = 0
    reject_message: str = "Invalid value: The item was refused by a fault switch of the sandbox."
    hide_ids: bool = False
    foreign: Collection[str] = ()
    ending: Ending = "finished"
    share: float = 1.0
    delay_s: float | None = None
    lag_s: float = 0.0
    lose: Collection[str] | None = None
    no_handle: bool = False
    forget: bool = False


NO_FAULT = BatchFault()


@dataclass(slots=True)
class Batch:
    """An accepted call. ``records`` are in the order in which they are applied, not as sent.

    ``overlapping`` are the ids that an earlier batch could still change when this one was accepted: a careful caller
    never has any.
    """

    handle: str
    catalog_id: str
    accepted_at: float
    duration_s: float
    allow_upsert: bool
    records: Sequence[Record]
    fault: BatchFault = NO_FAULT
    overlapping: tuple[str, ...] = ()
    applied: int = 0
    errors: list[tuple[int, str, str]] = field(default_factory=list)
    warnings: list[tuple[int, str, str]] = field(default_factory=list)
    ids: frozenset[str] = frozenset()
    to_apply: int = 0
    rejected_at_random: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.ids = frozenset(record.data["id"] for record in self.records)
        self.to_apply = round(len(self.records) * self.fault.share)

    def due_at(self, index: int) -> float:
        """When the record at ``index`` is applied; spread evenly over the time in which the batch is "started"."""
        progress = _STARTED_AT + (1 - _STARTED_AT) * (index + 1) / len(self.records)
        return self.accepted_at + self.duration_s * progress + self.fault.lag_s

    def due(self, now: float) -> range:
        """Indexes of the records that are to be applied by now and are not yet."""
        since_start = now - self.accepted_at - self.fault.lag_s
        if self.duration_s <= 0:
            count = len(self.records) if since_start >= 0 else 0
        else:
            progress = (since_start / self.duration_s - _STARTED_AT) / (1 - _STARTED_AT)
            count = max(0, min(len(self.records), int(progress * len(self.records) + 1e-9)))
        return range(self.applied, max(self.applied, min(count, self.to_apply)))

    def state(self, now: float) -> str:
        """``scheduled``, ``dispatched``, ``started``, or how it ended."""
        elapsed = now - self.accepted_at
        if self.duration_s > 0 and elapsed < self.duration_s:
            progress = elapsed / self.duration_s
            return "scheduled" if progress < _DISPATCHED_AT else "dispatched" if progress < _STARTED_AT else "started"
        return "started" if self.fault.ending == "never" else self.fault.ending

    def may_still_land(self, now: float) -> bool:
        """Whether an item of this batch can change from now on, or the handle still says so."""
        ended = self.fault.ending == "never" or self.state(now) == self.fault.ending
        return self.applied < self.to_apply or not ended
