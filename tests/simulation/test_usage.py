"""What Meta says of its quota in the headers of an answer, on the real lane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.simulation.mall import Call, Mall

HEADER = "x-business-use-case-usage"


@pytest.fixture
def mall(tmp_path: Path) -> Iterator[Mall]:
    mall = Mall(tmp_path / "mall.db", shops=1)
    yield mall
    mall.close()


def told(mall: Mall, headers: dict[str, str]) -> None:
    """Meta takes every call, and says this of its quota."""

    def on_call(call: Call) -> httpx.Response | None:
        if call.edge != "items_batch":
            return None
        return httpx.Response(200, json={"handles": [f"handle-{len(mall.calls)}"]}, headers=headers)

    mall.on_call = on_call
    mall.sweep()


def used(percent: int) -> dict[str, str]:
    return {HEADER: json.dumps({"1": [{"type": "catalog_management", "call_count": percent}]})}


def sent(mall: Mall) -> int:
    return sum(call.edge == "items_batch" for call in mall.calls)


@pytest.mark.fault("G22")
@pytest.mark.parametrize(("percent", "after_a_new_price"), [(70, 2), (94, 2), (95, 1), (100, 1)])
def test_from_70_percent_only_prices_go_and_from_95_nothing_until_the_reading_is_old(
    mall: Mall, percent: int, after_a_new_price: int
) -> None:
    told(mall, used(percent))
    mall.run_for(20)
    assert (sent(mall), mall.waiting()) == (1, 1)  # the price; the removal waits
    mall.change(1)
    mall.sweep()
    mall.run_for(20)
    assert sent(mall) == after_a_new_price
    mall.on_call = lambda _: None
    mall.run_for(90)
    assert mall.waiting() == 0


@pytest.mark.fault("G22")
@pytest.mark.parametrize("headers", [{}, {HEADER: "95 %"}, {HEADER: '{"1": {"call_count": 95}}'}, used(69)])
def test_a_header_that_is_missing_malformed_or_moderate_changes_nothing(mall: Mall, headers: dict[str, str]) -> None:
    told(mall, headers)
    mall.run_for(20)
    assert (sent(mall), mall.waiting(), mall.blames()) == (2, 0, set())
