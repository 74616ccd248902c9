"""A merchant names the address: no request goes where we may not reach, and no credential to anybody else."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.contract.reading import full, pages
from tests.contract.subjects import SECRET
from tests.contract.wire import Wire, opened
from worker.errors import StoreRefused

pytestmark = [pytest.mark.invariant("I14"), pytest.mark.fault("S20")]

INNER = ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::7", "::ffff:192.168.0.1"]


@pytest.mark.parametrize("answers", [*([address] for address in INNER), ["93.184.215.14", "127.0.0.1"]])
def test_a_store_whose_name_leads_inside_is_not_dialled(remote, answers, monkeypatch):
    def resolve(host, port, *_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers]

    def dial(*_, **__):
        raise AssertionError("an inner address was dialled")

    remote.fill(20)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", dial)
    monkeypatch.setattr(socket.socket, "connect", dial)
    store = opened(remote, None)
    with pytest.raises(StoreRefused, match="not a public address"):
        store.full(None)
    store.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/products",
        "https://shop.example.elsewhere.example/products",
        "https://shop.example:8443/products",
        "//elsewhere.example/products",
    ],
)
def test_a_credential_follows_no_redirect_to_another_host(remote, status, location):
    remote.fill(20)

    def redirect(asked: int, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        return httpx.Response(status, headers={"location": location}) if asked == 1 else response

    wire = Wire(remote.fake, redirect)
    store = opened(remote, wire)
    if remote.follows_redirects:
        pages(full, store)
    else:
        with pytest.raises(StoreRefused):
            store.full(None)
    store.close()
    asked_elsewhere = wire.asked[1:]
    assert len(asked_elsewhere) == (1 if remote.follows_redirects else 0)
    for request in asked_elsewhere:
        assert "authorization" not in request.headers
        assert SECRET not in f"{request.url} {request.headers.raw}"
