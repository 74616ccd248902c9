"""``celery -A worker db``: the snapshot database itself."""

from __future__ import annotations

import click

from worker.cli.refusal import one_sentence


@click.group()
def db() -> None:
    """Look after the snapshot database."""


@db.command()
@one_sentence
def upgrade() -> None:
    """Make the tables, or bring them to the schema of this version.

    Run it once before the daemons of a new version start. An embedded SQLite database needs no such step: workers
    upgrade it by themselves. Running it twice, or on several machines at once, does no harm.
    """
    from worker.database import schema
    from worker.database.engine import make_engine
    from worker.settings import read_settings

    # A migration may take as long as it takes.
    engine = make_engine(read_settings().database_url, answer_s=None)
    try:
        changed = schema.upgrade(engine)
    finally:
        engine.dispose()
    click.echo(f"The database has the schema {schema.HEAD}{' now' if changed else ' already'}.")
