"""Any number of beats, with any clock: a slot is one run, and a missed one runs once, late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from tests.integration.database.rows import add_shop
from worker.database import run_state
from worker.database.engine import make_engine, reading, writing
from worker.database.locks import lock_shop
from worker.database.tables import run, schedule
from worker.sync.context import Context, Wake
from worker.sync.dispatch import dispatch

pytestmark = [pytest.mark.integration, pytest.mark.invariant("I8"), pytest.mark.fault("N15")]

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SHOPS = 5


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now.timestamp()

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def installation(database_url: str, clock: Clock) -> Iterator[Engine]:
    """A few shops whose prices are read every minute, and nothing else."""
    engine = make_engine(database_url, clock=clock)
    added = [add_shop(engine, f"shop-{number}", str(1000 + number)) for number in range(SHOPS)]
    with writing(engine) as connection:
        for shop_id in added:
            connection.execute(
                schedule.insert().values(
                    shop_id=shop_id, job="volatile", cron="* * * * *", zone="UTC", enabled=True, next_run_at=NOON
                )
            )
    yield engine
    engine.dispose()


def beat(engine: Engine) -> list[Wake]:
    context: Any = Context(engine, None, None, None, lambda: 0.0, "beat")  # type: ignore[arg-type] # needs no more
    return list(dispatch(context))


def runs(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(run).order_by(run.c.id)))


def shop_ids(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return list(connection.execute(select(schedule.c.shop_id).order_by(schedule.c.shop_id)).scalars())


def end_all(engine: Engine) -> None:
    with writing(engine) as connection:
        for row in connection.execute(select(run).where(run.c.state == "queued")).all():
            run_state.finish(connection, row, "failed", row.created_at, "Nobody pulls here.")


def test_three_beats_at_once_make_one_run_of_each_slot(installation: Engine) -> None:
    together = Barrier(3)

    def one(_: int) -> list[Wake]:
        together.wait()
        return beat(installation)

    with ThreadPoolExecutor(3) as beats:
        sent = [wake for wakes in beats.map(one, range(3)) for wake in wakes]
    found = runs(installation)
    assert Counter(row.shop_id for row in found) == dict.fromkeys({row.shop_id for row in found}, 1)
    assert (len(found), {row.fire_time for row in found}) == (SHOPS, {NOON})
    assert sorted(wake.key for wake in sent) == sorted(row.id for row in found)
    assert beat(installation) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_shop_that_is_busy_waits_for_the_next_tick_and_keeps_no_other_waiting(installation: Engine) -> None:
    busy = shop_ids(installation)[1]
    with writing(installation) as elsewhere:
        lock_shop(elsewhere, busy)
        assert len(beat(installation)) == SHOPS - 1
    assert busy not in {row.shop_id for row in runs(installation)}
    assert len(beat(installation)) == 1
    assert {row.fire_time for row in runs(installation)} == {NOON}


def test_a_shop_whose_run_the_database_refuses_keeps_no_other_from_its_own(installation: Engine) -> None:
    refused = shop_ids(installation)[1]
    with writing(installation) as connection:
        connection.execute(text(_REFUSING[installation.dialect.name].format(refused)))
    assert len(beat(installation)) == SHOPS - 1
    with reading(installation) as connection:
        due = connection.execute(select(schedule.c.shop_id).where(schedule.c.next_run_at == NOON)).scalars().all()
    assert (due, refused in {row.shop_id for row in runs(installation)}) == ([refused], False)


_REFUSING = {
    "postgresql": "ALTER TABLE run ADD CHECK (shop_id <> {})",
    "sqlite": "CREATE TRIGGER refusing BEFORE INSERT ON run WHEN NEW.shop_id = {} BEGIN SELECT RAISE(ABORT, 'no'); END",
}


def test_what_is_due_together_is_claimed_in_one_transaction(installation: Engine) -> None:
    commits: list[object] = []
    event.listen(installation, "commit", commits.append)
    assert (len(beat(installation)), len(commits)) == (SHOPS, 3)  # the tick, the look, the claims


def test_after_an_hour_without_a_beat_each_schedule_runs_once_late(installation: Engine, clock: Clock) -> None:
    clock.passes(hours=1, seconds=20)
    assert len(beat(installation)) == SHOPS
    assert {row.fire_time for row in runs(installation)} == {NOON}
    with reading(installation) as connection:
        following = set(connection.execute(select(schedule.c.next_run_at).where(schedule.c.enabled)).scalars())
    assert following == {NOON + timedelta(hours=1, minutes=1)}
    assert beat(installation) == []


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_clock_that_is_set_makes_no_slot_run_twice(installation: Engine, clock: Clock, step: timedelta) -> None:
    clock.passes(seconds=5)
    beat(installation)
    end_all(installation)
    clock.passes(seconds=step.total_seconds())
    for _ in range(16):
        beat(installation)
        end_all(installation)
        clock.passes(minutes=5)
    slots = Counter((row.shop_id, row.fire_time) for row in runs(installation))
    assert set(slots.values()) == {1}
    # Whatever the clock did, the prices are read again as often as anybody looks.
    assert max(row.fire_time for row in runs(installation)) >= clock.now - timedelta(minutes=10)


def test_a_slot_that_comes_due_again_has_its_run_already(installation: Engine) -> None:
    beat(installation)
    end_all(installation)
    with writing(installation) as connection:
        connection.execute(schedule.update().where(schedule.c.enabled).values(next_run_at=NOON))
    assert (beat(installation), len(runs(installation))) == ([], SHOPS)


def test_a_run_that_ended_ends_no_second_time(installation: Engine) -> None:
    beat(installation)
    ended = runs(installation)[0]
    with writing(installation) as connection:
        assert run_state.finish(connection, ended, "failed", NOON, "The first reason.")
        assert not run_state.finish(connection, ended, "succeeded", NOON + timedelta(hours=1))
        row = run_state.open_run(connection, ended.id)
    assert (row.state, row.error, row.finished_at) == ("failed", "The first reason.", NOON)
