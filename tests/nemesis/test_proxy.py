"""A nemesis whose network does not misbehave as it says would prove nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.nemesis.proxy import Proxy

_MUCH_LATER_S = 0.3


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while piece := connection.recv(4096):
                connection.sendall(piece)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=quietly, args=(connection,), daemon=True).start()

    def quietly(connection: socket.socket) -> None:
        try:
            serve(connection)
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo) -> Iterator[Proxy]:
    with Proxy(echo) as between:
        yield between


def connect(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
    assert said_back(connection, b"hello")
    return connection


def said_back(connection: socket.socket, words: bytes) -> bool:
    connection.sendall(words)
    try:
        return connection.recv(4096) == words
    except TimeoutError:
        return False


def test_a_half_open_connection_answers_no_more_and_a_new_one_does(proxy):
    with connect(proxy) as old:
        assert proxy.half_open() == 1
        old.settimeout(_MUCH_LATER_S)
        assert not said_back(old, b"lost")
        with connect(proxy) as new:
            assert said_back(new, b"well")
        proxy.resume()
        assert not said_back(old, b"still lost")


def test_only_one_direction_may_be_lost(proxy):
    with connect(proxy) as old:
        proxy.half_open("down")
        old.settimeout(_MUCH_LATER_S)
        assert not said_back(old, b"arrives, and its echo does not")


def test_what_a_stalled_network_holds_arrives_later(proxy):
    with connect(proxy) as connection:
        proxy.stall()
        connection.settimeout(_MUCH_LATER_S)
        assert not said_back(connection, b"wait")
        proxy.resume()
        connection.settimeout(60)
        assert connection.recv(4096) == b"wait"


def test_a_connection_made_while_the_network_is_stalled_works_afterwards(proxy):
    proxy.stall()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        connection.sendall(b"early")
        proxy.resume()
        assert connection.recv(4096) == b"early"


def test_a_reset_is_felt_at_once_by_old_connections_only(proxy):
    with connect(proxy) as old:
        assert proxy.reset() == 1
        with suppress(ConnectionError):
            assert not said_back(old, b"anybody")
        connect(proxy).close()


def test_a_server_that_is_not_there_resets_its_callers():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: nor does anybody else meanwhile
        with Proxy(nobody.getsockname()) as proxy, pytest.raises(ConnectionResetError):
            ask(proxy)


def ask(proxy: Proxy) -> None:
    """Who is slow to connect may be reset before it has read anything."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        connection.recv(1)
