"""A deploy adds columns and tables while workers of the version before go on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulation.world import World
from worker.database.tables import metadata
from worker.sync.context import Limits


def migrate(path: Path) -> None:
    """What the next version may do under a running one: it adds, and what it adds needs nobody's value."""
    with closing(sqlite3.connect(path)) as connection:
        for table in metadata.tables:
            connection.execute(f'ALTER TABLE "{table}" ADD COLUMN added_null TEXT')
            connection.execute(f'ALTER TABLE "{table}" ADD COLUMN added_default INTEGER NOT NULL DEFAULT 7')
        connection.execute("CREATE TABLE added (id INTEGER PRIMARY KEY)")
        connection.commit()


@pytest.mark.fault("N20")
@pytest.mark.parametrize("moment", ["before page", "before items_batch", "after items_batch", "after status"])
def test_a_worker_survives_columns_that_are_added_under_it(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "world.db"
    world = World(path, seed=1, limits=Limits(batch_items=50), latency_s=1.0)
    world.started("a", "b", "c")
    world.shelf.put("a", title="Changed")
    world.shelf.put("b", price="11.00 USD")
    world.shelf.remove("c")
    world.shelf.put("d")
    migrated: list[str] = []

    def on_step(name: str) -> None:
        if name.replace("check_batch_request_status", "status") == moment and not migrated:
            migrated.append(name)
            migrate(path)

    world.on_step = on_step
    world.shelf.on_page = lambda name: on_step(f"{name} page")
    done = world.run_to_rest("full")
    assert (len(migrated), done["state"], done["accepted"], world.differences()) == (1, "succeeded", 4, [])
    for job in ("full", "delta", "volatile"):
        assert world.run_to_rest(job)["state"] == "succeeded"
    assert world.differences() == []
    world.close()
