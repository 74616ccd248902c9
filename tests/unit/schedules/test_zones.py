"""A zoned cadence fires once on each date it names, whatever the clocks of that zone do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest

from schedules import BadCadence, Cadence, Move, Slot, due, next_fire, parse

YEARS = range(2015, 2031)
DAY = timedelta(days=1)
TIMES = [
    time(0),
    time(0, 30),
    time(1, 30),
    time(2),
    time(2, 15),
    time(2, 30),
    time(3),
    time(3, 30),
    time(12),
    time(23, 45),
]


def offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    found = instant.astimezone(zone).utcoffset()
    assert found is not None
    return found


def change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant at which the offset becomes that of ``after``."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        before, after = (before, middle) if offset(zone, middle) == offset(zone, after) else (middle, after)
    return after


class Change(NamedTuple):
    zone: str
    at: datetime
    before: timedelta
    after: timedelta

    def stands_for(self, day: date, clock: time) -> datetime:
        """The rule, written down anew: the first instant that shows this time, else the change that skipped it."""
        wall = datetime.combine(day, clock, UTC)
        shown = [wall - self.before] * (wall - self.before < self.at) + [wall - self.after] * (
            wall - self.after >= self.at
        )
        return min(shown, default=self.at)


@cache
def changes() -> list[Change]:
    """Every clock change that some zone makes in these years, each under the first zone's name."""
    found: dict[tuple[datetime, timedelta, timedelta], Change] = {}
    step = timedelta(days=5)
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        looks = [datetime(YEARS.start, 1, 1, tzinfo=UTC) + step * n for n in range(73 * len(YEARS))]
        for before, after in pairwise(looks):
            if offset(zone, before) != offset(zone, after):
                change = Change(name, change_between(zone, before, after), offset(zone, before), offset(zone, after))
                found.setdefault(change[1:], change)
    return list(found.values())


def fires(cron: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    found = []
    at = start
    while (at := next_fire(cron, "acme", "full", at, zone)) <= end:
        found.append(at)
    return found


def first_instant(zone: ZoneInfo, day: date, clock: time) -> datetime:
    """The rule by search: the first minute that shows this time or, where none does, a later one."""
    wall = datetime.combine(day, clock)
    minute = datetime.combine(day, clock, UTC) - timedelta(hours=26)
    while minute.astimezone(zone).replace(tzinfo=None) < wall:
        minute += timedelta(minutes=1)
    return minute


@pytest.mark.invariant("I8")
@pytest.mark.fault("N17")
def test_a_daily_job_runs_once_on_each_date_through_every_clock_change_of_every_zone() -> None:
    seen = changes()
    assert len(seen) > 500
    for number, change in enumerate(seen):
        today = change.at.astimezone(ZoneInfo(change.zone)).date()
        # Each change meets some of the times, and each time many changes of each kind.
        for clock in TIMES[number % 3 :: 3]:
            expected = [change.stands_for(today + DAY * n, clock) for n in (-1, 0, 1)]
            cron = f"{clock.minute} {clock.hour} * * *"
            found = fires(cron, change.zone, expected[0] - timedelta(seconds=1), expected[-1])
            assert found == expected, (change, clock)


@pytest.mark.invariant("I8")
@pytest.mark.fault("N17")
@pytest.mark.parametrize(
    ("zone", "cron", "day", "fire"),
    [
        # 02:30 does not exist: the first instant after the gap, 03:00 of summer time.
        ("Europe/Berlin", "30 2 * * *", date(2026, 3, 29), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        # 02:30 comes twice: its first pass, in summer time.
        ("Europe/Berlin", "30 2 * * *", date(2026, 10, 25), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("America/New_York", "30 1 * * *", date(2026, 11, 1), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", "15 2 * * *", date(2026, 10, 4), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", "45 1 * * *", date(2026, 4, 5), datetime(2026, 4, 4, 14, 45, tzinfo=UTC)),
        # The day begins at 01:00, and 23:30 of the day before comes twice.
        ("Africa/Cairo", "0 0 * * *", date(2026, 4, 24), datetime(2026, 4, 23, 22, 0, tzinfo=UTC)),
        ("Africa/Cairo", "30 23 * * *", date(2026, 10, 29), datetime(2026, 10, 29, 20, 30, tzinfo=UTC)),
        # 30 December 2011 was left out altogether.
        ("Pacific/Apia", "0 5 * * *", date(2011, 12, 30), datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
        # Weekly and monthly expressions, too.
        ("Europe/Berlin", "30 2 * * sun", date(2026, 10, 25), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("Europe/Berlin", "30 2 29 * *", date(2026, 3, 29), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
    ],
)
def test_the_hard_days_by_hand(zone: str, cron: str, day: date, fire: datetime) -> None:
    around = fires(cron, zone, fire - timedelta(hours=30), fire + timedelta(hours=30))
    minute, hour = cron.split()[:2]
    assert fire in around
    assert fire == first_instant(ZoneInfo(zone), day, time(int(hour), int(minute)))


@pytest.mark.fault("N17")
@pytest.mark.parametrize(
    "cron",
    ["*/15 * * * *", "H/15 * * * *", "H * * * *", "0 1,2 * * *", "0 */6 * * *", "30 1-3 * * *", "0 0 * * * */20"],
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_an_interval_is_counted_in_utc_whatever_the_zone(cron: str, zone: str) -> None:
    assert parse(cron, "acme", "delta", zone) == Cadence(cron, "UTC")
    for start in (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)):
        assert fires(cron, zone, start, start + 2 * DAY) == fires(cron, "UTC", start, start + 2 * DAY)


def test_a_quarter_of_an_hour_stays_one_through_the_day_of_a_change() -> None:
    """Local midnight to midnight has 92 and 100 quarters on these days."""
    zone = ZoneInfo("Europe/Berlin")
    for day, quarters in ((date(2026, 3, 29), 92), (date(2026, 10, 25), 100)):
        start = datetime.combine(day, time(0), zone) - timedelta(seconds=1)
        end = datetime.combine(day + DAY, time(0), zone) - timedelta(seconds=1)
        found = fires("*/15 * * * *", "Europe/Berlin", start, end.astimezone(UTC))
        assert len(found) == quarters
        assert {b - a for a, b in pairwise(found)} == {timedelta(minutes=15)}


@pytest.mark.parametrize("cron", ["30 2 * * *", "H H * * *", "0 9 * * mon", "0 0 1 * *", "0 9 * * * 30"])
def test_a_cadence_of_once_a_day_keeps_its_zone(cron: str) -> None:
    assert parse(cron, "acme", "full", "Europe/Berlin") == Cadence(cron, "Europe/Berlin")


def test_h_is_the_same_wall_time_on_every_date() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = fires("H H * * *", "America/New_York", start, start + 365 * DAY)
    walls = {at.astimezone(ZoneInfo("America/New_York")).time() for at in found}
    assert (len(found), walls) == (365, {time(19, 14)})


def test_a_fire_time_follows_from_any_instant_before_it_also_inside_the_repeated_hour() -> None:
    first_pass = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    tomorrow = datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    for minutes in range(-90, 90, 5):
        after = first_pass + timedelta(minutes=minutes, microseconds=1)
        expected = first_pass if after < first_pass else tomorrow
        assert next_fire("30 2 * * *", "acme", "full", after, "Europe/Berlin") == expected


@pytest.mark.fault("N15", "N17")
def test_dates_missed_around_a_change_are_one_run_named_by_the_first() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    missed = Slot(1, "acme", "full", "30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 1, 30, tzinfo=UTC))
    assert due([missed], now) == [Move(missed, missed.next_run_at, datetime(2026, 4, 1, 0, 30, tzinfo=UTC))]


def test_off_needs_no_zone_but_an_unknown_one_is_named() -> None:
    assert parse("off", "acme", "full", "Europe/Berlin") == Cadence(None, "UTC")
    with pytest.raises(BadCadence, match="'Mars/Base' is an unknown time zone"):
        parse("off", "acme", "full", "Mars/Base")
