"""An SFTP server on this machine that serves one folder to one user."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

USER = "feeds"
PASSWORD = "canary-password"


def new_key() -> tuple[paramiko.ECDSAKey, str]:
    """A key as paramiko has it, and as PEM text."""
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    plain = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    return paramiko.ECDSAKey.from_private_key(io.StringIO(plain)), pem


class SftpHost:
    """Serves ``root``; takes the password, and the key ``user_key`` if there is one.

    Attributes:
        connections: How many were made.
        logins: What was tried as credential, oldest first: "password" or "key".
        calls: The SFTP calls that came: "stat", "open" and "read".
        on_read: Called before every read with its offset; None leaves the bytes as they are, others replace them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host_key, _ = new_key()
        self.user_key: paramiko.PKey | None = None
        self.connections = 0
        self.logins: list[str] = []
        self.calls: list[str] = []
        self.on_read: Callable[[int], bytes | None] = lambda _: None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._transports: list[paramiko.Transport] = []

    @property
    def fingerprint(self) -> str:
        return str(self.host_key.fingerprint)

    def url(self, path: str = "/feed.csv") -> str:
        return f"sftp://{USER}@127.0.0.1:{self.port}{path}"

    def hang_up(self) -> None:
        for transport in self._transports:
            transport.close()

    @contextmanager
    def serving(self) -> Iterator[SftpHost]:
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            thread.join(60)
            self.hang_up()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as real servers do
                self.connections += 1
                transport = paramiko.Transport(connection)
                transport.add_server_key(self.host_key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, host=self)
                self._transports.append(transport)
                # With an event the handshake goes on in the transport's own thread.
                transport.start_server(event=threading.Event(), server=_Door(self))


class _Door(paramiko.ServerInterface):
    def __init__(self, host: SftpHost) -> None:
        self._host = host

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        self._host.logins.append("password")
        right = (username, password) == (USER, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._host.logins.append("key")
        return paramiko.AUTH_SUCCESSFUL if key == self._host.user_key else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Folder(paramiko.SFTPServerInterface):
    def __init__(self, server: paramiko.ServerInterface, host: SftpHost) -> None:
        super().__init__(server)
        self._host = host

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        self._host.calls.append("stat")
        try:
            return paramiko.SFTPAttributes.from_stat((self._host.root / path.lstrip("/")).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        self._host.calls.append("open")
        try:
            return _File(self._host, self._host.root / path.lstrip("/"), flags)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)


class _File(paramiko.SFTPHandle):
    def __init__(self, host: SftpHost, path: Path, flags: int) -> None:
        super().__init__(flags)
        self._host = host
        self._data = path.read_bytes()

    def stat(self) -> int:
        return paramiko.SFTP_OP_UNSUPPORTED

    def read(self, offset: int, length: int) -> bytes | int:
        self._host.calls.append("read")
        instead = self._host.on_read(offset)
        if instead is None:
            instead = self._data[offset : offset + length]
        return instead or paramiko.SFTP_EOF


def set_aside(path: Path, modified: int = 1_700_000_000) -> None:
    """Make a file old, as one is that was written some time ago."""
    os.utime(path, (modified, modified))
