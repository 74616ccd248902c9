"""Connections to merchant-supplied addresses: checked when they are made, cut when their time is up.

Checking a name first and connecting later leaves a gap in which DNS may answer differently. Here the name is
resolved once, every answer is judged, and the checked address itself is dialled; TLS still verifies the name.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from worker.errors import StoreRefused, Transient
from worker.stores.addresses import Network, may_reach, parse_address

Resolve = Callable[[str, int], Iterable[str]]


def _resolve(host: str, port: int) -> list[str]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Deadline:
    """Until when the current call may take; shared by all streams of one client."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = float("inf")

    def start(self, total_s: float) -> None:
        self._ends = self._clock() + total_s

    def cap(self, timeout: float | None) -> float:
        """The shorter of ``timeout`` and what is left, in seconds. Raises ``Transient`` when nothing is."""
        left = self._ends - self._clock()
        if left <= 0:
            raise Transient("The store took too long to answer.")
        return left if timeout is None else min(timeout, left)


class GuardedBackend(httpcore.NetworkBackend):
    """Resolves once, refuses if any answer may not be reached, dials what it has checked."""

    def __init__(
        self,
        allowed: tuple[Network, ...],
        deadline: Deadline,
        *,
        resolve: Resolve = _resolve,
        inner: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._allowed = allowed
        self._deadline = deadline
        self._resolve = resolve
        self._inner = httpcore.SyncBackend() if inner is None else inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = list(self._resolve(host, port))
        except (OSError, UnicodeError):
            raise Transient(
                f"The name {host} could not be resolved.", action="Check the shop's store address."
            ) from None
        # One bad answer spoils the name: a mixture of public and private addresses is how rebinding looks.
        if not addresses or not all(may_reach(parse_address(text), self._allowed) for text in addresses):
            raise StoreRefused(
                f"{host} is not a public address and is refused.",
                action="If it is a store of your own, add its network to STORE_ALLOWED_NETWORKS.",
                owner="operator",
            )
        error: Exception | None = None
        for text in addresses[:4]:
            try:
                stream = self._inner.connect_tcp(text, port, self._deadline.cap(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
                continue
            return _TimedStream(stream, self._deadline)
        raise Transient(f"{host} could not be reached.") from error

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise StoreRefused("A store is reached over TCP only.", owner="operator")

    def sleep(self, seconds: float) -> None:
        # httpcore calls this between its own connection retries, which are off.
        self._inner.sleep(seconds)


class _TimedStream(httpcore.NetworkStream):
    """Caps every read and write by what is left of the call, so that a drip of one byte a second ends too."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.cap(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(
            self._inner.start_tls(ssl_context, server_hostname, self._deadline.cap(timeout)), self._deadline
        )

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class GuardedTransport(httpx.BaseTransport):
    """httpx over httpcore with a guarded network backend, which httpx's own transport has no argument for."""

    def __init__(self, backend: GuardedBackend, ssl_context: ssl.SSLContext) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=ssl_context, network_backend=backend, max_connections=2)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()
