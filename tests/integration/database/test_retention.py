"""What is forgotten, when, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from tests.integration.database.rows import a_batch, a_run, a_shop, a_want, row
from tests.unit.project.checkout import ROOT
from worker.database.engine import make_engine, writing
from worker.database.ids import new_ulid
from worker.database.retention import RULES, forget
from worker.database.tables import audit_log, batch, budget, heartbeat, issue, orphan, payload, pending, run, shop
from worker.database.types import to_ms
from worker.sync.context import Context
from worker.sync.retain import retain

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOON - timedelta(days=days)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = make_engine(database_url, clock=NOON.timestamp)
    with writing(engine) as connection:
        connection.execute(insert(shop).values(a_shop(id=1, slug="acme")))
        yield connection
    engine.dispose()


def left(connection: Connection, table: Any, column: str = "id") -> list[Any]:
    for rule in RULES:
        assert forget(connection, rule, NOON, 100) < 100
    return sorted(connection.execute(select(table.c[column])).scalars())


def add_run(connection: Connection, days: float, **values: Any) -> str:
    run_id = new_ulid(to_ms(ago(days)))
    connection.execute(insert(run).values(a_run(id=run_id, shop_id=1, fire_time=ago(days), state="succeeded") | values))
    return run_id


def test_quiet_runs_go_after_a_week_others_after_ninety_days_and_the_last_success_never(connection: Connection) -> None:
    add_run(connection, 300, updated=1)
    last_full = add_run(connection, 200, updated=1)
    add_run(connection, 8, job="volatile")
    kept = [
        last_full,
        add_run(connection, 6, job="volatile"),
        add_run(connection, 8.5, job="volatile", updated=1),
        add_run(connection, 89, job="delta", state="failed"),
        add_run(connection, 300, job="delta", state="held"),
        add_run(connection, 0, job="volatile"),
    ]
    add_run(connection, 91, job="delta", state="failed")
    assert left(connection, run) == sorted(kept)


def test_manifests_outlive_bodies_and_open_batches_stay(connection: Connection) -> None:
    def add(number: int, days: float, state: str) -> None:
        values = a_batch(id=number, shop_id=1, created_at=ago(days), state=state, body=b"body", manifest=b"manifest")
        connection.execute(insert(batch).values(values))

    for number, (days, state) in enumerate([(91, "settled"), (91, "refused"), (91, "resolved")]):
        add(number, days, state)
    for number, (days, state) in enumerate([(91, "unknown"), (89, "settled"), (2, "settled")], start=10):
        add(number, days, state)
    assert left(connection, batch) == [10, 11, 12]
    kept = connection.execute(select(batch.c.id, batch.c.manifest, batch.c.body).order_by(batch.c.id)).all()
    assert kept == [(10, b"manifest", None), (11, b"manifest", None), (12, b"manifest", b"body")]


def test_resolved_issues_go_after_thirty_days_and_open_ones_never(connection: Connection) -> None:
    for name, resolved_at in (("a", ago(31)), ("b", ago(29)), ("c", None)):
        values = row(issue, shop_id=1, retailer_id=name, last_seen=ago(500), resolved_at=resolved_at)
        connection.execute(insert(issue).values(values))
    assert left(connection, issue, "retailer_id") == ["b", "c"]


def test_budgets_of_nobody_go_and_one_that_stops_somebody_stays(connection: Connection) -> None:
    times = {
        "catalog:1:write": {"used_at": ago(31), "blocked_until": ago(31)},
        "catalog:2:write": {"used_at": ago(31), "last_ok_at": ago(1)},
        "token:3": {"blocked_until": ago(-1)},
        "sending": {"failing_since": ago(40)},
        "app": {"failing_since": ago(41), "recovered_at": ago(40)},
    }
    for key, values in times.items():
        connection.execute(insert(budget).values(row(budget, key=key) | values))
    assert left(connection, budget, "key") == ["catalog:2:write", "sending", "token:3"]


def test_the_audit_log_orphans_and_signs_of_life_go_in_their_time(connection: Connection) -> None:
    for number, days in ((1, 731), (2, 729)):
        connection.execute(insert(audit_log).values(row(audit_log, id=number, at=ago(days))))
    for name, days in (("a", 36), ("b", 34)):
        connection.execute(insert(orphan).values(row(orphan, shop_id=1, retailer_id=name, last_seen_at=ago(days))))
    for name, days in (("worker:a", 8), ("worker:b", 6)):
        connection.execute(insert(heartbeat).values(row(heartbeat, name=name, at=ago(days))))
    assert left(connection, audit_log) == [2]
    assert left(connection, orphan, "retailer_id") == ["b"]
    assert left(connection, heartbeat, "name") == ["worker:b"]


def test_each_bite_is_bounded_and_the_oldest_goes_first(connection: Connection) -> None:
    rule = next(rule for rule in RULES if rule.what == "the audit log")
    for number in range(1, 6):
        connection.execute(insert(audit_log).values(row(audit_log, id=number, at=ago(800))))
    assert forget(connection, rule, NOON, 2) == 2
    assert sorted(connection.execute(select(audit_log.c.id)).scalars()) == [3, 4, 5]


def test_a_slice_forgets_all_there_is_and_chunks_that_nothing_points_into(database_url: str) -> None:
    engine = make_engine(database_url, clock=NOON.timestamp)
    with writing(engine) as connection:
        connection.execute(insert(shop).values(a_shop(id=1, slug="acme")))
        old = [row(audit_log, id=number, at=ago(800)) for number in range(1, 1203)]
        connection.execute(insert(audit_log), old)
        connection.execute(insert(payload), [{"id": number, "shop_id": 1, "data": b"x"} for number in (1, 2)])
        connection.execute(insert(pending).values(a_want(shop_id=1, payload_id=2)))
    unused: Any = None
    context = Context(
        engine=engine, open_store=unused, sender=unused, seed=unused, monotonic=lambda: 0.0, owner="process-1"
    )
    assert list(retain(context)) == []
    with writing(engine) as connection:
        assert connection.execute(select(audit_log.c.id)).all() == []
        assert connection.execute(select(payload.c.id)).scalars().all() == [2]
    engine.dispose()


def test_the_page_has_the_rules() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert [rule.what for rule in RULES if f"| {rule.what} | {rule.days} days | {rule.why} |" not in page] == []
