"""The state machine with one safeguard taken out. A simulation that does not notice proves nothing.

Each function takes its safeguard out until the monkeypatch is undone, and returns the limits to simulate with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.simulation.world import LIMITS
from worker.database import batches
from worker.database.engine import database_now
from worker.database.locks import lock_shop
from worker.errors import Fenced
from worker.graph import BatchAnswer
from worker.sync import absence, answers, conclude, lane, pull, reading
from worker.sync.context import Limits
from worker.sync.manifest import unpack


def no_fence(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A worker that has lost its lease goes on as if it still had it."""

    def hold(connection: Any, held: Any) -> Any:
        row = lock_shop(connection, held.shop_id)
        if row is None:
            raise Fenced("The shop is gone.")
        return row

    for module in (absence, lane, pull, reading):
        monkeypatch.setattr(module, "hold", hold)
    return LIMITS


def believed_at_once(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """The snapshot moves when the call returns, not when its handle finishes."""
    record = answers.record

    def believe(context: Any, connection: Any, shop_row: Any, batch_id: int, answer: Any) -> None:
        record(context, connection, shop_row, batch_id, answer)
        row = batches.get(connection, batch_id)
        if row is not None and isinstance(answer, BatchAnswer) and answer.handle is not None:
            now = database_now(connection)
            if batches.change(connection, batch_id, ("sent",), state="settled", settled_at=now):
                conclude.accept(connection, shop_row, unpack(row.manifest), now)

    monkeypatch.setattr(answers, "record", believe)
    return LIMITS


def no_doubt(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """What a call without an outcome may have changed is forgotten: desired = acknowledged counts as done."""
    monkeypatch.setattr(conclude, "_doubt", lambda _: 0)
    return LIMITS


def not_closed(_: pytest.MonkeyPatch) -> Limits:
    """Items of a call without an outcome go again while the first copy may still land."""
    return replace(LIMITS, drain_s=0.0)


ABLATIONS: Final[Mapping[str, Callable[[pytest.MonkeyPatch], Limits]]] = {
    "fence": no_fence,
    "acknowledgement": believed_at_once,
    "doubt": no_doubt,
    "drain": not_closed,
}
"""By the name of the safeguard that is missing."""
