"""What a pull costs a store: a gateway before it that passes every request on and counts."""

from __future__ import annotations

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

# Ours to say anew on each side of the gateway (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class Reading(NamedTuple):
    """Requests passed on, and the bytes of their answers' bodies as they travel."""

    requests: int
    size_bytes: int


class Meter:
    """Listens on a port of its own, and speaks for ``upstream``, an http address without a path."""

    def __init__(self, upstream: str) -> None:
        self._server = _Gateway(upstream)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="meter", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def read(self) -> Reading:
        """What has passed since the last reading."""
        sizes, self._server.sizes = self._server.sizes, []
        return Reading(len(sizes), sum(sizes))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Gateway(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.sizes: list[int] = []
        super().__init__(("127.0.0.1", 0), _Passing)

    def server_bind(self) -> None:
        """Without the look-up of the machine's own name, which takes seconds where no name server answers."""
        TCPServer.server_bind(self)


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10
    server: _Gateway

    def setup(self) -> None:
        super().setup()
        self._store = HTTPConnection(self.server.upstream, timeout=120)

    def finish(self) -> None:
        self._store.close()
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        self._store.request(self.command, self.path, body or None, sent)
        answer = self._store.getresponse()
        found = answer.read()
        self.server.sizes.append(len(found))
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found)

    def __getattr__(self, name: str) -> Any:
        """``do_GET`` and so on: http.server's way to ask for the handler of a method."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)
