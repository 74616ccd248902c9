"""Which schema a database has, and bringing it to the one that this version needs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from worker.database.engine import reading, writing
from worker.errors import BadInput

HEAD = "0002"
"""Revision that this version needs. Revisions are numbered, so that an older one sorts before a newer one."""

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant: whoever migrates this database takes this lock first.
_LOCK = 5_834_012_665


def current(connection: Connection) -> str | None:
    """Revision of the database; None when it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def check(engine: Engine) -> None:
    """Refuse to work on another schema than ours. Raises ``BadInput`` that names the remedy; changes nothing."""
    with reading(engine) as connection:
        found = current(connection)
    if found is None:
        raise BadInput("The database has no tables yet.", action="Run: celery -A worker db upgrade.")
    if found > HEAD:
        raise _too_new(found)
    if found < HEAD:
        raise BadInput(
            f"The database has the old schema {found}, this version needs {HEAD}.",
            action="Run: celery -A worker db upgrade.",
        )


def ensure(engine: Engine) -> None:
    """Embedded SQLite is made or upgraded on the spot; any other database is only checked."""
    if engine.dialect.name == "sqlite":
        upgrade(engine)
    else:
        check(engine)


def upgrade(engine: Engine) -> bool:
    """Bring the database to ``HEAD``; everything or nothing. Any number of processes may do so at once.

    Returns whether there was anything to do. Raises ``BadInput`` when a newer version made this schema.
    """
    with reading(engine) as connection:
        found = current(connection)
    if found == HEAD:
        return False
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = current(connection)
        if found is not None and found > HEAD:
            raise _too_new(found)
        if found == HEAD:
            return False
        _migrate(connection)
    return True


def _migrate(connection: Connection) -> None:
    # Alembic would cost every command a tenth of a second, and only a migration needs it.
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.config import Config  # noqa: PLC0415  # see above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    command.upgrade(config, HEAD)


def _too_new(found: str) -> BadInput:
    return BadInput(
        f"The database has the schema {found} of a newer version; this one knows {HEAD}.",
        action="Install that newer version.",
    )
