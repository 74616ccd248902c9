"""Read one file over SFTP: from a server whose host key is known beforehand, within the bounds of a feed.

The server is a merchant's choice, so its address is judged where it is dialled (``dialing``), and nothing of what
it says is shown. Everything that paramiko waits for ends with the connection, so the connection keeps the limits.
"""

from __future__ import annotations

import logging
import socket
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from io import StringIO
from typing import IO, Any, NamedTuple

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from worker.errors import BadInput, ShelfbeatError, StoreIncomplete, StoreRefused, Transient
from worker.stores.addresses import parse_networks
from worker.stores.contract import StoreConfig
from worker.stores.dialing import Deadline, GuardedBackend
from worker.stores.feed.sftp_address import check_host_key, is_private_key, openssh_form, place_of
from worker.stores.http import CONNECT_S, FILE, READ_S, Bounds, display

_BLOCK = 32 << 10  # what every server gives in one answer
# What a server may send beyond the file itself: packets' own bytes, and its part of the handshake.
_SLACK_BYTES = 8 << 20
# Broken or too short for today; every server of the last ten years has something better.
_WEAK = {"ciphers": ["3des-cbc"], "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1-96"]}


class Known(NamedTuple):
    """What tells one state of a file from another. ``modified`` is in seconds since 1970."""

    size: int
    modified: int


class Sftp:
    """Reads the file at ``config.url``; every call of ``read`` is one connection.

    Args:
        silence_s: How long the server may send nothing.
    """

    def __init__(
        self,
        config: StoreConfig,
        *,
        bounds: Bounds = FILE,
        silence_s: float = READ_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place_of(config.url)
        check_host_key(config.options.get("host_key"))
        self._host_key = config.options["host_key"].rstrip("=")
        if not config.secret:
            raise StoreRefused(
                "A feed over sftp needs the store's credential, and the shop has none.",
                action="Give it with: shop token SHOP --store-secret-env NAME.",
                owner="operator",
            )
        self._secret = config.secret
        self._allowed = parse_networks(config.allowed_networks)
        self._shown = display(config.url)
        self._bounds = bounds
        self._silence_s = silence_s
        self._clock = clock

    def read(self, sink: IO[bytes], known: tuple[int, int] | None = None) -> Known | None:
        """Write the file into ``sink`` and say which state it was; None for one that is still ``known``.

        Raises ``StoreIncomplete`` for fewer bytes than the server says the file has, ``StoreRefused`` for a host key,
        credential or file that will not do, ``Transient`` for what may pass.
        """
        deadline = Deadline(self._clock)
        deadline.start(self._bounds.total_s)
        dialled = GuardedBackend(self._allowed, deadline).connect_tcp(self._place.host, self._place.port, CONNECT_S)
        line = _Line(dialled.get_extra_info("socket"), deadline, self._silence_s, self._clock)
        # Its threads log what servers say, and tracebacks; what matters is raised here.
        logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
        transport = paramiko.Transport(line, disabled_algorithms=_WEAK)
        # The line ends earlier; paramiko's own end of its patience would look like a refusal.
        transport.auth_timeout = self._bounds.total_s
        try:
            with self._translated(transport, line):
                session = self._session(transport)
                state = self._state(session)
            if state == known:
                return None
            if state.size > self._bounds.wire_bytes:
                raise StoreIncomplete(f"{self._shown} is larger than a feed may be.")
            with closing(self._blocks(transport, line, session, state)) as blocks:
                for block in blocks:
                    sink.write(block)
            return state
        finally:
            transport.close()
            line.close()

    @contextmanager
    def _translated(self, transport: paramiko.Transport, line: _Line) -> Iterator[None]:
        try:
            yield
        except ShelfbeatError:
            raise
        except IncompatiblePeer:
            raise StoreRefused(f"{self._shown} offers only encryption that is not safe.") from None
        except Exception as error:  # noqa: BLE001 - nonsense from a server surfaces as whatever it trips in the parser
            if line.cut:
                raise Transient(f"{self._shown} {line.cut}.") from None
            if not transport.is_active():
                raise Transient(f"{self._shown} broke off the connection.") from None
            raise _meaning(error, self._shown) from None

    def _session(self, transport: paramiko.Transport) -> paramiko.SFTPClient:
        transport.start_client()
        # Before anything is sent that only the merchant's own server may learn, the user's name included.
        seen = transport.get_remote_server_key().fingerprint
        if seen != self._host_key:
            raise StoreRefused(
                f"{self._shown} shows the host key {seen}, which is not the one of the shop's option host_key.",
                action="Compare it with the server's own; only if it is right, set it in [store] of 'shop mapping'.",
                owner="operator",
            )
        if is_private_key(self._secret):
            transport.auth_publickey(self._place.user, _private_key(self._secret))
        else:
            transport.auth_password(self._place.user, self._secret)
        if not transport.is_authenticated():
            raise StoreRefused(
                f"{self._shown} asks for a second credential.", action="Let this user log in with a single one."
            )
        session = paramiko.SFTPClient.from_transport(transport)
        if session is None:
            raise StoreRefused(f"{self._shown} does not offer SFTP.", action="Check the shop's store address.")
        return session

    def _blocks(
        self, transport: paramiko.Transport, line: _Line, session: paramiko.SFTPClient, state: Known
    ) -> Generator[bytes, None, None]:
        read, began = 0, self._clock()
        with self._translated(transport, line), session.open(self._place.path, "rb") as source:
            # On past the end that was announced: only then it shows that there is more.
            while read <= state.size and (block := source.read(_BLOCK)):
                read += len(block)
                line.asked = read
                yield block
                taken_s = self._clock() - began
                if taken_s > READ_S and read < self._bounds.min_bytes_per_s * taken_s:
                    raise Transient("The store sends too slowly.")
            if self._state(session) != state:
                raise Transient(f"{self._shown} was changed while it was read.")
            if read != state.size:
                raise StoreIncomplete(f"{read} bytes of {self._shown} came, and {state.size} were announced.")

    def _state(self, session: paramiko.SFTPClient) -> Known:
        status = session.stat(self._place.path)
        if status.st_size is None or status.st_mtime is None:
            raise StoreRefused(f"The server of {self._shown} does not tell size and time of its files.")
        if status.st_mode is not None and not stat.S_ISREG(status.st_mode):
            raise StoreRefused(f"{self._shown} is not a file.", action="Correct the shop's store address.")
        return Known(status.st_size, status.st_mtime)


class _Line(socket.socket):
    """A connection that ends when a limit is passed; every wait of paramiko's with it.

    paramiko asks ten times a second, so no limit is noticed later than that.

    Attributes:
        asked: Bytes of the file that have arrived; far more than these nobody has asked for.
        cut: Why the line was ended, as the rest of a sentence; "" while it was not.
    """

    def __init__(
        self, dialled: socket.socket, deadline: Deadline, silence_s: float, clock: Callable[[], float]
    ) -> None:
        super().__init__(fileno=dialled.detach())
        self._deadline = deadline
        self._silence_s = silence_s
        self._clock = clock
        self._heard = clock()
        self._received = 0
        self.asked = 0
        self.cut = ""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if self._ended():
            return b""
        data = super().recv(size, flags)
        self._heard = self._clock()
        self._received += len(data)
        return data

    def send(self, data: Any, flags: int = 0, /) -> int:
        if self._ended():
            raise EOFError
        return super().send(data, flags)

    def _ended(self) -> bool:
        if not self.cut:
            if self._clock() - self._heard > self._silence_s:
                self.cut = "did not answer in time"
            elif self._received > self.asked + self.asked // 4 + _SLACK_BYTES:
                self.cut = "sent more than was asked for"
            else:
                try:
                    self._deadline.cap(None)
                except Transient:
                    self.cut = "took too long to answer"
        return bool(self.cut)


def _meaning(error: Exception, shown: str) -> ShelfbeatError:
    """What an error on a connection that still stands means. Its text is the server's and not repeated."""
    if isinstance(error, paramiko.AuthenticationException):
        return StoreRefused(f"{shown} refuses our credentials.", action="Give the shop a valid store secret.")
    if isinstance(error, FileNotFoundError):
        return StoreRefused(f"{shown} is not there.", action="Correct the shop's store address.")
    if isinstance(error, PermissionError):
        return StoreRefused(f"{shown} may not be read by this user.", action="Correct the file's permissions.")
    return Transient(f"{shown} could not be read.")


def _private_key(secret: str) -> paramiko.PKey:
    text = openssh_form(secret)
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(StringIO(text))
        except (paramiko.SSHException, ValueError):
            continue
    raise BadInput("The private key is of a kind that is not used: give Ed25519, ECDSA or RSA.")
