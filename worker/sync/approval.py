"""What a person decides about a run that the breaker holds."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import issues, ledger, run_state, shops
from worker.database.bulk import CHUNK
from worker.database.engine import database_now, writing
from worker.database.locks import lock_shop
from worker.database.tables import shop
from worker.database.types import to_ms
from worker.errors import BadInput
from worker.items.gates import rejected
from worker.items.states import Want
from worker.sync import completion
from worker.sync.context import Context, Wake
from worker.sync.requests import stopped_for
from worker.sync.waking import wake_lane

_OVER: Final = {
    "queued": "has not been read yet",
    "pulling": "is still being read",
    "pushing": "was not held, or is approved already",
    "succeeded": "has succeeded",
    "failed": "has failed",
    "canceled": "was canceled",
    "superseded": "was superseded",
}


def approve(context: Context, run_id: str, actor: str) -> list[Wake]:
    """Let go what a run holds: it is due now, and the same run goes on to its end.

    Raises:
        BadInput: No such run, not held, or its shop is stopped.
    """
    with writing(context.engine, "approval.1-approve") as connection:
        shop_row, run = _held(connection, run_id)
        if shop_row.state != "active":
            raise stopped_for(shop_row)
        now = database_now(connection)
        issues.resolve_leaving(connection, shop_row.id, run.id, now)
        opened = ledger.open_gates(connection, shop_row.id, run.id)
        if run.job == "full" and run.complete:
            # Somebody vouches for it: what it did not find is gone as of its beginning.
            _raise_floors(connection, shop_row, run, "content_floor", "volatile_floor")
        elif run.job == "volatile" and run.complete:
            _raise_floors(connection, shop_row, run, "volatile_floor")
        deadline = now + run_state.PATIENCE["pushing"]
        run_state.change(connection, run.id, state="pushing", error=None, deadline=deadline)
        _log(connection, shop_row, run, actor, "run.approved", {"items": opened})
        wakes = completion.finish_runs(connection, shop_row, now)
        return wakes + wake_lane(context, connection, shop_row)


def reject(context: Context, run_id: str, actor: str) -> list[Wake]:
    """Give up what a run holds: Meta keeps what it has, and the run ends ``canceled``.

    It takes a transaction per thousand items; whoever dies on the way leaves a held run that holds less, to be
    rejected once more. Raises ``BadInput`` for a run that does not exist or is not held.
    """
    while True:
        with writing(context.engine, "approval.2-reject") as connection:
            shop_row, run = _held(connection, run_id)
            now = database_now(connection)
            if _give_up(connection, shop_row.id, run, to_ms(now)) == CHUNK:
                continue
            _log(connection, shop_row, run, actor, "run.rejected", {})
            error = f"Rejected by {actor}: Meta keeps what it had. The next pull that finds the same is held again."
            wakes = completion.end_run(connection, shop_row, run, "canceled", now, error)
            wakes += completion.finish_runs(connection, shop_row, now)
            return wakes + wake_lane(context, connection, shop_row)


def _give_up(connection: Connection, shop_id: int, run: Row[Any], now_ms: int) -> int:
    """One chunk of what a run holds. Returns how many items that were."""
    held = ledger.gated(connection, shop_id, run.id)
    acked = ledger.acknowledged(connection, shop_id, list(held))
    left: dict[str, Want] = {}
    for retailer_id, want in held.items():
        new = rejected(acked.get(retailer_id), want, now_ms, volatile_only=run.job == "volatile")
        if new is not None:
            left[retailer_id] = new
    ledger.put_wants(connection, shop_id, left)
    ledger.drop_wants(connection, shop_id, held.keys() - left.keys())
    return len(held)


def _held(connection: Connection, run_id: str) -> tuple[Row[Any], Row[Any]]:
    """The locked shop and the run, which is held."""
    shop_row = lock_shop(connection, _run(connection, run_id).shop_id)
    run = _run(connection, run_id)
    if shop_row is None:
        raise BadInput(f"There is no run {run_id!r}.", action="See: celery -A worker runs.")
    if run.state != "held":
        why = f" {run.error}" if run.state == "superseded" and run.error else ""
        raise BadInput(
            f"Run {run.id} is not held, so there is nothing to decide: it {_OVER[run.state]}.{why}",
            action=f"See: celery -A worker runs {shop_row.slug}.",
        )
    return shop_row, run


def _run(connection: Connection, run_id: str) -> Row[Any]:
    run = run_state.get(connection, run_id.upper())
    if run is None:
        raise BadInput(f"There is no run {run_id!r}.", action="See: celery -A worker runs.")
    return run


def _raise_floors(connection: Connection, shop_row: Row[Any], run: Row[Any], *names: str) -> None:
    values = {name: max(shop_row._mapping[name], run.base_stamp) for name in names}  # noqa: SLF001  # SQLAlchemy's public row by name
    connection.execute(shop.update().where(shop.c.id == shop_row.id).values(**values))


def _log(
    connection: Connection, shop_row: Row[Any], run: Row[Any], actor: str, event: str, detail: dict[str, Any]
) -> None:
    found = shops.by_id(connection, shop_row.id)
    detail = {"run": run.id, "job": run.job, **detail}
    shops.log_event(connection, found, actor=actor, event=event, detail=detail, now=database_now(connection))
