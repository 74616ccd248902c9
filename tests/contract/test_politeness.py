"""A store is asked for little, one thing at a time, and not again once it has said no."""

from __future__ import annotations

import httpx
import pytest

from tests.contract.reading import full, pages, volatile
from tests.contract.wire import Wire, opened
from worker.errors import StoreRefused, Throttled, Transient

MOST_REQUESTS = 40
"""Of one page: a merchant's server has customers to serve, and a slice of a pull lasts a minute."""


def _failing(number: int, failure: httpx.Response | Exception):
    def change(asked: int, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if asked < number:
            return response
        if isinstance(failure, Exception):
            raise failure
        return httpx.Response(failure.status_code, headers=failure.headers, stream=httpx.ByteStream(b"no"))

    return change


@pytest.mark.parametrize("read", [full, volatile])
def test_a_page_takes_few_requests_and_none_is_made_before_the_last_was_answered(remote, read):
    remote.fill(1_100)
    wire = Wire(remote.fake)
    store = opened(remote, wire)
    cursor, most = None, 0
    while True:
        before = len(wire.asked)
        page = read(store)(cursor)
        most = max(most, len(wire.asked) - before)
        if page.last:
            break
        cursor = page.cursor
    store.close()
    assert 1 <= most <= MOST_REQUESTS


@pytest.mark.parametrize("read", [full, volatile])
@pytest.mark.parametrize(
    ("failure", "error", "wait_s"),
    [
        (httpx.Response(429, headers={"retry-after": "7"}), Throttled, 7.0),
        (
            httpx.Response(
                503,
                headers={"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"},
            ),
            Throttled,
            60.0,
        ),
        (httpx.Response(500), Transient, None),
        (httpx.ReadTimeout("silence"), Transient, None),
        (httpx.Response(401, headers={"content-type": "text/plain"}), StoreRefused, None),
    ],
    ids=["429", "503", "500", "timeout", "401"],
)
@pytest.mark.fault("S3", "S4")
def test_whichever_request_is_refused_no_other_follows_it(remote, read, failure, error, wait_s):
    """Retrying is the pull's, which waits as long as it was told to."""
    remote.fill(300)
    healthy = Wire(remote.fake)
    store = opened(remote, healthy)
    pages(read, store)
    store.close()
    for number in range(1, len(healthy.asked) + 1):
        wire = Wire(remote.fake, _failing(number, failure))
        store = opened(remote, wire)
        # A file that lies at another host is looked for anew when that one says no.
        with pytest.raises((error, Transient)) as caught:
            pages(read, store)
        assert len(wire.asked) == number
        if type(caught.value) is Throttled:
            assert caught.value.retry_after_s == wait_s
        store.close()


def test_every_request_says_who_asks(remote):
    remote.fill(20)
    wire = Wire(remote.fake)
    store = opened(remote, wire)
    pages(full, store)
    store.close()
    assert {request.headers["user-agent"] for request in wire.asked} == {"shelfbeat"}
