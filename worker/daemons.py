"""The daemons of one working directory: what they need before they start, and who of them is running.

A running daemon holds a record lock on a file under ``var/run``. Such a lock belongs to the process alone, is not
inherited by a forked pool, and ends with the process however it dies.
"""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from worker.broker import ensure_broker, keep_broker
from worker.database import heartbeats
from worker.database.engine import make_engine, writing
from worker.database.schema import ensure
from worker.errors import ShelfbeatError
from worker.settings import Settings

log = structlog.get_logger(__name__)

_held: list[int] = []


@dataclass(frozen=True, slots=True)
class Daemon:
    kind: str
    pid: int


def prepare(kind: str, settings: Settings, *, schema: bool = False) -> None:
    """Bring up what a daemon of this kind needs, and note that it runs.

    Args:
        schema: Whether the database is made or upgraded (embedded SQLite) or checked (any other).

    Raises:
        ShelfbeatError: One sentence why it cannot start.
    """
    if schema:
        engine = make_engine(settings.database_url)
        try:
            ensure(engine)
        finally:
            # The pool is forked from this process; a connection must not be.
            engine.dispose()
    ensure_broker(settings)
    keep_broker(settings)
    register(kind)


def sign_off(node: str, settings: Settings) -> None:
    """A worker ends in order: nobody shall miss it."""
    engine = make_engine(settings.database_url)
    try:
        with writing(engine) as connection:
            heartbeats.sign_off(connection, heartbeats.of_worker(node))
    except (DBAPIError, ShelfbeatError) as error:
        # It is reported as lost for an hour; ending matters more.
        log.debug("worker.not_signed_off", reason=str(error))
    finally:
        engine.dispose()


def register(kind: str) -> None:
    """Let ``running`` find this process until it ends."""
    directory = _directory()
    try:
        directory.parent.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        record = os.open(directory / f"{kind}-{socket.gethostname()}-{os.getpid()}", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.lockf(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A container may run from a directory that it cannot write; ``down`` is not for containers.
        log.debug("daemon.not_registered", kind=kind, reason=str(error))
        return
    _held.append(record)


def running() -> list[Daemon]:
    """Daemons of this working directory on this machine. Removes what dead ones left."""
    found = []
    for path in sorted(_directory().glob(f"*-{socket.gethostname()}-*")):
        kind, pid = path.name.split("-", 1)[0], path.name.rsplit("-", 1)[1]
        try:
            with path.open("r+b") as record:
                fcntl.lockf(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except BlockingIOError:
            found.append(Daemon(kind, int(pid)))
        except FileNotFoundError:
            continue
    return found


def _directory() -> Path:
    return Path.cwd() / "var" / "run"
