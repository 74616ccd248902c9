"""Reading all that Meta shows, page by page, where reading does not go well."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.simulation.audits import audited, counts, open_issues, overwrite
from tests.simulation.meta_answers import refusal
from tests.simulation.world import World, dying


@pytest.mark.invariant("I9")
def test_a_listing_that_ends_too_early_is_not_believed(world: World) -> None:
    keys = [f"sku-{number:02}" for number in range(30)]
    world.started(*keys)
    short = httpx.Response(200, json={"data": [{"id": "1", "retailer_id": "sku-00"}], "paging": {}})
    world.on_call = lambda edge, _: short if edge == "products" else None
    done = audited(world)
    assert done["state"] == "failed"
    assert done["error"] == (
        "Meta lists 1 items and counts 30; 29 of the 30 that it shows were not among them. The listing is not "
        "believed, and nothing was repaired. The next audit looks again."
    )
    assert (world.calls, world.issues(), len(world.at_meta())) == ([], [], 30)


def paged(world: World, size: int) -> list[str]:
    """Let Meta's pages hold ``size`` items. Returns where each call began."""
    asked: list[str] = []
    answer = world.meta.products

    def products(catalog_id: str, params: dict[str, Any], **rest: Any) -> Any:
        asked.append(params.get("after", params.get("filter", "")))
        return answer(catalog_id, {**params, "limit": str(min(size, int(params["limit"])))}, **rest)

    world.meta.products = products  # type: ignore[method-assign]  # smaller pages
    return asked


def test_a_listing_of_many_pages_is_compared_whole_and_goes_on_where_a_dead_worker_left(world: World) -> None:
    keys = [f"sku-{number:02}" for number in range(30)]
    world.started(*keys)
    asked = paged(world, 4)
    overwrite(world, keys[0], price="5.00 USD")
    overwrite(world, keys[29], price="5.00 USD")
    run_id = world.ask("audit")
    with dying(world, "after products", at=5):
        world.step()
    world.now_s += 100
    world.sweep()
    world.settle_down()
    done = world.run(run_id)
    assert (done["state"], done["pulled"], done["unchanged"]) == ("succeeded", 30, 28)
    assert (world.differences(), len(open_issues(world)), len(asked) >= 9) == ([], 2, True)


def test_an_expired_cursor_starts_the_listing_again_and_counts_nothing_twice(world: World) -> None:
    world.started(*"abcdefg")
    asked = paged(world, 2)
    expired: list[int] = []

    def on_call(edge: str, request: httpx.Request) -> httpx.Response | None:
        if edge == "products" and "after" in request.url.params and len(expired) < 2:
            expired.append(1)
            return refusal(100, "Invalid parameter")
        return None

    world.on_call = on_call
    done = audited(world)
    assert counts(done) == ("succeeded", 7, 7, 0, 0, 0, 0)
    assert asked[:3] == ["", "", ""]


def test_a_cursor_that_meta_never_takes_ends_the_audit(world: World) -> None:
    world.started(*"abcdefg")
    paged(world, 2)

    def on_call(edge: str, request: httpx.Request) -> httpx.Response | None:
        return refusal(100, "Invalid parameter") if "after" in request.url.params else None

    world.on_call = on_call
    done = audited(world)
    assert done["state"] == "failed"
    assert done["error"].startswith("Meta refused the call: (#100) Invalid parameter (code 100, trace A1).")


@pytest.mark.fault("G2")
def test_pages_become_smaller_where_meta_asks_for_less(world: World) -> None:
    world.started(*"abcdefg")
    limits: list[int] = []

    def on_call(edge: str, request: httpx.Request) -> httpx.Response | None:
        if edge != "products":
            return None
        limits.append(int(request.url.params["limit"]))
        too_much = "Please reduce the amount of data you're asking for, then retry your request"
        return refusal(1, too_much) if limits[-1] > 100 else None

    world.on_call = on_call
    assert (audited(world)["state"], limits) == ("succeeded", [500, 250, 125, 62])


@pytest.mark.fault("G6")
def test_a_throttle_of_reads_is_waited_out_and_keeps_no_call_from_being_sent(world: World) -> None:
    world.started(*"abcdefg")
    times: list[float] = []

    def on_call(edge: str, _: httpx.Request) -> httpx.Response | None:
        if edge == "products":
            times.append(world.now_s)
            return refusal(80009, "too many calls") if len(times) <= 3 else None
        return None

    world.on_call = on_call
    run_id = world.ask("audit")
    world.until(lambda: len(times) == 1)
    world.shelf.put("a", price="11.00 USD")
    world.pull("volatile")
    world.until_call()
    assert len(times) == 1
    world.settle_down()
    assert [round(after - before) for before, after in pairwise(times)] == [15, 30, 60]
    assert (world.run(run_id)["state"], world.run(run_id)["starts"]) == ("succeeded", 0)


def test_a_quota_that_is_nearly_used_up_is_left_to_others(world: World) -> None:
    world.started(*"abcdefg")
    paged(world, 2)
    times: list[float] = []
    answer = world.answer

    def with_usage(owner: str, request: httpx.Request) -> httpx.Response:
        response = answer(owner, request)
        if request.url.path.endswith("/products"):
            times.append(world.now_s)
            response.headers["X-App-Usage"] = json.dumps({"call_count": 71 if len(times) == 1 else 5})
        return response

    world.answer = with_usage  # type: ignore[method-assign]  # with a header more
    done = audited(world)
    assert (done["state"], done["pulled"]) == ("succeeded", 7)
    assert 60 <= times[1] - times[0] <= 95


@pytest.mark.fault("G7")
def test_a_refused_token_ends_the_audit_and_stops_the_shop(world: World) -> None:
    world.started("a", "b")
    world.on_call = lambda edge, _: refusal(190, "Error validating access token") if edge == "products" else None
    run_id = world.ask("audit")
    while world.step():
        pass
    assert (world.shop().state, world.run(run_id)["state"]) == ("needs_token", "failed")
    assert (world.run(run_id)["error"], world.asked) == (world.shop().reason, 1)


def test_a_meta_that_does_not_answer_is_asked_for_half_a_minute(world: World) -> None:
    world.started("a", "b")
    times: list[float] = []

    def on_call(edge: str, _: httpx.Request) -> httpx.Response:
        times.append(world.now_s)
        return httpx.Response(502, text="Bad gateway")

    world.on_call = on_call
    done = audited(world)
    assert (done["state"], done["error"]) == ("failed", "Meta's answer is neither a result nor an error.")
    assert (len(times), 30 <= times[-1] - times[0] <= 45, world.shop().state) == (7, True, "active")
