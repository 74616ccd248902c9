"""Runs the migrations on the connection that ``worker.database.schema`` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from worker.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can roll back DDL; Alembic assumes that its driver does not.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
