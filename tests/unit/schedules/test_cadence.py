from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import DEFAULTS, BadCadence, Cadence, next_fire, parse

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SLUGS = [f"shop-{n}" for n in range(1_000)]
INTERVAL = {
    "full": timedelta(days=1),
    "delta": timedelta(hours=1),
    "volatile": timedelta(minutes=15),
    "audit": timedelta(days=7),
}

instants = st.timedeltas(timedelta(0), timedelta(days=3_650)).map(lambda offset: NEW_YEAR + offset)
jobs = st.sampled_from(sorted(DEFAULTS))
slugs = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=40)


@given(jobs, slugs, instants)
@settings(deadline=None)
def test_a_default_cadence_fires_later_and_within_its_interval(job: str, slug: str, after: datetime) -> None:
    fire = next_fire(DEFAULTS[job], slug, job, after)
    assert after < fire <= after + INTERVAL[job]
    assert fire.utcoffset() == timedelta(0)
    assert fire.microsecond == 0


@given(jobs, slugs, instants)
@settings(deadline=None)
def test_fire_times_follow_each_other_at_the_interval(job: str, slug: str, after: datetime) -> None:
    first = next_fire(DEFAULTS[job], slug, job, after)
    assert next_fire(DEFAULTS[job], slug, job, first) - first == INTERVAL[job]


@given(jobs, slugs, instants)
@settings(deadline=None)
def test_every_instant_before_a_fire_time_leads_to_it(job: str, slug: str, after: datetime) -> None:
    fire = next_fire(DEFAULTS[job], slug, job, after)
    assert next_fire(DEFAULTS[job], slug, job, fire - timedelta(microseconds=1)) == fire
    assert next_fire(DEFAULTS[job], slug, job, after) == fire


@pytest.mark.parametrize(("job", "minutes"), [("full", 1_440), ("delta", 60), ("volatile", 15)])
def test_h_spreads_a_thousand_shops_over_the_interval(job: str, minutes: int) -> None:
    waits = [(next_fire(DEFAULTS[job], slug, job, NEW_YEAR) - NEW_YEAR) // timedelta(minutes=1) for slug in SLUGS]
    parts = 15
    filled = Counter(wait % minutes * parts // minutes for wait in waits)
    assert sorted(filled) == list(range(parts))
    assert max(filled.values()) <= 2.5 * len(SLUGS) / parts


def test_the_jobs_of_one_shop_are_spread_apart() -> None:
    together = sum(
        next_fire("H * * * *", slug, "delta", NEW_YEAR) == next_fire("H * * * *", slug, "full", NEW_YEAR)
        for slug in SLUGS
    )
    assert together < 60


def test_h_is_the_same_in_every_process_and_release() -> None:
    assert next_fire("H H * * *", "acme", "full", NEW_YEAR) == datetime(2026, 1, 1, 19, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "fire"),
    [
        ("* * * * *", datetime(2026, 1, 1, 0, 1, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 1, 1, 0, 5, tzinfo=UTC)),
        ("* * * * * */20", datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)),
        ("30 2 * * 1-5", datetime(2026, 1, 1, 2, 30, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 1 mar *", datetime(2026, 3, 1, tzinfo=UTC)),
        ("5/15 * * * *", datetime(2026, 1, 1, 0, 5, tzinfo=UTC)),
        ("0 0 * * 7", datetime(2026, 1, 4, tzinfo=UTC)),
    ],
)
def test_ordinary_expressions(cron: str, fire: datetime) -> None:
    assert parse(cron, "acme", "full") == Cadence(cron, "UTC")
    assert next_fire(cron, "acme", "full", NEW_YEAR) == fire


def test_white_space_around_fields_means_nothing() -> None:
    assert parse("  H/15  *\t* * *\n", "acme", "volatile").cron == "H/15 * * * *"


@pytest.mark.parametrize("text", ["off", "OFF", " off "])
def test_off_is_a_cadence_without_fire_times(text: str) -> None:
    assert parse(text, "acme", "full") == Cadence(None, "UTC")


@pytest.mark.parametrize("job", sorted(DEFAULTS))
def test_the_defaults_are_valid(job: str) -> None:
    assert parse(DEFAULTS[job], "acme", job).cron == DEFAULTS[job]


EXAMPLE = "; use for example 'H/15 * * * *', or 'off'."


@pytest.mark.parametrize(
    ("cron", "what"),
    [
        ("", "does not have five fields, or six with seconds at the end"),
        ("* * * *", "does not have five fields, or six with seconds at the end"),
        ("* * * * * * 2026", "does not have five fields, or six with seconds at the end"),
        ("@hourly", "does not have five fields, or six with seconds at the end"),
        ("every 5 minutes or so", "is no cron expression"),
        ("60 * * * *", "is no cron expression"),
        ("*/0 * * * *", "is no cron expression"),
        ("H/0 * * * *", "is no cron expression"),
        ("* * * * mon#9", "is no cron expression"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("59/15 * * * *", "means a single minute where it says '59/15'"),
        ("50,59/15 * * * *", "means a single minute where it says '59/15'"),
        ("*/90 * * * *", "means a single minute where it says '*/90'"),
        ("H/90 * * * *", "means a single minute where it says 'H/90'"),
        ("0 */24 * * *", "means a single hour where it says '*/24'"),
        ("0 2-2 * * *", "means every hour where it says '2-2'"),
        ("7-7/2 * * * *", "means every minute where it says '7-7/2'"),
        ("R * * * *", "would draw its minute anew each time (write H instead of R)"),
        ("0 r(0-5) * * *", "would draw its hour anew each time (write H instead of R)"),
    ],
)
def test_a_bad_expression_is_named_in_one_sentence_with_a_remedy(cron: str, what: str) -> None:
    with pytest.raises(BadCadence) as caught:
        parse(cron, "acme", "full")
    assert str(caught.value) == f"The cadence '{cron}' {what}{EXAMPLE}"


def test_an_endless_expression_is_refused_and_cut_in_the_message() -> None:
    with pytest.raises(BadCadence) as caught:
        parse(",".join(["1"] * 5_000) + " * * * *", "acme", "full")
    assert len(str(caught.value)) < 400


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from("* H R 5 / - , L # 59 0 mon ? W".split()), max_size=12).map(" ".join)
)
@settings(deadline=None, max_examples=300)
def test_whatever_is_typed_gives_a_cadence_or_one_sentence(text: str) -> None:
    try:
        cadence = parse(text, "acme", "full")
    except BadCadence as error:
        sentence = str(error)
    else:
        sentence = EXAMPLE
        assert cadence.cron is None or next_fire(cadence.cron, "acme", "full", NEW_YEAR) > NEW_YEAR
    assert sentence.endswith(EXAMPLE)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "/etc/localtime", "America", "utc+2\x00"])
def test_an_unknown_zone_is_named(zone: str) -> None:
    with pytest.raises(BadCadence) as caught:
        parse("0 3 * * *", "acme", "full", zone)
    assert str(caught.value) == f"'{zone}' is an unknown time zone; leave it out to use UTC."


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    tokyo = NEW_YEAR.astimezone(timezone(timedelta(hours=9)))
    assert next_fire("0 3 * * *", "acme", "full", tokyo) == datetime(2026, 1, 1, 3, tzinfo=UTC)


def test_an_instant_without_zone_is_a_bug() -> None:
    with pytest.raises(ValueError, match="aware"):
        next_fire("* * * * *", "acme", "full", NEW_YEAR.replace(tzinfo=None))
