"""Real databases for tests that need one: SQLite always, PostgreSQL when a server answers. Unit tests need none."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from worker.database import schema
from worker.database.engine import make_engine


class PostgresServer:
    """A server on which this session makes and drops databases of its own."""

    def __init__(self) -> None:
        host, port = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGPORT", "5432")
        self._base = f"postgresql://{os.environ.get('PGUSER', 'postgres')}@{host}:{port}/"
        self._admin = create_engine(
            self._base.replace("postgresql:", "postgresql+psycopg:") + "postgres",
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 30},
        )
        self._made: list[str] = []
        self._template: str | None = None

    def answers(self) -> bool:
        try:
            self._admin.connect().close()
        except OperationalError:
            return False
        return True

    def make(self, template: str | None = None) -> str:
        """URL of a new database, empty or a copy of ``template``."""
        name = f"shelfbeat_test_{os.getpid()}_{secrets.token_hex(4)}"
        with self._admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"'))
        self._made.append(name)
        return self._base + name

    def make_migrated(self) -> str:
        """URL of a new database with our schema. The migration runs once; the others are copies."""
        if self._template is None:
            url = self.make()
            _migrate(url)
            self._template = url.removeprefix(self._base)
        return self.make(self._template)

    def drop(self, url: str) -> None:
        name = url.removeprefix(self._base)
        with self._admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        self._made.remove(name)

    def close(self) -> None:
        for name in list(self._made):
            self.drop(self._base + name)
        self._admin.dispose()


def _migrate(url: str) -> None:
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_or_why_not() -> Iterator[PostgresServer | str]:
    server = PostgresServer()
    if server.answers():
        yield server
    else:
        yield "No PostgreSQL answers at PGHOST (default 127.0.0.1:5432, user postgres): its tests are skipped."
    server.close()


@pytest.fixture(scope="session")
def postgres_server(postgres_or_why_not: PostgresServer | str) -> PostgresServer:
    if isinstance(postgres_or_why_not, str):
        pytest.skip(postgres_or_why_not)
    return postgres_or_why_not


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "shelfbeat.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.make()
    yield url
    server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with our schema and no rows."""
    if request.param == "sqlite":
        path = tmp_path / "shelfbeat.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.make_migrated()
    yield url
    server.drop(url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh database with our schema; runs once per kind of database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()
