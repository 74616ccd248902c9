"""The table of Meta's errors, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.graph.graph_calls import refusing
from worker.errors import (
    AppRefused,
    CallRefused,
    CallTooLarge,
    CatalogRefused,
    ShelfbeatError,
    Throttled,
    TokenRefused,
    Transient,
)
from worker.graph.errors import TABLE, Refusal, Row, refusal, row_for, translate

DAY_S = 86_400.0
REDUCE = "Please reduce the amount of data you're asking for, then retry your request"
NO_OBJECT = "Object with ID '77' does not exist, cannot be loaded due to missing permissions"

Case = tuple[int, int | None, str, type[ShelfbeatError], str, str, float | None]
# code, subcode, message, class, scope, owner, wait where Meta names none
ROWS: list[Case] = [
    (1, None, REDUCE, CallTooLarge, "call", "meta", None),
    (1, None, "An unknown error occurred", Transient, "call", "meta", None),
    (2, None, "Service temporarily unavailable", Transient, "call", "meta", None),
    (3, None, "", AppRefused, "app", "operator", None),
    (4, None, "", Throttled, "app", "meta", None),
    (4, 1504022, "", Throttled, "app", "meta", None),
    (10, None, "", TokenRefused, "token", "merchant", None),
    (17, 2446079, "", Throttled, "token", "meta", None),
    (32, None, "", Throttled, "token", "meta", None),
    (33, None, "", CatalogRefused, "catalog", "merchant", None),
    (100, None, "Invalid parameter", CallRefused, "call", "operator", None),
    (100, 1803009, "Invalid parameter", CallRefused, "call", "operator", None),
    (100, None, "API calls from the server require an appsecret_proof argument", AppRefused, "app", "operator", None),
    (100, None, "Invalid appsecret_proof provided in the API argument", AppRefused, "app", "operator", None),
    (100, 33, "Unsupported get request.", CatalogRefused, "catalog", "merchant", None),
    (100, None, NO_OBJECT, CatalogRefused, "catalog", "merchant", None),
    (100, None, "cannot be loaded due to missing permissions", CatalogRefused, "catalog", "merchant", None),
    (100, None, "Object with ID '77' does not exist", CatalogRefused, "catalog", "merchant", None),
    (100, None, "(#100) Tried accessing nonexisting field (vertical)", CatalogRefused, "catalog", "merchant", None),
    (102, None, "", TokenRefused, "token", "merchant", None),
    (104, None, "", AppRefused, "app", "operator", None),
    (115, None, "", CallRefused, "call", "operator", None),
    *((190, sub, "", TokenRefused, "token", "merchant", None) for sub in (None, 452, 458, 459, 460, 463, 464, 465)),
    *((190, sub, "", TokenRefused, "token", "merchant", None) for sub in (467, 492, 999)),
    *((code, None, "", TokenRefused, "token", "merchant", None) for code in (200, 294, 299)),
    (341, None, "", Throttled, "app", "meta", None),
    (368, None, "", Throttled, "token", "merchant", DAY_S),
    (415, None, "", TokenRefused, "token", "merchant", None),
    (613, None, "", Throttled, "token", "operator", None),
    (613, 1996, "", Throttled, "token", "meta", None),
    (613, 5044001, "", Throttled, "token", "meta", None),
    (801, None, "", CallRefused, "call", "operator", None),
    (803, None, "", CatalogRefused, "catalog", "merchant", None),
    (2500, None, "", CallRefused, "call", "operator", None),
    (2635, None, "", AppRefused, "app", "operator", None),
    (10800, None, "", CallRefused, "call", "merchant", None),
    (10801, None, "", CallRefused, "call", "operator", None),
    (10803, None, "", CallRefused, "call", "operator", None),
    *((code, None, "", Throttled, "catalog", "meta", None) for code in range(80001, 80009)),
    (80009, None, "", Throttled, "catalog", "meta", None),
    (80014, None, "", Throttled, "catalog", "meta", None),
]


def said(code: int | None, subcode: int | None = None, message: str = "", *, transient: bool = False) -> Refusal:
    return Refusal(code, subcode, message, transient, "", {})


@pytest.mark.parametrize("case", ROWS, ids=lambda case: f"{case[0]}-{case[1]}-{case[2][:20]}")
def test_every_documented_error_has_its_answer(case: Case) -> None:
    code, subcode, message, kind, scope, owner, wait_s = case
    error = translate(said(code, subcode, message))
    assert type(error) is kind
    assert error.owner == owner
    assert row_for(said(code, subcode, message)).scope == scope
    if isinstance(error, Throttled):
        assert (error.scope, error.retry_after_s) == (scope, wait_s)
    if isinstance(error, CallRefused):
        assert error.code == (str(code) if subcode is None else f"{code}/{subcode}")


def test_no_row_is_out_of_reach() -> None:
    reached = {id(row_for(said(code, subcode, message))) for code, subcode, message, *_ in ROWS}
    assert [row for row in TABLE if id(row) not in reached] == []


@pytest.mark.parametrize("row", TABLE)
def test_whoever_can_act_is_told_what_to_do(row: Row) -> None:
    assert bool(row.action) == (row.owner != "meta")
    assert row.action == "" or row.action.endswith(".")


@pytest.mark.parametrize("row", TABLE)
def test_a_throttle_reaches_beyond_its_call(row: Row) -> None:
    assert (row.kind is Throttled) <= (row.scope != "call")


@pytest.mark.parametrize("code", [98765, None, -1, 0, 99, 300])
@pytest.mark.fault("G11")
def test_an_error_nobody_knows_is_tried_again(code: int | None) -> None:
    assert type(translate(said(code, message="Something new"))) is Transient


def test_what_meta_calls_transient_is_tried_again() -> None:
    assert type(translate(said(100, 1803009, "Invalid parameter", transient=True))) is Transient
    assert type(translate(said(190, transient=True))) is Transient
    assert type(translate(said(3, transient=True))) is Transient


def test_a_throttle_and_a_call_too_large_stay_what_they_are_when_called_transient() -> None:
    assert type(translate(said(4, transient=True))) is Throttled
    assert type(translate(said(1, message=REDUCE, transient=True))) is CallTooLarge


def test_the_time_to_regain_access_wins_over_the_rows_own() -> None:
    error = translate(said(368), regain_s=120.0)
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 120.0


def test_a_transient_error_carries_the_time_too() -> None:
    error = translate(said(2), regain_s=60.0)
    assert isinstance(error, Transient)
    assert error.retry_after_s == 60.0


@pytest.mark.parametrize(
    "data",
    [{"blame_field_specs": [["requests"], ["item_type"]]}, '{"blame_field_specs":[["requests"],["item_type"]]}'],
)
def test_blamed_fields_are_named_whichever_way_they_come(data: Any) -> None:
    found = refusal({"error": {"code": 100, "message": "Invalid parameter", "error_data": data}})
    assert found is not None
    assert translate(found).message == (
        "Meta refused the call: Invalid parameter; it blames requests, item_type (code 100)."
    )


@pytest.mark.parametrize("data", ["", "no json", "[" * 100_000, "[1]", 7, [], {"blame_field_specs": {"a": 1}}, None])
def test_other_error_data_changes_nothing(data: Any) -> None:
    found = refusal({"error": {"code": 100, "message": "No.", "error_data": data}})
    assert found is not None
    assert translate(found).message == "Meta refused the call: No (code 100)."


@pytest.mark.parametrize("code", [190, "190"])
def test_a_code_may_be_text(code: Any) -> None:
    assert refusal({"error": {"code": code}}) == said(190)


@pytest.mark.parametrize("code", [True, 1.5, "", "x1", [], {}])
def test_a_code_that_is_none_is_an_unknown_error(code: Any) -> None:
    assert refusal({"error": {"code": code}}) == said(None)


@pytest.mark.parametrize("body", [None, [], "text", 7, {}, {"error": None}, {"error": "text"}, {"success": False}])
def test_anything_else_is_no_envelope(body: Any) -> None:
    assert refusal(body) is None


def test_the_actions_of_a_refused_token_differ_by_cause() -> None:
    actions = {sub: translate(said(190, sub)).action for sub in (459, 464, 463, 467, 465)}
    assert actions[459] == actions[464] != actions[463]
    assert actions[467] == actions[463] != actions[465]


def test_a_client_gets_the_error_of_the_table() -> None:
    with pytest.raises(CatalogRefused) as caught:
        refusing(100, NO_OBJECT, error_subcode=33).graph().catalog("77")
    assert str(caught.value) == (
        f"Meta refused the call: {NO_OBJECT} (code 100/33, trace Trace+1). "
        "Check the catalog id, and that the token's user has a role on that catalog in Meta's Business settings."
    )
