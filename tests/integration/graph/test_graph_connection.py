"""What the client makes of a real connection that fails, seen on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from worker.errors import OutcomeUnknown, Transient
from worker.graph import Graph, GraphConfig


@contextmanager
def server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Accepts one connection, reads one whole request, sends ``answer`` and hangs up."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                data = b""
                while not data.endswith(b"]}"):
                    data += connection.recv(65_536)
                received.append(data)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", received
        thread.join(60)


def test_a_refused_connection_sent_nothing_and_is_transient() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen: nor does anybody else meanwhile
        graph = Graph(GraphConfig(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}"), "test-token")
        with pytest.raises(Transient) as caught:
            graph.items_batch("7", [b"{}"], allow_upsert=True)
    assert type(caught.value) is Transient


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"nonsense\r\n\r\n"])
@pytest.mark.invariant("I5")
@pytest.mark.fault("G19")
def test_a_connection_that_ends_after_the_request_leaves_the_outcome_unknown(answer: bytes) -> None:
    with server(answer) as (url, received), pytest.raises(OutcomeUnknown):
        Graph(GraphConfig(base_url=url), "test-token").items_batch("7", [b'{"a":1}'], allow_upsert=True)
    assert len(received) == 1
    assert b"authorization: bearer test-token" in received[0].lower()


def test_one_pool_of_connections_serves_all_shops_of_a_process() -> None:
    body = b'{"handles":["h-1"]}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    for _ in range(2):
        with server(answer) as (url, received):
            graph = Graph(GraphConfig(base_url=url), "test-token")
            assert graph.items_batch("7", [b"{}"], allow_upsert=True).handle == "h-1"
            graph.close()
        assert len(received) == 1
