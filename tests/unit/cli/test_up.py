from __future__ import annotations

import socket
from contextlib import ExitStack, closing

import pytest

from worker.cli import up
from worker.cli.up import reserved_port
from worker.errors import BadInput


@pytest.fixture(autouse=True)
def first(monkeypatch: pytest.MonkeyPatch) -> int:
    """Far from where other installations on this machine look."""
    monkeypatch.setattr(up, "FLOWER_PORT", 29_400)
    return 29_400


def test_two_who_start_at_once_take_two_ports_before_either_flower_listens() -> None:
    with reserved_port() as one, reserved_port() as other:
        assert one < other


def test_the_port_is_left_to_flower_and_then_to_whoever_comes_later() -> None:
    with reserved_port() as port, closing(socket.socket()) as flower:
        flower.bind(("127.0.0.1", port))
    with reserved_port() as again:
        assert again == port


def test_a_port_on_which_something_else_listens_is_passed_over(first: int) -> None:
    with socket.create_server(("127.0.0.1", first)), reserved_port() as port:
        assert port > first


def test_where_every_port_is_taken_one_has_to_be_named(first: int) -> None:
    with ExitStack() as taken:
        ports = [taken.enter_context(reserved_port()) for _ in range(100)]
        assert ports == [*range(first, first + 100)]
        with pytest.raises(BadInput, match=f"No port from {first} on is free for Flower") as refused:
            taken.enter_context(reserved_port())
    assert refused.value.action == "Name one with --flower-port."
