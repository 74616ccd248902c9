"""The snapshot database: tables, queries, migrations. Plain functions that take a connection."""
