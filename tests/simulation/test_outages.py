"""Trouble of the app, or of Meta itself: it stops everybody once, is nobody's failure, and ends by one question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.simulation.mall import Call, Mall
from tests.simulation.meta_answers import refusal
from worker.database import outages, reports, shops
from worker.database.engine import reading
from worker.database.tables import budget, issue, shop

MINUTE_S = 60.0

DOWN = {
    "no connection": httpx.ConnectError("connection refused"),
    "a bad gateway": httpx.Response(502, text="<html>Bad gateway</html>"),
    "code 1": refusal(1, "An unknown error occurred"),
    "code 2": refusal(2, "Service temporarily unavailable"),
}

OF_THE_APP = {
    "G3: too many calls": refusal(4, "Application request limit reached"),
    "an app without permission": refusal(3, "Application does not have the capability"),
    "a wrong app secret": refusal(100, "Invalid appsecret_proof provided in the API argument"),
    "a signature": refusal(104, "Incorrect signature"),
    "G26: a version that is gone": refusal(2635, "You are calling a deprecated version of the Ads API"),
}


@pytest.fixture
def mall(tmp_path: Path) -> Iterator[Mall]:
    mall = Mall(tmp_path / "mall.db", shops=6)
    yield mall
    mall.close()


def answer(given: httpx.Response | Exception) -> httpx.Response:
    if isinstance(given, Exception):
        raise given
    return given


def edges(calls: list[Call]) -> Counter[str]:
    return Counter(call.edge for call in calls)


@pytest.mark.invariant("I11")
@pytest.mark.fault("G3", "G26")
@pytest.mark.parametrize("given", OF_THE_APP.values(), ids=OF_THE_APP.keys())
def test_trouble_of_the_app_stops_every_shop_at_once_and_is_no_shops_failure(mall: Mall, given: httpx.Response) -> None:
    mall.on_call = lambda _: given
    mall.sweep()
    mall.run_for(14)
    assert len(mall.calls) == 1
    with reading(mall.engine) as connection:
        states = reports.status(connection, shops.all_shops(connection))
    assert {row["state"] for row in states} == {"throttled"}
    assert all(row["reason"].startswith("Meta refused the call: ") for row in states)
    assert mall.blames() == {(0, 0, 0, 0)}
    assert (mall.waiting(), mall.rows(issue)) == (12, [])
    assert [row.key for row in mall.rows(budget)] == ["app"]


@pytest.mark.invariant("I11")
@pytest.mark.fault("G3")
def test_while_it_lasts_one_process_asks_and_waits_twice_as_long_each_time(mall: Mall) -> None:
    mall.on_call = lambda _: OF_THE_APP["G3: too many calls"]
    mall.sweep()
    mall.run_for(20 * MINUTE_S)
    first, *probes = mall.calls
    assert (first.edge, edges(probes)) == ("items_batch", Counter({"catalog": len(probes)}))
    waits = [round(after.at - before.at) for before, after in pairwise(mall.calls)]
    assert waits[:5] == [15, 30, 60, 120, 240]
    assert set(waits[5:]) == {300}
    assert mall.blames() == {(0, 0, 0, 0)}

    mall.on_call = lambda _: None
    mall.calls.clear()
    mall.run_for(30 * MINUTE_S, until=lambda: mall.waiting() == 0)
    assert (edges(mall.calls)["catalog"], mall.calls[0].edge) == (1, "catalog")
    assert (mall.waiting(), mall.app().blocked_until, mall.app().blocks) == (0, None, 0)


@pytest.mark.fault("G3")
def test_a_time_that_meta_names_is_waited_out_before_the_probe(mall: Mall) -> None:
    usage = {"x-app-usage": "{}", "x-business-use-case-usage": '{"1":[{"estimated_time_to_regain_access":7}]}'}
    refused = httpx.Response(400, json={"error": {"code": 4, "message": "limit"}}, headers=usage)
    mall.on_call = lambda _: refused
    mall.sweep()
    mall.run_for(7 * 60 - 1)
    assert len(mall.calls) == 1
    mall.run_for(10)
    assert edges(mall.calls) == {"items_batch": 1, "catalog": 1}


@pytest.mark.invariant("I11", "I3")
@pytest.mark.fault("G1", "G24")
@pytest.mark.parametrize("given", DOWN.values(), ids=DOWN.keys())
def test_a_meta_that_is_down_is_given_up_after_five_failures_of_whatever_shops(
    mall: Mall, given: httpx.Response | Exception
) -> None:
    mall.on_call = lambda _: answer(given)
    mall.sweep()
    mall.run_for(20 * MINUTE_S)
    sent = [call for call in mall.calls if call.edge == "items_batch"]
    probes = [call for call in mall.calls if call.edge == "catalog"]
    assert (len(sent), sent) == (outages.TRIPS_AFTER, mall.calls[:5])
    assert len(probes) == 7
    assert mall.blames() == {(0, 0, 0, 0)}
    assert {row.state for row in mall.rows(shop)} == {"active"}

    mall.on_call = lambda _: None
    mall.run_for(30 * MINUTE_S)
    assert (mall.waiting(), mall.rows(issue)) == (0, [])


@pytest.mark.fault("G1")
def test_failures_with_a_success_between_them_stop_nobody(mall: Mall) -> None:
    given = iter([True] * 4 + [False] + [True] * 4)
    mall.on_call = lambda _: answer(DOWN["code 2"]) if next(given, False) else None
    mall.sweep()
    mall.run_for(60)
    assert "catalog" not in edges(mall.calls)
    assert (mall.waiting(), mall.app().failing_since) == (0, None)


@pytest.mark.invariant("I11")
def test_a_probe_that_learns_of_a_bad_token_stops_that_shop_and_lets_the_next_one_ask(mall: Mall) -> None:
    mall.on_call = lambda _: OF_THE_APP["G3: too many calls"]
    mall.sweep()
    mall.run_for(10)
    revoked: list[int] = []

    def on_call(call: Call) -> httpx.Response | None:
        if call.edge == "catalog" and not revoked:
            revoked.append(call.shop_id)
        return refusal(190, "Error validating access token") if call.shop_id in revoked else None

    mall.on_call = on_call
    mall.run_for(120)
    states = {row.id: row.state for row in mall.rows(shop)}
    assert [shop_id for shop_id, state in states.items() if state == "needs_token"] == revoked
    assert Counter(call.shop_id for call in mall.calls)[revoked[0]] <= 2
    assert mall.waiting() == 2


def test_a_process_that_dies_as_it_asks_is_replaced_within_minutes(mall: Mall) -> None:
    mall.on_call = lambda _: OF_THE_APP["G3: too many calls"]
    mall.sweep()
    mall.run_for(10)

    def dies(_: Call) -> None:
        raise KeyboardInterrupt

    mall.on_call = dies
    with pytest.raises(KeyboardInterrupt):
        mall.run_for(60)
    asked_at = mall.calls[-1].at
    mall.on_call = lambda _: None
    mall.run_for(30 * MINUTE_S, until=lambda: mall.waiting() == 0)
    probes = [call.at for call in mall.calls if call.edge == "catalog"]
    assert 150 <= probes[-1] - asked_at <= 240
    assert mall.waiting() == 0


@pytest.mark.fault("G24")
def test_after_a_long_outage_the_shops_come_back_one_after_another_prices_first(tmp_path: Path) -> None:
    mall = Mall(tmp_path / "mall.db", shops=25)
    mall.on_call = lambda _: answer(DOWN["no connection"])
    mall.sweep()
    mall.run_for(4 * MINUTE_S)
    mall.on_call = lambda _: None
    mall.calls.clear()
    mall.run_for(30 * MINUTE_S, until=lambda: mall.waiting() == 0)
    back = mall.calls[0].at
    sent: dict[int, list[float]] = {}
    for call in mall.calls:
        if call.edge == "items_batch":
            sent.setdefault(call.shop_id, []).append(call.at - back)
    mall.close()
    assert len(sent) == 25
    assert max(times[0] for times in sent.values()) < 90 + 5
    assert 500 < max(times[1] for times in sent.values()) < 600 + 5
    per_minute = Counter(int(times[1] // 60) for times in sent.values())
    assert max(per_minute.values()) <= 8
