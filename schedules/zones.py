"""The wall clock of a zone, and the one instant that each of its times stands for.

Where a clock is put forward, some times of that day do not exist; where it is put back, some come twice. A schedule
needs exactly one instant for each, so that a date is a slot: a time that does not exist means the first instant after
the gap, one that comes twice means its first pass.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


class UnknownZone(ValueError):
    """One sentence that names the zone, and what to write instead."""


@lru_cache(maxsize=256)
def named(name: str) -> tzinfo:
    """The zone of an IANA name. Raises ``UnknownZone``."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownZone(f"'{name}' is an unknown time zone; leave it out to use UTC.") from error


def wall_time(instant: datetime, zone: tzinfo) -> datetime:
    """What the clock shows at an aware instant, with UTC written over its zone."""
    return instant.astimezone(zone).replace(tzinfo=UTC, fold=0)


def on_the_clock(wall: datetime, zone: tzinfo) -> datetime:
    """The instant, in UTC, that stands for a wall time as ``wall_time`` gives it."""
    if zone is UTC:
        return wall
    local = wall.replace(tzinfo=zone)
    first = local.astimezone(UTC)
    if wall_time(first, zone) == wall:
        return first
    # In a gap both readings miss it: by the offset before it comes out after the gap, by the one after it before.
    before, after = local.replace(fold=1).astimezone(UTC), first
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)
