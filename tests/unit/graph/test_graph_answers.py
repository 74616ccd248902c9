"""What each kind of answer means."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.graph.graph_calls import Meta, answering, refusing
from worker.errors import CallRefused, OutcomeUnknown, ShelfbeatError, Throttled, TokenRefused, Transient
from worker.graph import BatchStatus, Graph, HandleUnknown, ProductPage


def send(graph: Graph) -> Any:
    return graph.items_batch("77", [b"{}"], allow_upsert=True)


def status(graph: Graph) -> Any:
    return graph.batch_status("77", "h-1")


READS = [status, lambda graph: graph.catalog("77"), lambda graph: graph.products("77")]


def error_of(call: Any, meta: Meta) -> ShelfbeatError:
    with pytest.raises(ShelfbeatError) as caught:
        call(meta.graph())
    assert len(meta.requests) == 1, "this layer never repeats a call"
    return caught.value


def test_findings_of_the_call_are_kept_per_item() -> None:
    found = [
        {"retailer_id": "a", "errors": [{"message": "First."}, {"message": "Second."}]},
        {"retailer_id": "a", "errors": [{"message": "Third."}]},
        {"retailer_id": "b", "warnings": [{"message": "Unrecognised field: x"}], "errors": []},
        {"retailer_id": 990, "errors": [{}]},
    ]
    answer = send(answering({"handles": ["h-1"], "validation_status": found}).graph())
    assert answer.handle == "h-1"
    assert answer.refused == {"a": ("First.", "Second.", "Third."), "990": ("Meta gave no reason.",)}
    assert answer.warned == {"b": ("Unrecognised field: x",)}


def test_no_handle_means_that_nothing_was_taken_in() -> None:
    refused = {"handles": [], "validation_status": [{"retailer_id": "a", "errors": [{"message": "No."}]}]}
    answer = send(answering(refused).graph())
    assert answer.handle is None
    assert answer.refused == {"a": ("No.",)}


NEITHER = [
    b"",
    b"Service Unavailable",
    b"<html>502</html>",
    b'{"handles":["h-1"',
    b"[]",
    b"null",
    b'{"success":false}',
    b'{"handles":"h-1"}',
    b'{"handles":["a","b"]}',
    b'{"handles":[""]}',
    b'{"handles":["h-1"],"validation_status":{"a":1}}',
    b'{"handles":["h-1"],"validation_status":[{"errors":[{"message":"whose?"}]}]}',
    b'{"handles":["h-1"],"validation_status":[{"retailer_id":"a","errors":["text"]}]}',
    b'{"error":"text"}',
    b'{"handles":["h-1"],"error":{"code":2,"message":"both"}}',
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("http_status", [200, 400, 502])
@pytest.mark.parametrize("body", NEITHER)
@pytest.mark.invariant("I5")
@pytest.mark.fault("G21")
def test_an_answer_that_is_neither_result_nor_error_leaves_a_write_unknown(body: bytes, http_status: int) -> None:
    assert type(error_of(send, answering(body, http_status))) is OutcomeUnknown


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "body", [b"", b"Service Unavailable", b"[]", b'{"success":false}', b'{"data":{}}', b'{"data":']
)
def test_an_answer_that_is_neither_is_only_a_reason_to_read_again(call: Any, body: bytes) -> None:
    assert type(error_of(call, answering(body, 200))) is Transient


@pytest.mark.parametrize("http_status", [200, 400, 500])
def test_an_error_envelope_is_a_refusal_whatever_the_http_status(http_status: int) -> None:
    error = error_of(send, refusing(100, "(#100) Param requests must be an array", status=http_status))
    assert type(error) is CallRefused
    assert error.code == "100"
    assert error.message == "Meta refused the call: (#100) Param requests must be an array (code 100, trace Trace+1)."


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")]
)
def test_a_write_that_never_left_is_transient(failure: Exception) -> None:
    error = error_of(send, Meta(failure))
    assert type(error) is Transient
    assert error.message.startswith("Meta's Graph API at graph.test cannot be reached (")


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("pipe"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.DecodingError("gzip"),
    ],
)
@pytest.mark.invariant("I5")
@pytest.mark.fault("G19")
def test_a_write_without_an_answer_is_unknown_and_a_read_transient(failure: Exception) -> None:
    assert type(error_of(send, Meta(failure))) is OutcomeUnknown
    assert type(error_of(status, Meta(failure))) is Transient


def test_an_answer_without_end_is_given_up() -> None:
    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                yield b" " * 1_000_000

    assert type(error_of(send, Meta(httpx.Response(200, stream=Endless())))) is OutcomeUnknown


def test_a_throttle_names_when_calls_go_again() -> None:
    usage = (
        '{"9":[{"type":"catalog_batch","call_count":100,"estimated_time_to_regain_access":7}],"8":[{"call_count":1}]}'
    )
    error = error_of(send, refusing(80014, headers={"X-Business-Use-Case-Usage": usage}))
    assert isinstance(error, Throttled)
    assert (error.scope, error.retry_after_s) == ("catalog", 420.0)


def test_a_throttle_without_a_time_leaves_the_wait_to_the_caller() -> None:
    error = error_of(send, refusing(80014))
    assert isinstance(error, Throttled)
    assert error.retry_after_s is None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("scheduled", "running"),
        ("Dispatched", "running"),
        ("started", "running"),
        ("Finished", "finished"),
        ("ERROR", "error"),
        ("canceled", "canceled"),
        ("a new word", "running"),
    ],
)
def test_states_are_read_whatever_their_capitals(word: str, state: str) -> None:
    assert status(answering({"data": [{"status": word}]}).graph()).state == state


def test_the_outcome_of_a_batch_keeps_repeated_ids_and_totals() -> None:
    entry = {
        "handle": "h-1",
        "status": "finished",
        "errors": [{"line": 2, "id": "a", "message": "URL Incorrectly Formatted: x"}, {"line": 3, "message": "whose?"}],
        "errors_total_count": 3,
        "warnings": [{"line": 0, "id": "b", "message": "Advice."}],
        "ids_of_invalid_requests": ["a", "a", "c"],
    }
    assert status(answering({"data": [entry]}).graph()) == BatchStatus(
        state="finished",
        errors=(("a", "URL Incorrectly Formatted: x"),),
        errors_total=3,
        warnings=(("b", "Advice."),),
        invalid_ids=("a", "a", "c"),
    )


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"status": None},
        {"status": "finished", "errors_total_count": "3"},
        {"status": "finished", "errors_total_count": -1},
        {"status": "finished", "ids_of_invalid_requests": {"a": 1}},
        {"status": "finished", "ids_of_invalid_requests": [None]},
        {"status": "finished", "errors": "many"},
    ],
)
@pytest.mark.invariant("I1")
def test_an_outcome_that_cannot_be_read_is_asked_for_again_and_never_believed(entry: dict[str, Any]) -> None:
    assert type(error_of(status, answering({"data": [entry]}))) is Transient


def test_two_outcomes_for_one_handle_are_not_believed() -> None:
    assert type(error_of(status, answering({"data": [{"status": "finished"}] * 2}))) is Transient


@pytest.mark.parametrize(
    "message", ["Invalid parameter", "(#100) Invalid handle h-1", "Object with ID 'h-1' does not exist"]
)
@pytest.mark.fault("G17")
def test_a_handle_that_meta_has_forgotten_is_told_apart(message: str) -> None:
    error = error_of(status, refusing(100, message))
    assert type(error) is HandleUnknown
    assert error.code == "100"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (100, "Object with ID '77' does not exist, cannot be loaded due to missing permissions", "CatalogRefused"),
        (100, "Invalid appsecret_proof provided in the API argument", "AppRefused"),
        (190, "Error validating access token", "TokenRefused"),
        (80009, "There have been too many calls", "Throttled"),
    ],
)
def test_other_errors_of_the_status_edge_are_not_about_the_handle(code: int, message: str, kind: str) -> None:
    assert type(error_of(status, refusing(code, message))).__name__ == kind


def test_the_same_error_on_a_write_is_not_about_a_handle() -> None:
    assert type(error_of(send, refusing(100, "Invalid parameter"))) is CallRefused


def test_a_page_that_promises_more_without_a_new_cursor_is_not_followed() -> None:
    looping = {"data": [], "paging": {"next": "https://graph.test/next", "cursors": {"after": "c-1"}}}
    with pytest.raises(Transient):
        answering(looping).graph().products("77", after="c-1")
    with pytest.raises(Transient):
        answering({"data": [], "paging": {"next": "https://graph.test/next"}}).graph().products("77")


def test_an_empty_catalog_is_one_empty_page() -> None:
    assert answering({"data": []}).graph().products("77") == ProductPage((), None)


def test_a_refused_token_names_who_can_act() -> None:
    error = error_of(READS[1], refusing(190, "Session has expired", error_subcode=463))
    assert type(error) is TokenRefused
    assert error.owner == "merchant"
    assert str(error) == (
        "Meta refused the call: Session has expired (code 190/463, trace Trace+1). "
        "Create a new system-user token that may manage this catalog and store it with 'shop token'."
    )
