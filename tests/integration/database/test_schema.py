from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from tests.e2e.processes import PATIENCE_S
from worker.database import ledger, schema
from worker.database.engine import make_engine, reading, writing
from worker.database.tables import metadata
from worker.errors import BadInput


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_database_url)
    yield engine
    engine.dispose()


def test_a_migrated_database_equals_the_metadata(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
        assert compare_metadata(context, metadata) == []


def test_a_migrated_database_equals_one_made_from_the_metadata_in_every_storage_detail(empty: Engine) -> None:
    with writing(empty) as connection:
        metadata.create_all(connection)
        wanted = storage_details(connection)
        metadata.drop_all(connection)
    schema.upgrade(empty)
    with reading(empty) as connection:
        assert storage_details(connection) == wanted


def storage_details(connection: Connection) -> list[tuple[object, ...]]:
    """What Alembic does not compare: collations, partial indexes, fill factors, WITHOUT ROWID."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%'"
        rows = [(name, normalised(sql)) for name, sql in connection.execute(text(query))]
        return sorted(rows)
    queries = (
        """SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default
           FROM information_schema.columns WHERE table_schema = 'public'""",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT relname, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    )
    rows = [tuple(row) for query in queries for row in connection.execute(text(query))]
    return sorted((row for row in rows if "alembic" not in str(row[0])), key=repr)


def normalised(sql: str | None) -> list[str]:
    """The parts of a CREATE statement in any order: constraints may come before or after one another."""
    # SQLite writes a column that was added later into the line of the last one.
    lines = re.sub(r", (?=[a-z_]+ [A-Z])", ",\n", sql or "").splitlines()
    return sorted(line.strip().rstrip(",") for line in lines)


def test_the_head_in_the_code_is_the_last_migration() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert scripts.get_heads() == [schema.HEAD]


@pytest.mark.fault("N20")
def test_an_upgrade_keeps_the_rows_of_the_version_before(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "HEAD", "0001")
        schema.upgrade(empty)
    with writing(empty) as connection:
        connection.execute(
            text(
                "INSERT INTO pending (shop_id, retailer_id, seq, src_fp, content_fp, volatile_fp, content_stamp, "
                "volatile_stamp, status, status_stamp, band, lane, due_at, attempts, strikes, share_limit, uncertain, "
                "content_quarantine, volatile_quarantine) "
                "VALUES (1, 'sku-1', 7, 10, 100, 200, 5, 6, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0)"
            )
        )
    assert schema.upgrade(empty) is True
    with reading(empty) as connection:
        (want,) = ledger.wanted(connection, 1, ["sku-1"]).values()
    assert (want.seq, want.volatile_stamp, want.lane, want.delete_at) == (7, 6, 1, None)


def test_an_upgrade_of_an_upgraded_database_does_nothing(engine: Engine) -> None:
    assert schema.upgrade(engine) is False


def test_check_accepts_the_schema_of_this_version(engine: Engine) -> None:
    schema.check(engine)


def test_check_of_an_empty_database_names_the_remedy_and_changes_nothing(empty: Engine) -> None:
    with pytest.raises(BadInput, match=r"no tables yet\. Run: celery -A worker db upgrade"):
        schema.check(empty)
    with reading(empty) as connection:
        assert inspect(connection).get_table_names() == []


@pytest.mark.fault("N20")
def test_check_of_an_old_schema_names_the_remedy(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(BadInput, match=r"old schema 0000, this version needs .*celery -A worker db upgrade"):
        schema.check(engine)


@pytest.mark.fault("N20")
def test_neither_check_nor_upgrade_touches_the_schema_of_a_newer_version(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match="newer version"):
        schema.check(engine)
    with pytest.raises(BadInput, match="newer version"):
        schema.upgrade(engine)


@pytest.mark.fault("N20")
def test_a_migration_that_fails_leaves_nothing_behind(empty: Engine) -> None:
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE schedule (oops integer)"))
    with pytest.raises(Exception, match="schedule"):
        schema.upgrade(empty)
    with reading(empty) as connection:
        assert inspect(connection).get_table_names() == ["schedule"]


def test_only_embedded_databases_upgrade_by_themselves(empty: Engine) -> None:
    if empty.dialect.name == "sqlite":
        schema.ensure(empty)
        schema.check(empty)
    else:
        with pytest.raises(BadInput, match="db upgrade"):
            schema.ensure(empty)


@pytest.mark.fault("N20")
def test_workers_that_start_at_once_upgrade_exactly_once(empty_database_url: str) -> None:
    code = f"""
from worker.database import ledger, schema
from worker.database.engine import make_engine
print(schema.upgrade(make_engine({empty_database_url!r})))
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [process.communicate(timeout=PATIENCE_S)[0].strip() for process in processes]
    assert sorted(outputs) == ["False", "False", "False", "True"]
