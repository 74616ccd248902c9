"""What stands between a store and its fake: it remembers what was asked, and answers something else when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from tests.contract.subjects import Subject
from worker.stores import Store

Change = Callable[[int, httpx.Request, httpx.Response], httpx.Response]
"""(the request's number from 1 on, the request, the fake's answer) -> the answer that the store gets. May raise."""


class Wire(httpx.BaseTransport):
    """Passes requests on, one at a time: none may be made before the answer to the last one was closed.

    Attributes:
        asked: The requests that came, oldest first.
    """

    def __init__(self, inner: httpx.BaseTransport, change: Change | None = None) -> None:
        self.inner = inner
        self.change = change
        self.asked: list[httpx.Request] = []
        self._open = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert not self._open, "a request was made before the answer to the last one was closed"
        self.asked.append(request)
        response = self.inner.handle_request(request)
        if self.change is not None:
            response = self.change(len(self.asked), request, response)
        self._open += 1
        return httpx.Response(response.status_code, headers=response.headers, stream=_Watched(response, self._closed))

    def _closed(self) -> None:
        self._open = 0


class _Watched(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, closed: Callable[[], None]) -> None:
        self._stream, self._closed = response.stream, closed

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._closed()


def opened(subject: Subject, wire: httpx.BaseTransport | None) -> Store:
    """The store with ``wire`` in the place of its fake; None: with the real network."""
    fake, subject.fake = subject.fake, wire
    try:
        return subject.open()
    finally:
        subject.fake = fake


def answering(body: bytes, like: httpx.Response) -> httpx.Response:
    """An answer with another body."""
    headers = {name: value for name, value in like.headers.items() if name != "content-length"}
    return httpx.Response(like.status_code, headers=headers, stream=httpx.ByteStream(body))
