"""Meta's call quotas per catalog, and the usage header in its true shape.

Calls that are refused count too, and each one moves the end of the block: "stop calling" is Meta's advice.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from worker.sandbox.answers import GraphRefusal

Kind = Literal["catalog_batch", "catalog_management"]

BUSINESS_ID = "9000000000000001"
"""The usage header is keyed by a business object's id, which is not the catalog's."""

_CODES = {"catalog_batch": 80014, "catalog_management": 80009}
_WINDOW_S = {"catalog_batch": 60.0, "catalog_management": 3600.0}
_PER_WINDOW = {"catalog_batch": 8, "catalog_management": 20_000}
_WHAT = {
    "catalog_batch": "for the batch uploads to this catalog account",
    "catalog_management": "to this catalog account",
}
_SHOWN_FROM_PERCENT = 10


@dataclass(slots=True)
class QuotaSettings:
    """``visits`` is what Meta's formula takes: ad impressions and product views of 28 days.

    ``calls`` overrides the formula per kind, ``window_s`` the length of both windows, ``usage_percent`` the header.
    """

    enforce: bool = False
    visits: int = 1
    calls: dict[Kind, int] = field(default_factory=dict)
    window_s: float | None = None
    usage_percent: int | None = None


@dataclass(slots=True)
class _Bucket:
    calls: deque[float] = field(default_factory=deque)
    blocked_until: float = -math.inf


class Quotas:
    def __init__(self, clock: Callable[[], float], settings: QuotaSettings) -> None:
        self.settings = settings
        self._clock = clock
        self._buckets: dict[tuple[Kind, str], _Bucket] = {}

    def take(self, kind: Kind, catalog_id: str) -> dict[str, str]:
        """Count a call. Returns the headers of its answer; raises ``GraphRefusal`` (80014, 80009) beyond the quota."""
        now, bucket = self._clock(), self._buckets.setdefault((kind, catalog_id), _Bucket())
        window_s = self.settings.window_s or _WINDOW_S[kind]
        while bucket.calls and bucket.calls[0] <= now - window_s:
            bucket.calls.popleft()
        bucket.calls.append(now)
        allowed = self.settings.calls.get(kind) or quota(kind, self.settings.visits)
        used = min(100, 100 * len(bucket.calls) // allowed) if self.settings.enforce else 0
        if self.settings.enforce and (now < bucket.blocked_until or len(bucket.calls) > allowed):
            bucket.blocked_until = now + window_s
            raise refusal(kind, math.ceil(window_s / 60))
        percent = used if self.settings.usage_percent is None else self.settings.usage_percent
        return usage_header(kind, percent, 0) if percent >= _SHOWN_FROM_PERCENT else {}

    def clear(self) -> None:
        self._buckets.clear()


def quota(kind: Kind, visits: int) -> int:
    """Calls per window: ``8 + 8*log2(n)`` a minute for writes, ``20,000 + 20,000*log2(n)`` an hour for the rest."""
    return int(_PER_WINDOW[kind] * (1 + math.log2(max(1, visits))))


def usage_header(kind: Kind, percent: int, regain_minutes: int) -> dict[str, str]:
    usage = {
        "type": kind,
        "call_count": percent,
        "total_cputime": percent // 4,
        "total_time": percent // 4,
        "estimated_time_to_regain_access": regain_minutes,
    }
    return {"X-Business-Use-Case-Usage": json.dumps({BUSINESS_ID: [usage]})}


def refusal(kind: Kind, regain_minutes: int) -> GraphRefusal:
    return GraphRefusal(
        _CODES[kind],
        f"There have been too many calls {_WHAT[kind]}. Wait a bit and try again.",
        headers=usage_header(kind, 100, max(1, regain_minutes)),
    )
