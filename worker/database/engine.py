"""How a process talks to the snapshot database: one engine, short transactions, one clock.

Make the engine lazily and after the fork; an engine shared with a parent process shares its sockets.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from worker import failpoints
from worker.database.types import from_ms, to_ms
from worker.errors import BadInput, Transient

Clock = Callable[[], float]

_BUSY_TIMEOUT_S = 30
_CLOCK = "shelfbeat_clock"
_READONLY = "readonly"


def make_engine(url: str, *, clock: Clock | None = None, answer_s: float | None = 60.0) -> Engine:
    """An engine for ``DATABASE_URL``. Opens no connection and makes no file yet.

    Args:
        url: SQLAlchemy URL; ``sqlite:///path`` or ``postgresql://…``.
        clock: Seconds since 1970 UTC, for ``database_now``; None: the server's clock (PostgreSQL) or this
            machine's (SQLite).
        answer_s: After this many seconds without an answer a PostgreSQL server counts as gone; None: never, for what
            may take long. More than a stopped process may hold a row's lock.

    Raises:
        BadInput: The URL is not one of these, or its driver is not installed.
    """
    parsed = parse_url(url)
    options = {_CLOCK: clock}
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_TIMEOUT_S}, execution_options=options)
        _tune_sqlite(engine)
        return engine
    try:
        engine = create_engine(
            parsed,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "shelfbeat"} | parsed.query,
            execution_options=options,
        )
    except ModuleNotFoundError as error:
        raise BadInput(
            f"DATABASE_URL names PostgreSQL, but the driver {error.name} is not installed.",
            action="Install it with: pip install -e '.[postgres]'.",
        ) from error
    _tune_postgresql(engine, answer_s)
    return engine


def parse_url(url: str) -> URL:
    """``DATABASE_URL`` with the driver we use filled in. Raises ``BadInput``; the message holds no password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadInput("DATABASE_URL is not a database URL.", action=_URL_FORMS) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise BadInput(f"DATABASE_URL names the unsupported database {backend!r}.", action=_URL_FORMS)


_URL_FORMS = "Use sqlite:///path/to/file.db or postgresql://user:password@host/name."


def sqlite_path(url: str | URL) -> Path | None:
    """Where a SQLite database lies, absolute; None for other databases and for one in memory."""
    parsed = parse_url(url) if isinstance(url, str) else url
    if parsed.get_backend_name() != "sqlite" or not parsed.database or ":memory:" in parsed.database:
        return None
    return Path(parsed.database.removeprefix("file:")).absolute()


def make_private_directory(path: Path) -> None:
    """Make ``path`` and its missing parents, readable by this user alone. Existing ones keep their mode."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes nothing; on SQLite it takes no write lock and sees one state throughout."""
    with _connect(engine) as connection:
        connection.execution_options(readonly=True, postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine, step: str = "") -> Iterator[Connection]:
    """A transaction that commits at the end of the block and rolls back when the block raises.

    On SQLite it holds the only write lock from its first moment, so what it reads stays true until it commits.
    Never keep it open over a network call.

    Args:
        step: Its name in ``worker.failpoints``; every transaction of ``worker.sync`` has one.
    """
    with _connect(engine) as connection:
        with connection.begin():
            yield connection
            if failpoints.before(step):
                raise _broken(step)
        if failpoints.after(step):
            raise _broken(step)


def database_now(connection: Connection) -> datetime:
    """The database's time, not the transaction's: two calls in one transaction differ. Whole milliseconds, UTC."""
    clock: Clock | None = connection.get_execution_options().get(_CLOCK)
    if clock is None and connection.dialect.name == "postgresql":
        moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return from_ms(to_ms(moment.astimezone(UTC)))
    return from_ms(round((clock or time.time)() * 1000))


def _connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except OperationalError as error:
        raise Transient(
            f"The database {engine.url.render_as_string()} cannot be opened: {_first_line(error)}.",
            action="Check DATABASE_URL and that the database runs.",
        ) from error
    except DatabaseError as error:
        raise BadInput(
            f"The file {engine.url.database} is not a SQLite database.", action="Set DATABASE_URL to another path."
        ) from error


def _broken(step: str) -> OperationalError:
    """What a driver raises when the connection breaks during COMMIT: nobody knows whether it was carried out."""
    return OperationalError("COMMIT", None, ConnectionError(f"the connection broke at {step}"))


def _first_line(error: OperationalError) -> str:
    return str(error.orig).strip().splitlines()[0].rstrip(".")


def _tune_sqlite(engine: Engine) -> None:
    path = sqlite_path(engine.url)

    @event.listens_for(engine, "do_connect")
    def make_file(*_: Any) -> None:
        if path is None or path.exists():
            return
        try:
            make_private_directory(path.parent)
            # SQLite gives its -wal and -shm files the mode of the database file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise BadInput(
                f"The database file {path} cannot be made: {error.strerror}.",
                action="Set DATABASE_URL to a path that this user may write.",
            ) from error

    @event.listens_for(engine, "connect")
    def tune(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own transaction handling begins too late and never for reads; ours is the event below.
        connection.isolation_level = None
        if connection.execute("PRAGMA journal_mode").fetchone()[0] not in {"wal", "memory"}:
            _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Plain BEGIN upgrades its lock at the first write, and fails at once when another writer came in between:
        # the busy timeout does not apply there.
        readonly = connection.get_execution_options().get(_READONLY, False)
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Several processes may open a new file at once; SQLite does not honour its busy timeout for this change."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise


def _tune_postgresql(engine: Engine, answer_s: float | None) -> None:
    from worker.database.silence import BoundedConnection  # noqa: PLC0415  # the driver is optional

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        connection = BoundedConnection.connect(*arguments, **options)
        connection.answer_s = math.inf if answer_s is None else answer_s
        return connection

    @event.listens_for(engine, "connect")
    def tune(connection: Any, _record: Any) -> None:
        # A process that is stopped in the middle of a transaction keeps its row locks, a lease among them.
        connection.autocommit = True
        connection.execute("SET idle_in_transaction_session_timeout = '30s'")
        connection.autocommit = False
