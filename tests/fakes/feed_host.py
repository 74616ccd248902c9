"""A web server in memory that serves one feed file."""

from __future__ import annotations

import httpx


class FeedHost(httpx.BaseTransport):
    """Serves ``body`` with the given headers; honours validators.

    Attributes:
        override: Takes the place of every answer while it is set.
        asked: The requests that came, oldest first.
    """

    def __init__(self, body: bytes = b"", **headers: str) -> None:
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.override: httpx.Response | None = None
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.override is not None:
            return self.override
        for validator, condition in (("etag", "if-none-match"), ("last-modified", "if-modified-since")):
            if validator in self.headers and request.headers.get(condition) == self.headers[validator]:
                return httpx.Response(304, stream=httpx.ByteStream(b""))
        # As a stream, because a response that was made with its content counts as read already.
        return httpx.Response(200, headers=self.headers, stream=httpx.ByteStream(self.body))
