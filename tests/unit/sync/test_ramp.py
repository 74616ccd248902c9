from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from worker.sync.ramp import BACKGROUND, LONG, URGENT, returns_at

END = datetime(2027, 1, 15, 12, tzinfo=UTC)
SHOPS = range(1, 501)


def waits(*, urgent: bool, lasted: timedelta = timedelta(hours=3)) -> list[timedelta]:
    """How long after the end each of 500 shops comes back."""
    return [returns_at(shop_id, END - lasted, END, urgent=urgent) - END for shop_id in SHOPS]


def test_after_a_short_outage_everybody_goes_on_at_once() -> None:
    short = LONG - timedelta(seconds=1)
    assert set(waits(urgent=False, lasted=short)) == {timedelta(0)}


@pytest.mark.fault("G24")
@pytest.mark.parametrize(("urgent", "within"), [(True, URGENT), (False, BACKGROUND)])
def test_five_hundred_shops_come_back_evenly_and_all_of_them(urgent: bool, within: timedelta) -> None:
    found = waits(urgent=urgent)
    assert (min(found) >= timedelta(0), max(found) < within) == (True, True)
    tenths = Counter(int(wait / within * 10) for wait in found)
    assert sorted(tenths) == list(range(10))
    # 50 on average; a herd would be hundreds.
    assert max(tenths.values()) <= 75


@pytest.mark.fault("G24")
def test_a_shops_prices_come_back_before_its_background_work() -> None:
    assert all(price < rest for price, rest in zip(waits(urgent=True), waits(urgent=False), strict=True))


def test_whoever_asks_gets_the_same_answer() -> None:
    assert waits(urgent=False) == waits(urgent=False)
