from __future__ import annotations

import json
from typing import Any

import pytest

from worker.graph import Usage
from worker.graph.usage import usage

BUSINESS, APP = "x-business-use-case-usage", "x-app-usage"


def entry(**values: Any) -> dict[str, Any]:
    return {"type": "catalog_batch", "call_count": 0, "total_cputime": 0, "total_time": 0, **values}


def test_the_fullest_bucket_of_all_businesses_counts() -> None:
    header = {
        "1": [entry(call_count=28), entry(total_time=64)],
        "2": [entry(total_cputime=91, estimated_time_to_regain_access=3), entry(estimated_time_to_regain_access=19)],
    }
    assert usage({BUSINESS: json.dumps(header)}) == Usage(used_pct=91, regain_s=1140.0)


def test_the_apps_own_usage_counts_too() -> None:
    assert usage({APP: '{"call_count":28,"total_time":25,"total_cputime":95}'}) == Usage(95, None)
    both = {BUSINESS: json.dumps({"1": [entry(call_count=99)]}), APP: '{"call_count":5}'}
    assert usage(both) == Usage(99, None)


def test_zero_minutes_name_no_time() -> None:
    header = json.dumps({"1": [entry(call_count=12, estimated_time_to_regain_access=0)]})
    assert usage({BUSINESS: header}) == Usage(12, None)


def test_a_wait_without_percents_means_full() -> None:
    header = json.dumps({"1": [{"estimated_time_to_regain_access": 2}]})
    assert usage({BUSINESS: header}) == Usage(100, 120.0)


def test_parts_of_a_percent_are_rounded_up() -> None:
    assert usage({APP: '{"call_count":99.1}'}) == Usage(100, None)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "no json",
        "[" * 100_000,
        "[]",
        "7",
        "{}",
        '{"1":{"call_count":100}}',
        '{"call_count":100,"total_time":25}',
        '{"1":["text",7,null]}',
        '{"1":[{"call_count":"100"}]}',
        '{"1":[{"call_count":-5}]}',
        '{"1":[{"call_count":true}]}',
        '{"1":[{"estimated_time_to_regain_access":99999999}]}',
    ],
)
@pytest.mark.fault("G22")
def test_a_malformed_header_says_nothing(header: str) -> None:
    assert usage({BUSINESS: header}) is None


@pytest.mark.fault("G22")
def test_no_header_says_nothing() -> None:
    assert usage({}) is None


def test_one_broken_header_does_not_hide_the_other() -> None:
    assert usage({BUSINESS: "no json", APP: '{"call_count":40}'}) == Usage(40, None)
