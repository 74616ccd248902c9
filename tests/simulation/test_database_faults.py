"""The database refuses to store: nothing leaves that is not written down first, and nobody has to put it right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.simulation.world import World
from worker.database.engine import reading
from worker.database.tables import batch

_UNLIMITED = 4_294_967_294


@contextmanager
def full_disk(world: World, *, spare_pages: int) -> Iterator[None]:
    """The file may grow by a few pages yet, and SQLite says "database or disk is full"."""
    with reading(world.engine) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limit(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + spare_pages}")

    event.listen(world.engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(world.engine, "checkout", limit)
        event.listen(world.engine, "checkout", lambda connection, *_: connection.execute(
            f"PRAGMA max_page_count = {_UNLIMITED}"))  # fmt: skip


@pytest.mark.invariant("I2")
@pytest.mark.fault("N8")
@pytest.mark.parametrize("spare_pages", [0, 3, 8, 20, 40])
def test_while_the_disk_is_full_nothing_is_sent_that_is_not_written_down(world, spare_pages):
    for number in range(300):
        world.shelf.put(f"sku-{number:03}", description="A thing for the house. " * 20)
    world.shelf.page_size = 50
    refused: list[str] = []
    with full_disk(world, spare_pages=spare_pages):
        with suppress(OperationalError):
            world.ask("full")
        for _ in range(40):
            try:
                world.sweep()
                world.step()
            except OperationalError as error:
                refused.append(str(error.orig))
            world.now_s += 5
    # Each call that left has the row that was committed before it.
    assert len(world.calls) == sum(row.sent_at is not None for row in world.rows(batch))
    assert set(refused) == {"database or disk is full"}

    world.run_to_rest("full")
    world.settle_down()
    assert world.differences() == []
    assert world.open_work() == []
