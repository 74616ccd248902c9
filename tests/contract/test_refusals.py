"""What a store refuses is told apart by what to do about it."""

from __future__ import annotations

import httpx
import pytest

from tests.contract.subjects import SECRET
from tests.contract.wire import opened
from worker.errors import ShelfbeatError, StoreIncomplete, StoreRefused, Throttled, Transient

HTML = "<!doctype html><title>Log in</title>body-canary"


@pytest.mark.parametrize(
    ("status", "headers", "error", "wait_s"),
    [
        (401, {}, StoreRefused, None),
        (403, {}, StoreRefused, None),
        (404, {}, StoreRefused, None),
        (429, {"retry-after": "120"}, Throttled, 120.0),
        (429, {}, Throttled, None),
        (503, {"retry-after": "30"}, Throttled, 30.0),
        (
            503,
            {"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"},
            Throttled,
            60.0,
        ),
        (503, {}, Transient, None),
        (500, {}, Transient, None),
        (200, {"content-type": "text/html"}, StoreIncomplete, None),
        (200, {"content-encoding": "br"}, (StoreIncomplete, Transient), None),
        (200, {"content-encoding": "gzip"}, (StoreIncomplete, Transient), None),
        (302, {"location": "ftp://elsewhere.example/"}, StoreRefused, None),
    ],
)
@pytest.mark.invariant("I14")
def test_what_the_server_refuses_is_told_apart_and_quotes_neither_secret_nor_body(
    remote, status, headers, error, wait_s
):
    remote.answer_with(httpx.Response(status, headers=headers, stream=httpx.ByteStream(HTML.encode())))
    store = remote.open()
    with pytest.raises(error) as caught:
        store.full(None)
    if isinstance(error, type):
        assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == wait_s
    _quotes_nothing(caught.value)
    store.close()


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
@pytest.mark.fault("S4")
def test_a_connection_that_fails_is_tried_again_later(remote, failure):
    def fail(request):
        raise failure(f"canary-body about {request.url}")

    store = opened(remote, httpx.MockTransport(fail))
    with pytest.raises(Transient) as caught:
        store.full(None)
    _quotes_nothing(caught.value)
    store.close()


def _quotes_nothing(error: ShelfbeatError) -> None:
    for text in (str(error), repr(error), error.action):
        assert SECRET not in text
        assert "canary" not in text
