"""The breaker of one pull: counts what is improbable while the store is read, and says what has to wait.

Small changes flow at once. As soon as the share of improbable ones is over a shop's threshold, in one chunk or in all
that was read so far, those of the chunk are gated; at the end of the pull the share of everything decides whether
their gates open again or the run is held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row

from worker.items.breaker import (
    AT_LEAST,
    KINDS,
    REPRICED,
    REWRITTEN,
    SOLD_OUT,
    Thresholds,
    suspicions,
    thresholds,
    too_many,
)
from worker.items.gates import gated
from worker.items.states import Acked, Want

# A delta reads only what changed, so it tells no share before its end: from this share of the catalog on it gates.
_EARLY: Final = 0.1

_OF_VOLATILE: Final = REPRICED | SOLD_OUT

_WORDS: Final = {
    "rewritten": "would get another content",
    "repriced": "would get a price of another size or currency",
    "sold_out": "could no longer be bought",
}


def kinds_of(job: str, *, same_seed: bool) -> int:
    """What a pull judges. Under another seed, what shapes the items has changed: all content changes on purpose."""
    if job == "volatile":
        return _OF_VOLATILE
    return sum(KINDS.values()) if same_seed else _OF_VOLATILE


@dataclass(slots=True)
class Breaker:
    """What one run has found improbable so far.

    Attributes:
        judged: The kinds (bits of ``KINDS``) that this run judges.
        job: ``full`` and ``volatile`` read every item, so that their share of what was read speaks for the whole shop.
        count_live: How many items Meta shows. The share of a delta is of these; it is asked for only when it matters.
        read: Records of this pull so far.
        found: How many items of each kind, by name.
    """

    run_id: str
    job: str
    thresholds: Thresholds
    judged: int
    count_live: Callable[[], int]
    read: int
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    _live: int | None = None

    @classmethod
    def of(cls, shop_row: Row[Any], run: Row[Any], count_live: Callable[[], int]) -> Breaker:
        judged = kinds_of(run.job, same_seed=run.seed == shop_row.seed)
        found = {name: getattr(run, name) for name in KINDS}
        return cls(run.id, run.job, thresholds(shop_row.limits), judged, count_live, run.pulled, found)

    @property
    def reads_all(self) -> bool:
        return self.job != "delta"

    def judge(
        self, wants: Mapping[str, tuple[Acked | None, Want | None, Want]], stamp: int, size: int
    ) -> tuple[dict[str, Want], dict[str, int]]:
        """Decide which wants of a chunk wait. Returns those that change by it, and what was counted.

        Args:
            wants: What Meta confirmed, what was wanted before, and what is now, per id; none of the last is gated.
            stamp: Of this observation: a half that it did not move is not judged by it.
            size: Records of this chunk, those without a change included.
        """
        kinds: dict[str, int] = {}
        counts = dict.fromkeys(KINDS, 0)
        for retailer_id, (acked, before, want) in wants.items():
            kind = suspicions(acked, want)
            if kind or (before is not None and before.gate_run is not None):
                kinds[retailer_id] = kind
            if kind and not (before is not None and self.run_id in (before.run_id, before.volatile_run)):
                for name, bit in KINDS.items():
                    counts[name] += bool(kind & bit & self.judged & _fresh(want, stamp))
        for name, number in counts.items():
            self.found[name] += number
        over = self._over_early(counts, size)
        waiting = {}
        for retailer_id, kind in kinds.items():
            _, before, want = wants[retailer_id]
            new = self._gate(before, want, kind, over, stamp)
            if new is not want:
                waiting[retailer_id] = new
        return waiting, counts

    def _gate(self, before: Want | None, want: Want, kind: int, over: int, stamp: int) -> Want:
        fresh = _fresh(want, stamp)
        mine = kind & self.judged & fresh
        gate = None if before is None else before.gate_run
        # Whoever reads everything answers for an older finding that it sees again; others leave it to that run. What a
        # full does not judge has changed on purpose.
        answered = fresh if self.job == "full" else mine
        takes_over = gate is not None and self.reads_all and not kind & ~answered
        if mine & over or (mine and takes_over):
            return gated(want, self.run_id, volatile=self.job == "volatile")
        if kind and before is not None and gate is not None and not takes_over:
            return want._replace(gate_run=gate, run_id=before.run_id, volatile_run=before.volatile_run)
        return want

    def over(self) -> int:
        """The kinds of which there are too many, now that all was read."""
        return self._over(lambda name: too_many(self.found[name], self._share(name), self._total()))

    def reasons(self) -> list[str]:
        """Why the run is held for its values, as sentences; none: it is not."""
        over = self.over()
        of = "that your store returned" if self.reads_all else "that Meta shows"
        return [
            f"{self.found[name]:,} of {self._total():,} items {of} {_WORDS[name]}."
            for name, bit in KINDS.items()
            if over & bit
        ]

    def _over_early(self, counts: Mapping[str, int], size: int) -> int:
        if self.reads_all:
            # However few: where a pull begins, nobody knows how it goes on, and the wait is for its end at most.
            in_this = sum(bit for name, bit in KINDS.items() if counts[name] > self._share(name) * size)
            return in_this | self.over()
        return self._over(lambda name: too_many(self.found[name], min(self._share(name), _EARLY), self._total()))

    def _over(self, is_over: Callable[[str], bool]) -> int:
        # Few items are never too many, and then nobody counts the catalog.
        return sum(bit for name, bit in KINDS.items() if self.found[name] >= AT_LEAST and is_over(name))

    def _total(self) -> int:
        if self.reads_all:
            return self.read
        if self._live is None:
            self._live = self.count_live()
        return self._live

    def _share(self, name: str) -> float:
        share: float = getattr(self.thresholds, name)
        return share


def _fresh(want: Want, stamp: int) -> int:
    """The kinds that an observation of this stamp speaks of."""
    content = max(want.content_stamp, want.status_stamp) == stamp
    volatile = want.volatile_stamp == stamp
    return (REWRITTEN | SOLD_OUT if content else 0) | (_OF_VOLATILE if volatile else 0)
