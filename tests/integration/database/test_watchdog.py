"""What stands still is told in one sentence, and what only waits is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert
from structlog.testing import capture_logs

from tests.integration.database.rows import a_batch, a_run, a_shop, a_want
from worker.database import budgets, heartbeats
from worker.database.engine import make_engine, writing
from worker.database.tables import batch, budget, heartbeat, lease, pending, run, schedule, shop
from worker.sync.watchdog import findings, watch

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)
QUEUES = ("control", "volatile", "delta", "full", "push", "settle")


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A shop, and an installation in which everything lives."""
    engine = make_engine(database_url, clock=NOON.timestamp)
    with writing(engine) as connection:
        connection.execute(insert(shop).values(a_shop(id=1, slug="acme", catalog_id="1001")))
        connection.execute(
            insert(schedule).values(shop_id=1, job="full", cron="* * * * *", zone="UTC", enabled=True, next_run_at=NOON)
        )
        everybody_lives(connection)
        yield connection
    engine.dispose()


def everybody_lives(connection: Connection) -> None:
    queues = [heartbeats.of_queue(queue) for queue in QUEUES]
    heartbeats.show(connection, [heartbeats.DISPATCH, heartbeats.SWEEP, heartbeats.of_worker("w@a"), *queues], NOON)


def found(connection: Connection) -> list[tuple[str, str | None, datetime]]:
    return [(finding.code, finding.shop, finding.since) for finding in findings(connection, NOON)]


def test_an_installation_in_which_everything_lives_is_well(connection: Connection) -> None:
    assert found(connection) == []


def test_an_installation_that_has_just_been_made_is_well(connection: Connection) -> None:
    connection.execute(heartbeat.delete())
    assert found(connection) == []
    connection.execute(shop.delete())
    assert found(connection) == []


@pytest.mark.fault("N15")
def test_a_silent_beat_is_told_alone_after_ninety_seconds_and_not_before(connection: Connection) -> None:
    connection.execute(schedule.update().values(next_run_at=ago(seconds=100)))
    heartbeats.show(connection, [heartbeats.DISPATCH], ago(seconds=89))
    assert found(connection) == []
    heartbeats.show(connection, [heartbeats.DISPATCH], ago(seconds=95))
    heartbeats.show(connection, [heartbeats.SWEEP], ago(hours=1))
    (finding,) = findings(connection, NOON)
    assert (finding.code, finding.since, finding.owner) == ("beat.silent", ago(seconds=95), "operator")
    assert finding.problem == (
        "Nothing has been dispatched since 2027-01-15 11:58:25 UTC: start 'celery -A worker beat', "
        "and a worker that takes the queue control."
    )


def test_schedules_that_are_off_or_paused_need_no_beat(connection: Connection) -> None:
    connection.execute(heartbeat.delete())
    connection.execute(schedule.update().values(next_run_at=ago(hours=9)))
    assert found(connection) == [("beat.silent", None, ago(hours=9))]
    connection.execute(shop.update().values(state="paused"))
    assert found(connection) == []


def test_a_sweep_that_never_ends_is_told(connection: Connection) -> None:
    heartbeats.show(connection, [heartbeats.SWEEP], ago(minutes=4))
    assert found(connection) == [("sweep.silent", None, ago(minutes=4))]


def test_a_dispatcher_that_cannot_keep_up_is_told_with_its_oldest_schedule(connection: Connection) -> None:
    connection.execute(schedule.update().values(next_run_at=ago(minutes=4)))
    (finding,) = findings(connection, NOON)
    assert finding.code == "dispatch.behind"
    assert "the oldest is full of acme since 2027-01-15 11:56:00 UTC" in finding.problem


@pytest.mark.parametrize(("minutes", "told"), [(5, False), (11, True), (59, True), (61, False)])
def test_a_worker_that_fell_silent_is_told_for_an_hour(connection: Connection, minutes: int, *, told: bool) -> None:
    heartbeats.show(connection, [heartbeats.of_worker("w@b")], ago(minutes=minutes))
    assert found(connection) == ([("worker.silent.w@b", None, ago(minutes=minutes))] if told else [])
    heartbeats.sign_off(connection, heartbeats.of_worker("w@b"))
    assert found(connection) == []


def pending_since(connection: Connection, at: datetime) -> None:
    connection.execute(insert(pending).values(a_want(shop_id=1, due_at=round(at.timestamp() * 1000))))


def test_work_of_a_queue_that_nobody_serves_is_told_once_for_all_shops(connection: Connection) -> None:
    pending_since(connection, ago(minutes=5))
    connection.execute(insert(shop).values(a_shop(id=2, slug="beta", catalog_id="1002")))
    connection.execute(insert(pending).values(a_want(shop_id=2, due_at=0)))
    heartbeats.show(connection, [heartbeats.of_queue("push")], ago(minutes=4))
    (finding,) = findings(connection, NOON)
    assert (finding.code, finding.since) == ("queue.push.unserved", ago(minutes=4))
    assert finding.problem == (
        "No worker has finished a task of the queue push since 2027-01-15 11:56:00 UTC, and acme waits for one: "
        "start or restart a worker that takes it."
    )


def test_pending_items_that_nobody_sends_are_told_for_their_shop(connection: Connection) -> None:
    pending_since(connection, ago(minutes=2))
    assert found(connection) == []
    connection.execute(pending.update().values(due_at=round(ago(minutes=4).timestamp() * 1000)))
    assert found(connection) == [("push.stands_still", "acme", ago(minutes=4))]


def block(key: str, **values: Any) -> Any:
    return insert(budget).values({"key": key, "used_pct": 0, "blocks": 0} | values)


WAITS = {
    "paused": lambda: shop.update().values(state="paused"),
    "held": lambda: pending.update().values(gate_run="01J"),
    "throttled catalog": lambda: block(budgets.writes("1001"), blocked_until=NOON + timedelta(minutes=1)),
    "throttled token": lambda: block(budgets.token(1), blocked_until=NOON + timedelta(minutes=1)),
    "throttled app": lambda: block(budgets.APP, blocked_until=NOON + timedelta(minutes=1)),
    "an outage of Meta's": lambda: block(budgets.APP, failing_since=ago(hours=3)),
    "the ramp after it": lambda: block(budgets.APP, failing_since=ago(hours=3), recovered_at=ago(minutes=5)),
    "stopped by hand": lambda: block(budgets.SENDING, failing_since=ago(days=3)),
    "the rest of the quota is for prices": lambda: block(budgets.writes("1001"), used_pct=80, used_at=NOON),
    "a sender at work": lambda: insert(lease).values(
        shop_id=1, lane="push", epoch=1, owner="w", expires_at=NOON + timedelta(seconds=9)
    ),
    "another batch under way": lambda: insert(batch).values(a_batch(shop_id=1, state="sent", poll_at=NOON)),
}


@pytest.mark.parametrize("why", WAITS)
def test_items_that_wait_for_a_reason_do_not_stand_still(connection: Connection, why: str) -> None:
    pending_since(connection, ago(hours=1))
    connection.execute(WAITS[why]())
    assert found(connection) == []


def test_a_throttle_of_another_shop_or_one_that_is_over_excuses_nobody(connection: Connection) -> None:
    pending_since(connection, ago(minutes=4))
    connection.execute(block(budgets.writes("1002"), blocked_until=NOON + timedelta(minutes=1)))
    connection.execute(block(budgets.token(1), blocked_until=ago(minutes=1)))
    connection.execute(block(budgets.APP, failing_since=ago(hours=9), recovered_at=ago(hours=8)))
    assert found(connection) == [("push.stands_still", "acme", ago(minutes=4))]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"state": "sent", "sent_at": ago(minutes=5), "poll_at": ago(minutes=4)}, "settle.stands_still"),
        ({"state": "sent", "sent_at": ago(minutes=5), "poll_at": ago(minutes=1)}, None),
        ({"state": "sent", "sent_at": ago(minutes=31), "poll_at": NOON}, "handle.unfinished"),
        ({"state": "sending", "created_at": ago(minutes=4)}, "settle.stands_still"),
        ({"state": "sending", "created_at": ago(minutes=1)}, None),
        ({"state": "unknown", "poll_at": NOON + timedelta(minutes=9)}, None),
        ({"state": "settled", "poll_at": ago(days=4)}, None),
    ],
)
def test_batches_that_nobody_settles(connection: Connection, values: dict[str, Any], expected: str | None) -> None:
    connection.execute(insert(batch).values(a_batch(shop_id=1, created_at=ago(minutes=1)) | values))
    assert [finding.code for finding in findings(connection, NOON)] == ([expected] if expected else [])


PULLING = {"state": "pulling", "deadline": ago(minutes=4) + timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"state": "queued", "created_at": ago(minutes=4)}, [("run.not_taken", "acme", ago(minutes=4))]),
        ({"state": "queued", "created_at": ago(minutes=2)}, []),
        (PULLING, [("run.abandoned", "acme", ago(minutes=4))]),
        ({"state": "held", "created_at": ago(days=2)}, []),
        ({"state": "succeeded", "created_at": ago(days=2)}, []),
    ],
)
def test_runs_that_nobody_carries_on(connection: Connection, values: dict[str, Any], expected: list[Any]) -> None:
    connection.execute(insert(run).values(a_run(id="A", shop_id=1) | values))
    assert found(connection) == expected


def test_a_run_that_waits_for_another_or_is_carried_or_whose_store_is_throttled_moves(connection: Connection) -> None:
    connection.execute(insert(run).values(a_run(id="A", shop_id=1) | PULLING))
    connection.execute(
        insert(run).values(a_run(id="B", shop_id=1, fire_time=ago(days=1), state="queued", created_at=ago(minutes=9)))
    )
    held = insert(lease).values(shop_id=1, lane="full", epoch=1, owner="w", expires_at=NOON + timedelta(seconds=9))
    connection.execute(held)
    assert found(connection) == []
    connection.execute(lease.delete())
    assert [code for code, _, _ in found(connection)] == ["run.abandoned"]
    connection.execute(block(budgets.store("https://acme.example/f.csv"), blocked_until=NOON + timedelta(minutes=1)))
    assert found(connection) == []


def test_each_finding_is_logged_once_when_it_begins_and_once_when_it_ends(connection: Connection) -> None:
    heartbeats.show(connection, [heartbeats.SWEEP], ago(minutes=4))
    with capture_logs() as logs:
        for _ in range(3):
            watch(connection, NOON)
        heartbeats.show(connection, [heartbeats.SWEEP], NOON)
        for _ in range(3):
            watch(connection, NOON)
    assert [(line["event"], line["code"], line["log_level"]) for line in logs] == [
        ("watchdog.began", "sweep.silent", "error"),
        ("watchdog.ended", "sweep.silent", "info"),
    ]
