"""The token, the app's secret and the proof appear in nothing that an error or an object shows."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import traceback

import httpx
import pytest

from tests.unit.graph.graph_calls import SECRET, TOKEN, Meta, answering, refusing
from worker.errors import ShelfbeatError
from worker.graph import GraphConfig, explain
from worker.graph.errors import TABLE
from worker.graph.scrub import scrub

PROOF = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
LEAK = f"Bad: {TOKEN} {SECRET} {PROOF} https://graph.test/x?access_token={TOKEN}&appsecret_proof={PROOF}"

FAILURES = [
    *(httpx.ConnectError(LEAK), httpx.ReadTimeout(LEAK), httpx.RemoteProtocolError(LEAK)),
    httpx.Response(500, content=LEAK.encode()),
    httpx.Response(200, json={"handles": ["h"], "validation_status": [{"x": LEAK}]}),
    httpx.Response(200, json={"error": {"message": LEAK, "fbtrace_id": LEAK}}),
    *(
        httpx.Response(
            400,
            json={
                "error": {
                    "message": f"{row.marker} {LEAK}",
                    "code": row.first,
                    "error_subcode": min(row.subcodes, default=0),
                    "error_user_msg": LEAK,
                    "error_data": {"blame_field_specs": [[LEAK]], "product_item_id": LEAK},
                }
            },
        )
        for row in TABLE
    ),
]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("call", ["items_batch", "batch_status", "catalog", "products"])
@pytest.mark.invariant("I14")
def test_no_error_holds_a_secret(failure: httpx.Response | Exception, call: str) -> None:
    graph = Meta(failure).graph(app_secret=SECRET)
    calls = {
        "items_batch": lambda: graph.items_batch("77", [b"{}"], allow_upsert=True),
        "batch_status": lambda: graph.batch_status("77", "h-1"),
        "catalog": lambda: graph.catalog("77"),
        "products": lambda: graph.products("77", after="c"),
    }
    with pytest.raises(ShelfbeatError) as caught:
        calls[call]()
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = [str(error), repr(error), repr(error.__dict__), "".join(traceback.format_exception(error))]
    stored = pickle.dumps(error)
    for secret in (TOKEN, SECRET, PROOF, "?access_token", "&appsecret"):
        assert not any(secret in text for text in shown)
        assert secret.encode() not in stored


def test_no_object_shows_a_secret() -> None:
    meta = answering({"id": "77"})
    graph = meta.graph(app_secret=SECRET)
    assert repr(graph) == "Graph('https://graph.test', 'v26.0')"
    assert SECRET not in repr(GraphConfig(app_secret=SECRET))


def test_a_message_is_cut_after_it_was_scrubbed() -> None:
    text = "x" * 295 + " EAAcanary" + "7" * 8
    assert scrub(text) == "x" * 295 + " [se…"
    assert len(scrub("y" * 1000)) == 300


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("token EAAcanary7731 refused", "token [secret] refused"),
        ("access_token=abc&x=1", "[secret]&x=1"),
        ("Authorization: Bearer abc.def", "Authorization: [secret]"),
        ("see https://a.test/p?id=5 now", "see https://a.test/p now"),
        ("two\nlines\x00", "two lines"),
        (f"proof {'a1' * 32}", "proof [secret]"),
    ],
)
def test_token_like_text_is_taken_out(text: str, clean: str) -> None:
    assert scrub(text) == clean


def test_findings_about_items_are_scrubbed_too() -> None:
    assert explain("URL Incorrectly Formatted: EAAcanary7731").message == "URL Incorrectly Formatted: [secret]"


def test_an_envelope_without_reason_says_so() -> None:
    with pytest.raises(ShelfbeatError, match=r"^Meta refused the call: no reason given \(code 1, trace Trace\+1\)\.$"):
        refusing(1, "").graph().catalog("77")
