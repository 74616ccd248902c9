from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.nemesis.proxy import Proxy
from worker.database.engine import database_now, make_engine, reading, writing
from worker.errors import BadInput, Transient


def test_what_is_written_is_there_after_the_block(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO budget (key, used_pct, blocks) VALUES ('app', 1, 0)"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT used_pct FROM budget")).scalar_one() == 1


@pytest.mark.fault("N7")
def test_a_block_that_raises_writes_nothing(engine: Engine) -> None:
    def insert_twice() -> None:
        with writing(engine) as connection:
            for _ in range(2):
                connection.execute(text("INSERT INTO budget (key, used_pct, blocks) VALUES ('app', 1, 0)"))

    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        insert_twice()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM budget")).scalar_one() == 0


def test_a_connection_that_has_read_can_write_later(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(text("SELECT 1"))
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO budget (key, used_pct, blocks) VALUES ('app', 1, 0)"))


@pytest.mark.fault("N7")
def test_writers_wait_for_each_other_and_lose_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO budget (key, used_pct, blocks) VALUES ('app', 0, 0)"))

    def count() -> None:
        for _ in range(20):
            with writing(engine) as connection:
                lock = "" if engine.dialect.name == "sqlite" else " FOR UPDATE"
                seen = connection.execute(text(f"SELECT blocks FROM budget{lock}")).scalar_one()
                connection.execute(text("UPDATE budget SET blocks = :new"), {"new": seen + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT blocks FROM budget")).scalar_one() == 80


def test_reading_on_sqlite_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/a.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (n integer)"))
    with writing(engine) as writer, reading(engine) as reader:
        writer.execute(text("INSERT INTO t VALUES (1)"))
        assert reader.execute(text("SELECT count(*) FROM t")).scalar_one() == 0


def test_a_missing_shop_is_refused_by_both_databases(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), writing(engine) as connection:
        connection.execute(text("INSERT INTO payload (shop_id, data) VALUES (99, '')"))


def test_the_databases_time_is_aware_utc_in_whole_milliseconds(engine: Engine) -> None:
    before = datetime.now(UTC)
    with reading(engine) as connection:
        now = database_now(connection)
    assert now.tzinfo == UTC
    assert now.microsecond % 1000 == 0
    assert abs((now - before).total_seconds()) < 30


def test_a_given_clock_is_the_databases_time(database_url: str) -> None:
    engine = make_engine(database_url, clock=lambda: 1_700_000_000.25)
    with reading(engine) as connection:
        assert database_now(connection) == datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)
    engine.dispose()


def test_a_sqlite_database_and_its_directories_are_private(tmp_path: Path) -> None:
    path = tmp_path / "with spaces" / "var" / "shelfbeat.db"
    engine = make_engine(f"sqlite:///{path}")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (n integer)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"shelfbeat.db": 0o600, "shelfbeat.db-wal": 0o600, "shelfbeat.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700
    engine.dispose()


def test_making_an_engine_makes_no_file(tmp_path: Path) -> None:
    make_engine(f"sqlite:///{tmp_path}/var/shelfbeat.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    engine = make_engine(f"sqlite:///{tmp_path}/file/shelfbeat.db")
    with pytest.raises(BadInput, match=r"file/shelfbeat\.db cannot be made.*DATABASE_URL"), reading(engine):
        pass


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "shelfbeat.db").write_text("this is a shopping list, not a database")
    engine = make_engine(f"sqlite:///{tmp_path}/shelfbeat.db")
    with pytest.raises(BadInput, match=r"shelfbeat\.db is not a SQLite database"), reading(engine):
        pass


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    engine = make_engine("postgresql://user:hidden-word@127.0.0.1:1/shelfbeat")
    with pytest.raises(Transient, match="cannot be opened") as caught, reading(engine):
        pass
    assert "127.0.0.1:1" in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def ask_after(trouble: Callable[[], object], connection: Connection) -> None:
    trouble()
    connection.execute(text("SELECT 1"))


@pytest.mark.fault("N24")
@pytest.mark.parametrize("lost", [("up",), ("down",)])
def test_a_server_that_has_gone_silent_is_given_up_and_connected_to_anew(postgres_server, lost) -> None:
    url = make_url(postgres_server.make())
    with Proxy((url.host, url.port)) as network:
        engine = make_engine(url.set(port=network.port).render_as_string(hide_password=False), answer_s=1)
        began = time.monotonic()
        with pytest.raises(OperationalError, match="has not answered for 1 s"), writing(engine) as connection:
            ask_after(lambda: network.half_open(*lost), connection)
        assert time.monotonic() - began < 60  # the kernel would wait for a quarter of an hour
        with writing(engine) as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="DATABASE_URL"):
        make_engine(url)
