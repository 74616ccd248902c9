"""A network in a bad mood: TCP between a process and its server, passed on, delayed, reset, stalled or swallowed."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]
"""Up is from whoever connected to the server."""

_PIECE = 64 << 10
_CONNECT_S = 30.0


class Proxy:
    """Listens on a port of its own and connects each caller to ``upstream``.

    ``stall`` is a network that is away for a while: bytes wait and arrive late, as TCP sends them again. ``half_open``
    is a connection that a router has forgotten: what is sent disappears, for ever, and nobody is told; later
    connections are well.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._passing = threading.Event()
        self._passing.set()
        self._delay_s = 0.0
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name=f"proxy-{self.port}", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def delay(self, seconds: float) -> None:
        """Every piece of data takes this much longer, each way; 0 ends it."""
        self._delay_s = seconds

    def stall(self) -> None:
        """Nothing passes any more, on old connections and new ones, until ``resume``."""
        self._passing.clear()

    def resume(self) -> None:
        self._passing.set()

    def half_open(self, *directions: Direction) -> int:
        """The connections of now lose whatever they send in these directions. Returns how many there were."""
        links = self._now()
        for link in links:
            link.swallowed.update(directions or ("up", "down"))
        return len(links)

    def reset(self) -> int:
        """End the connections of now with a RST to both sides. Returns how many there were."""
        links = self._now()
        for link in links:
            link.reset()
        return len(links)

    def close(self) -> None:
        with suppress(OSError):
            # Without it the kernel keeps the port open for as long as the thread waits in ``accept``.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.resume()
        self.reset()

    def _now(self) -> list[_Link]:
        with self._lock:
            return list(self._links)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), name=f"proxy-{self.port}", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        self._passing.wait()
        try:
            server = socket.create_connection(self._upstream, timeout=_CONNECT_S)
        except OSError:
            _reset(caller)
            return
        server.settimeout(None)
        for end in (caller, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(caller, server)
        with self._lock:
            self._links.add(link)
        up = threading.Thread(target=self._pump, args=(link, "up"), name=f"proxy-{self.port}", daemon=True)
        up.start()
        self._pump(link, "down")
        up.join()
        link.close()
        with self._lock:
            self._links.discard(link)

    def _pump(self, link: _Link, direction: Direction) -> None:
        source, target = (link.caller, link.server) if direction == "up" else (link.server, link.caller)
        while True:
            try:
                piece = source.recv(_PIECE)
                self._passing.wait()
                if self._delay_s:
                    time.sleep(self._delay_s)
                if direction in link.swallowed:
                    if not piece:
                        return  # the end of the stream is swallowed too
                    continue
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)
            except OSError:
                # What one side does to its connection, the other one notices.
                link.reset()
                return


class _Link:
    """A caller's connection and ours to the server."""

    def __init__(self, caller: socket.socket, server: socket.socket) -> None:
        self.caller, self.server = caller, server
        self.swallowed: set[Direction] = set()

    def reset(self) -> None:
        for end in (self.caller, self.server):
            # Wakes the pump that waits in ``recv``; a RST follows when it closes.
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self.caller, self.server):
            end.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
