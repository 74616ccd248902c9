"""What a store's address leads to, on real connections: a false certificate, a name nobody knows, an inner address."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from worker.errors import StoreRefused, Transient
from worker.stores.http import StoreHttp

pytestmark = [pytest.mark.integration, pytest.mark.invariant("I14")]


@contextmanager
def server(address: str, answer: bytes = b"", tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Answers every connection the same. Yields its port and the requests that it got; b"" for one that sent none."""
    got: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            # A client that does not like the certificate hangs up in the middle of the handshake.
            with connection, suppress(OSError):
                got.append(b"")
                connection.settimeout(60)
                spoken: Any = tls.wrap_socket(connection, server_side=True) if tls else connection
                got[-1] = spoken.recv(65_536)
                spoken.sendall(answer)

    with socket.create_server((address, 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], got
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def certificate(path: Path, *, valid_days: int) -> ssl.SSLContext:
    """One that its owner has signed, for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=valid_days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.fault("S4")
@pytest.mark.parametrize("valid_days", [30, -1], ids=["self-signed", "expired"])
def test_a_certificate_that_is_not_valid_is_told_and_nothing_is_asked(tmp_path: Path, valid_days: int) -> None:
    with server("127.0.0.1", tls=certificate(tmp_path / "certificate.pem", valid_days=valid_days)) as (port, got):
        http = StoreHttp(("127.0.0.0/8",), headers={"x-key": "test-secret"})
        with pytest.raises(Transient) as caught:
            http.download(f"https://localhost:{port}/feed.csv", io.BytesIO(), {})
        http.close()
    assert str(caught.value) == (
        f"The certificate of https://localhost:{port}/feed.csv is not valid. Renew the store's certificate."
    )
    assert got == [b""]


@pytest.mark.fault("S4")
def test_a_name_that_nobody_knows_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    http = StoreHttp()
    with pytest.raises(Transient) as caught:
        http.download("https://shop.example/feed.csv?key=test-secret", io.BytesIO(), {})
    http.close()
    assert type(caught.value) is Transient
    assert "shop.example" in str(caught.value)
    assert "test-secret" not in str(caught.value)


@pytest.mark.fault("S20")
@pytest.mark.parametrize("elsewhere", ["127.0.0.2", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_a_redirect_to_an_inner_address_is_not_followed(elsewhere: str) -> None:
    with server("127.0.0.2") as (inner_port, inner_got):
        target = f"http://{elsewhere}:{inner_port}/latest/meta-data"
        moved = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        with server("127.0.0.1", moved.encode()) as (port, got):
            http = StoreHttp(("127.0.0.1/32",))
            with pytest.raises(StoreRefused):
                http.download(f"http://127.0.0.1:{port}/feed.csv", io.BytesIO(), {})
            http.close()
    assert (len(got), inner_got) == (1, [])
