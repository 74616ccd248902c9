"""How often a job of one shop runs: a cron expression, or ``off``.

``H`` in an expression is a value that the shop and the job decide: it spreads ten thousand shops over the hour
and stays the same for each of them. It is all the jitter there is.

A zone gives the wall clock of an expression that fires once a day at most; see ``schedules.zones``. What fires more
often keeps an interval, which summer time must not stretch or double: it is counted in UTC whatever the zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType

from croniter import CroniterError, croniter

from schedules.zones import UnknownZone, named, on_the_clock, wall_time

OFF = "off"

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {"full": "H H * * *", "delta": "H * * * *", "volatile": "H/15 * * * *", "audit": "H H * * H"}
)
"""Cadence per job. A promise is kept only by a cadence at least as frequent."""

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
    ("second", 0, 59),
)
_MAX_CHARS = 200
# Leap days included: any expression that matches at all matches within eight years of this instant.
_REFERENCE = datetime(2024, 1, 1, tzinfo=UTC)


class BadCadence(ValueError):
    """One sentence that names the expression or the zone, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """A cadence that was checked for one shop and job.

    ``cron`` is None when the job is off; ``zone`` is the one it is counted in, so UTC for an interval.
    """

    cron: str | None
    zone: str


def parse(text: str, slug: str, job: str, zone: str = "UTC") -> Cadence:
    """Check what an operator typed.

    Args:
        slug, job: Decide the value of ``H``, which may fall on a day that a month lacks.
        zone: An IANA name.

    Raises:
        BadCadence: The expression can never fire, or would not fire as often as it looks; or the zone is none.
    """
    _zone(zone)
    cron = " ".join(text.split())
    if cron.lower() == OFF:
        return Cadence(None, "UTC")
    _check_fields(cron)
    next_fire(cron, slug, job, _REFERENCE, zone)
    return Cadence(cron, "UTC" if _is_interval(_iterator(cron, slug, job, _REFERENCE)) else zone)


def next_fire(cron: str, slug: str, job: str, after: datetime, zone: str = "UTC") -> datetime:
    """The first fire time later than ``after``, which is aware; the result is in UTC, on a whole second.

    Counted from ``after`` and not from the last fire time, so slots that were missed are one run and not many. Each
    date of the zone that the expression names has one fire time, on the days of a clock change too.

    Raises:
        BadCadence: The expression is none, or never fires; the zone is unknown.
    """
    if after.tzinfo is None:
        raise ValueError("a fire time is counted from an aware instant")
    clock = _zone(zone)
    # croniter counts in floating seconds; from a whole second on there is nothing to round.
    start = after.astimezone(UTC).replace(microsecond=0)
    try:
        fires = _iterator(cron, slug, job, start)
        if _is_interval(fires):
            clock = UTC
        # croniter knows the calendar and nothing of zones: it is shown the wall clock as if that were UTC.
        fires.set_current(wall_time(start, clock), force=True)
        found = on_the_clock(fires.get_next(), clock)
        while found <= after:  # the second pass of an hour that the clock shows twice
            found = on_the_clock(fires.get_next(), clock)
    except (CroniterError, ValueError, OverflowError) as error:
        raise _bad(
            cron, "never fires" if _is_well_formed(cron, f"{slug}:{job}") else "is no cron expression"
        ) from error
    return found


def _iterator(cron: str, slug: str, job: str, start: datetime) -> croniter[datetime]:
    return croniter(cron, start, ret_type=datetime, hash_id=f"{slug}:{job}")


def _is_interval(fires: croniter[datetime]) -> bool:
    """Whether an expression fires more than once on the days it names."""
    minute, hour, _day, _month, _weekday, *second = fires.expanded
    return any(len(values) > 1 or values == ["*"] for values in (minute, hour, *second))


def _is_well_formed(cron: str, hash_id: str) -> bool:
    try:
        return croniter.is_valid(cron, hash_id=hash_id.encode())
    except (ValueError, OverflowError):
        return False


def _zone(zone: str) -> tzinfo:
    try:
        return named(zone)
    except UnknownZone as error:
        raise BadCadence(str(error)) from error


def _check_fields(cron: str) -> None:
    fields = cron.split(" ")
    if len(cron) > _MAX_CHARS or len(fields) not in {5, 6}:
        raise _bad(cron, "does not have five fields, or six with seconds at the end")
    for field, (name, first, last) in zip(fields, _FIELDS, strict=False):
        for part in field.split(","):
            _check_part(cron, part, name, first, last)


def _check_part(cron: str, part: str, name: str, first: int, last: int) -> None:
    """Refuse what croniter accepts but does not do as it reads."""
    # ``R`` is drawn anew at each look: a process that starts again would see another fire time.
    if re.match(r"r(\b|\()", part, re.IGNORECASE):
        raise _bad(cron, f"would draw its {name} anew each time (write H instead of R)")
    # A range that ends where it begins goes all the way round.
    round_trip = re.match(r"(\w+)-(\w+)\b", part)
    if round_trip is not None and round_trip[1] == round_trip[2]:
        raise _bad(cron, f"means every {name} where it says '{part}'")
    stepped = re.fullmatch(r"(.+)/(\d{1,9})", part)
    if stepped is None:
        return
    start, step = stepped[1], int(stepped[2])
    # Since croniter 7, ``59/15`` is the one value 59, and a step beyond the field has always been one value a round.
    begins = int(start) if re.fullmatch(r"\d{1,9}", start) else first
    if begins <= last < begins + step:
        raise _bad(cron, f"means a single {name} where it says '{part}'")


def _bad(cron: str, what: str) -> BadCadence:
    return BadCadence(f"The cadence '{cron[:_MAX_CHARS]}' {what}; use for example 'H/15 * * * *', or 'off'.")
