"""The state machine with one safeguard taken out. A simulation that does not notice proves nothing.

Each function takes its safeguard out until the monkeypatch is undone, and returns the limits to simulate with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.simulation.chaos import CHAOTIC
from worker.database import batches, ledger
from worker.database.engine import database_now
from worker.database.locks import draw_stamp, lock_shop
from worker.database.tables import schedule
from worker.errors import Fenced, OutcomeUnknown
from worker.graph import BatchAnswer, BatchStatus
from worker.sync import absence, answers, conclude, dispatch, interruption, lane, pull, reading, settle
from worker.sync.context import Limits
from worker.sync.manifest import unpack
from worker.sync.requests import Asked, queue_run


def no_fence(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A worker that has lost its lease goes on as if it still had it."""

    def hold(connection: Any, held: Any) -> Any:
        row = lock_shop(connection, held.shop_id)
        if row is None:
            raise Fenced("The shop is gone.")
        return row

    for module in (absence, interruption, lane, pull, reading):
        monkeypatch.setattr(module, "hold", hold)
    return CHAOTIC


def no_intent(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Nothing is written down before the call: whoever comes after a dead sender takes its call for one never made."""

    def clear_up(connection: Any, shop_row: Any, lease: Any) -> None:
        now = database_now(connection)
        for row in batches.open_batches(connection, shop_row.id):
            if row.epoch != lease.epoch and row.state in ("ready", "sending"):
                lane._give_back(connection, shop_row, row.id, now, "Nobody knows of a call.")

    monkeypatch.setattr(lane, "_clear_up", clear_up)
    return CHAOTIC


def believed_at_once(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """The snapshot moves when the call returns, not when its handle finishes."""
    record = answers.record

    def believe(context: Any, connection: Any, shop_row: Any, batch_id: int, answer: Any) -> None:
        record(context, connection, shop_row, batch_id, answer)
        if isinstance(answer, BatchAnswer) and answer.handle is not None:
            _take_for_done(connection, shop_row, batch_id, "sent")

    monkeypatch.setattr(answers, "record", believe)
    return CHAOTIC


def unknown_is_success(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A call without an answer counts as carried out."""
    record = answers.record

    def believe(context: Any, connection: Any, shop_row: Any, batch_id: int, answer: Any) -> None:
        record(context, connection, shop_row, batch_id, answer)
        if isinstance(answer, OutcomeUnknown):
            _take_for_done(connection, shop_row, batch_id, "unknown")

    monkeypatch.setattr(answers, "record", believe)
    return CHAOTIC


def unknown_is_failure(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A call without an answer counts as refused: its items go again at once, and nothing of them is in doubt."""
    record = answers.record

    def disbelieve(context: Any, connection: Any, shop_row: Any, batch_id: int, answer: Any) -> None:
        record(context, connection, shop_row, batch_id, answer)
        row = batches.get(connection, batch_id)
        now = database_now(connection)
        if isinstance(answer, OutcomeUnknown) and batches.change(
            connection, batch_id, ("unknown",), state="refused", settled_at=now
        ):
            conclude.reopen(connection, shop_row, unpack(row.manifest), now)  # type: ignore[union-attr]  # it was changed

    monkeypatch.setattr(answers, "record", disbelieve)
    return CHAOTIC


def no_doubt(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """What a call without an outcome may have changed is forgotten: desired = acknowledged counts as done."""
    monkeypatch.setattr(conclude, "_doubt", lambda _: 0)
    return CHAOTIC


def not_closed(_: pytest.MonkeyPatch) -> Limits:
    """Items of a call without an outcome go again while the first copy may still land."""
    return replace(CHAOTIC, drain_s=0.0)


def no_item_errors(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A handle that has finished counts for all of its items."""
    finished = settle._finished

    def all_well(context: Any, connection: Any, shop_row: Any, row: Any, status: BatchStatus, now: Any) -> None:
        finished(context, connection, shop_row, row, replace(status, errors=(), errors_total=0, invalid_ids=()), now)

    monkeypatch.setattr(settle, "_finished", all_well)
    return CHAOTIC


def no_stamps(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Whoever writes last is right, however long ago it asked the store."""

    def newest(merge: Callable[..., Any]) -> Callable[..., Any]:
        def merged(connection: Any, shop_row: Any, run_id: str, _: int, *rest: Any) -> Any:
            return merge(connection, shop_row, run_id, draw_stamp(connection, shop_row), *rest)

        return merged

    for name in ("merge_records", "merge_volatile"):
        monkeypatch.setattr(reading, name, newest(getattr(reading, name)))
    return CHAOTIC


def always_complete(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """What a pull that failed half-way has not seen is gone."""
    fail = interruption.fail

    def conclude_all_the_same(failed: Any, error: str) -> Iterator[Any]:
        if failed.run.job == "full":
            yield from absence.archive_absent(failed)
        yield from fail(failed, error)

    monkeypatch.setattr(interruption, "fail", conclude_all_the_same)
    return CHAOTIC


def no_breaker(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """However much a pull misses, it is right."""
    monkeypatch.setattr(absence, "why_held", lambda *_: None)
    return CHAOTIC


def not_alone(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """An item that is under way may be picked again."""
    monkeypatch.setattr(ledger, "take", lambda *_: None)
    return CHAOTIC


def no_halving(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Items that share a failure are not suspected of it."""
    reopen = conclude.reopen

    def unsuspecting(*arguments: Any, strikes: int = 0, **named: Any) -> None:
        reopen(*arguments, **named)

    monkeypatch.setattr(conclude, "reopen", unsuspecting)
    return CHAOTIC


def no_claim(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A beat makes the run of a slot that it saw to be due, whoever made it meanwhile."""

    def claim(context: Any, moves: Any) -> list[Any]:
        wakes = []
        for move in moves:
            slot = move.slot
            with dispatch.writing(context.engine) as connection:
                shop_row = lock_shop(connection, slot.shop_id)
                connection.execute(
                    schedule.update()
                    .where(schedule.c.shop_id == slot.shop_id, schedule.c.job == slot.job)
                    .values(next_run_at=move.next_run_at)
                )
                if move.fire_time is not None:
                    wakes += queue_run(connection, Asked(shop_row, slot.job, move.fire_time, "schedule")).wakes
        return wakes

    monkeypatch.setattr(dispatch, "_claim_all", claim)
    return CHAOTIC


def still_sending(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """A refused token stops nothing."""
    stop_for = answers.stop_for

    def go_on(connection: Any, shop_row: Any, error: Any, now: Any) -> None:
        if not isinstance(error, answers.TokenRefused):
            stop_for(connection, shop_row, error, now)

    for module in (answers, settle):
        monkeypatch.setattr(module, "stop_for", go_on)
    return CHAOTIC


def _take_for_done(connection: Any, shop_row: Any, batch_id: int, state: str) -> None:
    row = batches.get(connection, batch_id)
    now = database_now(connection)
    if row is not None and batches.change(connection, batch_id, (state,), state="settled", settled_at=now):
        conclude.accept(connection, shop_row, unpack(row.manifest), now)


ABLATIONS: Final[Mapping[str, Callable[[pytest.MonkeyPatch], Limits]]] = {
    "acknowledgement": believed_at_once,
    "breaker": no_breaker,
    "claim": no_claim,
    "completeness": always_complete,
    "doubt": no_doubt,
    "drain": not_closed,
    "errors": no_item_errors,
    "failure": unknown_is_failure,
    "fence": no_fence,
    "halving": no_halving,
    "in-flight": not_alone,
    "intent": no_intent,
    "stamps": no_stamps,
    "stop": still_sending,
    "success": unknown_is_success,
}
"""By the name of the safeguard that is missing."""

FOCUS: Final[Mapping[str, Mapping[str, float]]] = {
    "breaker": {"empty pull": 4.0, "shrunken pull": 4.0},
    "completeness": {"cut pull": 4.0, "store silent": 1.0},
    "doubt": {"unanswered": 6.0},
    "drain": {"ended badly": 4.0, "unanswered": 4.0, "slow": 2.0},
    "errors": {"rejected": 6.0},
    "failure": {"unanswered": 6.0, "slow": 2.0},
    "halving": {"poisoned": 1.0},
    "success": {"unanswered": 6.0, "refused": 1.0},
}
"""The trouble in which a missing safeguard shows soonest, and no other."""

CROSSED: Final = ("claim", "fence", "intent", "stamps", "stop")
"""What chance alone would need thousands of seeds to miss: see ``test_crossings``."""
