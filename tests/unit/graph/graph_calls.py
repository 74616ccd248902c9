"""A Graph API that answers from a list and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from worker.graph import Graph, GraphConfig

TOKEN = "canary-token-7731"
SECRET = "canary-secret-7731"
BASE = "https://graph.test"


class Meta:
    """``answer`` is a response, or an exception to raise, for every call."""

    def __init__(self, answer: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, httpx.Response) else self.answer(request)

    def graph(self, **config: Any) -> Graph:
        return Graph(GraphConfig(base_url=BASE, **config), TOKEN, httpx.MockTransport(self))


def answering(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Meta:
    if isinstance(body, bytes | str):
        return Meta(httpx.Response(status, content=body, headers=headers))
    return Meta(httpx.Response(status, json=body, headers=headers))


def refusing(code: int | None, message: str = "No.", *, status: int = 400, **more: Any) -> Meta:
    headers = more.pop("headers", None)
    error = {"message": message, "type": "OAuthException", "fbtrace_id": "Trace+1", **more}
    if code is not None:
        error["code"] = code
    return answering({"error": error}, status, headers)
