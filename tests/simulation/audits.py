"""An audit, and what it leaves."""

from __future__ import annotations

from typing import Any

from tests.simulation.world import CATALOG, World
from worker.database.tables import run


def overwrite(world: World, retailer_id: str, **fields: Any) -> None:
    world.meta.overwrite_item(CATALOG, retailer_id, fields)


def audited(world: World) -> dict[str, Any]:
    """An audit to its end, with all that follows from it."""
    return world.run_to_rest("audit")


def counts(done: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(done[name] for name in ("state", "pulled", "unchanged", "created", "updated", "removed", "accepted"))


def jobs(world: World) -> list[tuple[str, str]]:
    return [(row.job, row.trigger) for row in world.rows(run)]


def open_issues(world: World) -> list[tuple[str, str]]:
    return [(retailer_id, code) for retailer_id, source, code in world.issues() if source == "diagnostics"]
