"""What was asked of the Graph API, for tests to assert on. Holds no token, no query string and no header."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

_MOST_CALLS = 20_000


class CallLog:
    """The newest calls. ``record_cap`` bounds the request records kept over all of them; ids count as one each."""

    def __init__(self, record_cap: int = 20_000) -> None:
        self.record_cap = record_cap
        self._entries: deque[dict[str, Any]] = deque(maxlen=_MOST_CALLS)
        self._with_records: deque[dict[str, Any]] = deque()
        self._kept = 0
        self._seq = 0

    def begin(self, route: str, method: str, catalog_id: str | None) -> dict[str, Any]:
        """A new entry, which the caller completes."""
        self._seq += 1
        entry: dict[str, Any] = {"seq": self._seq, "time": time.time(), "route": route, "method": method}
        entry.update({"catalog": catalog_id, "status": None, "faults": [], "handle": None})
        self._entries.append(entry)
        return entry

    def keep_records(self, entry: dict[str, Any], requests: list[Any]) -> None:
        """Note the items of a call; the oldest records make room, their counts stay."""
        entry["items"] = len(requests)
        entry["ids"] = [request.get("data", {}).get("id") for request in requests if isinstance(request, dict)]
        entry["records"] = requests
        self._with_records.append(entry)
        self._kept += len(requests)
        while self._kept > self.record_cap and self._with_records:
            oldest = self._with_records.popleft()
            self._kept -= oldest["items"]
            oldest["ids"] = oldest["records"] = None

    def listed(self, route: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Oldest first, those with a larger ``seq`` than ``after``."""
        return [dict(entry) for entry in self._entries if entry["seq"] > after and route in (None, entry["route"])]

    def clear(self) -> None:
        """``seq`` goes on."""
        self._entries.clear()
        self._with_records.clear()
        self._kept = 0
