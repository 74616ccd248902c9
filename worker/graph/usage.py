"""How much of Meta's call quota is used, as its answers tell.

``X-Business-Use-Case-Usage`` is JSON keyed by business-object id, each with a *list* of entries; ``X-App-Usage`` is one
flat object. Values are whole percents, the time to regain access is in minutes
(https://developers.facebook.com/docs/graph-api/overview/rate-limiting).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

_PERCENTS = ("call_count", "total_cputime", "total_time")


@dataclass(frozen=True, slots=True)
class Usage:
    """The fullest of all buckets that one answer mentions.

    Attributes:
        used_pct: 100 is exhausted; may be more.
        regain_s: Seconds until calls are accepted again; None when Meta names no time (also when it says 0).
    """

    used_pct: int
    regain_s: float | None


def usage(headers: Mapping[str, str]) -> Usage | None:
    """Read the usage headers of one answer. None where there are none, or none that can be understood.

    The ``type`` strings of catalog buckets are not documented, so no entry is left out.
    """
    used: list[float] = []
    regain: list[float] = []
    for entry in _entries(headers):
        used += [value for name in _PERCENTS if (value := _number(entry.get(name))) is not None]
        minutes = _number(entry.get("estimated_time_to_regain_access"))
        if minutes:
            regain.append(minutes * 60)
    if not used and not regain:
        return None
    return Usage(used_pct=math.ceil(max(used, default=100.0)), regain_s=max(regain, default=None))


def _entries(headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    by_business = _object(headers.get("x-business-use-case-usage"))
    for listed in by_business.values():
        if isinstance(listed, list):
            yield from (entry for entry in listed if isinstance(entry, dict))
    yield _object(headers.get("x-app-usage"))


def _object(text: str | None) -> Mapping[str, Any]:
    if text is None:
        return {}
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A percent or a number of minutes beyond this is noise, and would block a catalog for years.
    return float(value) if 0 <= value <= 10_000 else None
