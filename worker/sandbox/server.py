"""The sandbox on a port: HTTP/1.1 with connections kept open, a thread for each."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

from worker.sandbox import control, graph_api, store_api
from worker.sandbox.wire import Reply, Request
from worker.sandbox.world import Settings, World

_READ_AT_MOST = 32 << 20
_IDLE_S = 120.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], world: World) -> None:
        self.world = world
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        """Without the look-up of the machine's own name, which takes seconds where no name server answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that hang up are what the sandbox is for; they are no news. A bug in here still is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Sandbox"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    wbufsize = 64 << 10
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is http.server's
        """Nothing: request lines hold tokens."""

    def _serve(self) -> None:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isascii() or not length.isdigit():
            self.close_connection = True
            self._send(Reply(411, b"Send a Content-Length.", "text/plain; charset=utf-8"))
            return
        raw_path, _, query = self.path.partition("?")
        size = int(length)
        request = Request(
            method=self.command,
            path=unquote(raw_path),
            raw_path=raw_path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self._read(size),
            size_bytes=size,
        )
        if raw_path == "/_sandbox" or raw_path.startswith("/_sandbox/"):
            reply = control.answer(self.server.world, request)
        elif raw_path.startswith("/store/"):
            reply = store_api.answer(self.server.world, request)
        else:
            reply = graph_api.answer(self.server.world, request)
        self._send(reply)

    def __getattr__(self, name: str) -> Any:
        """``do_GET`` and so on: http.server's way to ask for the handler of a method."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _read(self, size: int) -> bytes:
        if size <= _READ_AT_MOST:
            return self.rfile.read(size)
        while size > 0 and (part := self.rfile.read(min(size, 1 << 20))):
            size -= len(part)
        return b""

    def _send(self, reply: Reply) -> None:
        if reply.delay_s:
            self.server.world.stopping.wait(reply.delay_s)
        if reply.close:
            self.close_connection = True
            return
        self.send_response(reply.status)
        if reply.status != 304:
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or reply.status == 304:
            return
        if reply.send is not None:
            self.close_connection = True
            self.wfile.write(reply.body[: reply.send])
        elif reply.bytes_per_s is not None:
            self._drip(reply.body, reply.bytes_per_s)
        else:
            self.wfile.write(reply.body)

    def _drip(self, body: bytes, bytes_per_s: int) -> None:
        step = max(1, bytes_per_s // 10)
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            if self.server.world.stopping.wait(step / bytes_per_s):
                self.close_connection = True
                return


class Sandbox:
    """A sandbox in a thread of this process, for tests and the demo: ``with Sandbox() as sandbox: sandbox.url``.

    Args:
        port: 0 takes a free one.
        seed: Decides ids and the order of application; the sample items too.
        sample_items: About how many items the larger sample feed has.
        settings: Further settings, as at ``/_sandbox/settings``.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        latency_s: float = 0.2,
        seed: int = 1,
        sample_items: int = 300,
        **settings: Any,
    ) -> None:
        self.world = World(Settings(latency_s=latency_s, **settings), seed, sample_items)
        self._server = _Server((host, port), self.world)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._host = host

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Base of the Graph API, without version and final slash: what META_GRAPH_URL takes."""
        return f"http://{self._host}:{self.port}"

    @property
    def feed_url(self) -> str:
        """The sample feed in US dollars, as CSV."""
        return f"{self.url}/store/feed.csv"

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends waiting answers at once."""
        self.world.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def control(self, path: str, document: Any = None, *, method: str | None = None) -> Any:
        """Make a control call: ``control("faults", {...})`` posts, ``control("calls?route=items_batch")`` gets.

        Returns the decoded JSON. Raises ``ValueError`` with a sentence for a wrong call.
        """
        data = None if document is None else json.dumps(document).encode()
        connection = HTTPConnection(self._host, self.port, timeout=30)
        try:
            connection.request(method or ("GET" if data is None else "POST"), f"/_sandbox/{path}", data)
            answer = connection.getresponse()
            document = json.load(answer)
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(document["error"])
        return document

    def fault(self, route: str, action: str, **more: Any) -> None:
        """Set one fault switch."""
        self.control("faults", {"route": route, "action": action, **more})

    def calls(self, route: str | None = None, *, after: int = 0) -> list[dict[str, Any]]:
        """The call log with its records, oldest first."""
        with self.world.lock:
            return self.world.calls.listed(route, after)

    def items(self, catalog_id: str) -> Mapping[str, Mapping[str, Any]]:
        """What Meta holds now, by retailer id, in the names in which it was written."""
        with self.world.lock:
            return self.world.model.items(catalog_id)

    def change_item(self, retailer_id: str, feed: str = "feed", **changes: Any) -> None:
        """Change an item in the sample store; None removes a field."""
        self.control(f"store/items/{quote(retailer_id, safe='')}?feed={feed}", changes)


def serve(
    host: str = "127.0.0.1", port: int = 8765, *, latency_s: float = 0.2, seed: int = 1, sample_items: int = 300
) -> None:
    """Serve until interrupted. Raises ``OSError`` when the port is taken."""
    world = World(Settings(latency_s=latency_s), seed, sample_items)
    with _Server((host, port), world) as server:
        try:
            server.serve_forever()
        finally:
            world.stopping.set()
