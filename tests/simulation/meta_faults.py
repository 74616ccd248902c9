"""What Meta may answer instead: refusals, silence, handles that end badly, items that are refused."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping

import httpx

from tests.simulation.meta_answers import refusal
from tests.simulation.seams import Answer, Carried
from worker.sandbox.batches import BatchFault, Ending
from worker.sandbox.quota import usage_header

TOO_MUCH = "Please reduce the amount of data you're asking for, then retry your request"

# No fault makes Meta apply anything later than this after the call: the drain of the simulation is longer.
SLOWEST_S = 80.0

_ENDINGS: tuple[Ending, ...] = ("error", "canceled", "never")

Fault = Callable[[random.Random], Answer]


def _throttled(rng: random.Random) -> Answer:
    answer = refusal(80014, "There have been too many calls for the batch uploads to this catalog account.")
    if rng.random() < 0.5:
        answer.headers.update(usage_header("catalog_batch", 100, 1))
    return answer


def _no_answer(rng: random.Random) -> httpx.Response | Exception:
    if rng.random() < 0.5:
        return httpx.ReadError("The connection broke before the answer.")
    return httpx.Response(502, text="<html>Bad gateway</html>")


_WRITES: Mapping[str, tuple[float, Fault]] = {
    "throttled": (0.04, _throttled),
    "refused": (0.05, lambda rng: refusal(*rng.choice(((2, "try again"), (1, TOO_MUCH))))),
    "unanswered": (0.06, lambda rng: Carried(_no_answer(rng))),
    "ended badly": (
        0.06,
        lambda rng: BatchFault(ending=rng.choice(_ENDINGS), share=rng.random()),
    ),
    "forgotten handle": (0.02, lambda _: BatchFault(forget=True)),
    "nothing taken": (0.02, lambda _: BatchFault(no_handle=True)),
    "rejected": (0.05, lambda rng: BatchFault(reject_count=rng.choice((1, 2)))),
    "hidden ids": (0.03, lambda _: BatchFault(reject_count=1, hide_ids=True)),
    "slow": (0.06, lambda rng: BatchFault(delay_s=rng.random() * SLOWEST_S)),
}
_READS: Mapping[str, tuple[float, Fault]] = {
    "throttled poll": (0.03, lambda _: refusal(80009, "too many calls")),
    "unanswered poll": (0.04, lambda rng: Carried(_no_answer(rng))),
}
NAMES = (*_WRITES, *_READS, "poisoned", "token refused")


class MetaFaults:
    """Draws what happens to each call.

    Attributes:
        poison: The id that makes Meta refuse every call it travels in; None: there is none.
        refused: Catalogs whose token Meta refuses.
        happened: How often each fault did.
    """

    def __init__(self, rng: random.Random, rates: Mapping[str, float]) -> None:
        self._rng = rng
        self._rates = rates
        self.poison: str | None = None
        self.refused: set[str] = set()
        self.happened: Counter[str] = Counter()
        self._poisoned = rng.choice((
            lambda: refusal(1, TOO_MUCH),
            lambda: refusal(100, "Invalid parameter"),
            lambda: BatchFault(no_handle=True),
        ))  # fmt: skip

    def draw(self, edge: str, request: httpx.Request) -> Answer:
        """The fault of one call; None: there is none."""
        return self._always(edge, request) or self._drawn(_WRITES if edge == "items_batch" else _READS)

    def always(self, edge: str, request: httpx.Request) -> Answer:
        """As ``draw``, when chance has no say any more."""
        return self._always(edge, request)

    def _always(self, edge: str, request: httpx.Request) -> Answer:
        if request.url.path.rsplit("/", 2)[1] in self.refused:
            self.happened["token refused"] += 1
            return refusal(190, "Error validating access token: Session has expired.")
        if edge == "items_batch" and self.poison in _ids(request):
            self.happened["poisoned"] += 1
            return self._poisoned()
        return None

    def _drawn(self, faults: Mapping[str, tuple[float, Fault]]) -> Answer:
        dice = self._rng.random()
        for name, (share, fault) in faults.items():
            dice -= share * self._rates[name]
            if dice < 0:
                self.happened[name] += 1
                return fault(self._rng)
        return None


def _ids(request: httpx.Request) -> Collection[str]:
    return {record["data"]["id"] for record in json.loads(request.content)["requests"]}
