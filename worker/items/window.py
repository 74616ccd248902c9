"""Sale windows: ``start/end`` in ISO-8601 with an offset, to the minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

# A window needs both ends. These are what Meta's own WooCommerce plugin writes for an end that the store leaves open.
OPEN_START = "1970-01-29T00:00+00:00"
OPEN_END = "2038-01-17T23:59+00:00"
# Checked before the cache, which would keep whatever it is given.
_TEXT_CHARS = 100


def window(value: Any) -> str | None:
    """Meta's form of ``start/end``; None if it is no window or its start is not before its end."""
    return _window(value) if isinstance(value, str) and len(value) <= _TEXT_CHARS else None


def window_of(start: Any, end: Any) -> str | None:
    """The same from two instants, either of which may be missing: that end is open."""
    starts, ends = _instant_text(start), _instant_text(end)
    return None if starts is None or ends is None else window(f"{starts}/{ends}")


def _instant_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return (value or "").strip()
    # A datetime is a date too; isoformat keeps the one with and the other without a time.
    return value.isoformat() if isinstance(value, date) else None


@lru_cache(maxsize=4096)
def _window(text: str) -> str | None:
    start_text, slash, end_text = text.partition("/")
    start_text, end_text = start_text.strip(), end_text.strip()
    if not slash or not (start_text or end_text):
        return None
    start = _instant(start_text or OPEN_START, time.min)
    end = _instant(end_text or OPEN_END, time(23, 59))
    if start is None or end is None or not start < end:
        return None
    return f"{start.isoformat(timespec='minutes')}/{end.isoformat(timespec='minutes')}"


def _instant(text: str, of_day: time) -> datetime | None:
    """A date alone means its first minute as a start and its last as an end; without an offset it is UTC."""
    try:
        is_day = len(text) <= 10
        found = datetime.combine(date.fromisoformat(text), of_day) if is_day else datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        offset = found.utcoffset()
        if offset is not None and offset.total_seconds() % 60:
            return None
        # Cut before comparing, so that what is sent is itself in order.
        return found.replace(second=0, microsecond=0)
    except ValueError:
        return None
