from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sync.ledger_rows import Ledger


@pytest.fixture
def ledger(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Ledger]:
    """One shop on a SQLite file of its own, and a clock that stands still."""
    path = tmp_path / "shelfbeat.db"
    shutil.copyfile(migrated_sqlite, path)
    made = Ledger(f"sqlite:///{path}")
    yield made
    made.engine.dispose()
