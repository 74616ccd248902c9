from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import InternalError

from tests.conftest import PostgresServer
from tests.integration.database.rows import add_shop
from worker import failpoints
from worker.database import shops
from worker.database.engine import make_engine, reading, writing
from worker.database.locks import LEASE_TTL, Lease, acquire, draw_stamp, hold, is_held, lock_shop, release, release_dead
from worker.database.tables import lease as leases
from worker.errors import Fenced


def take(engine: Engine, shop_id: int, owner: str) -> Lease | None:
    with writing(engine) as connection:
        lock_shop(connection, shop_id)
        return acquire(connection, shop_id, "push", owner)


def stamp_as(engine: Engine, owner: Lease) -> None:
    """What a paused owner does when it wakes up: a write, and the check that stops it."""
    with writing(engine) as connection:
        draw_stamp(connection, lock_shop(connection, owner.shop_id))
        hold(connection, owner)


def test_a_lease_has_one_owner_until_it_is_released(engine: Engine) -> None:
    shop_id = add_shop(engine)
    first = take(engine, shop_id, "one")
    assert first == Lease(shop_id, "push", 1)
    assert take(engine, shop_id, "two") is None
    with writing(engine) as connection:
        release(connection, first)
    assert take(engine, shop_id, "two") == Lease(shop_id, "push", 2)


@pytest.mark.invariant("I6")
@pytest.mark.fault("N13")
def test_who_was_paused_past_the_lease_is_fenced_and_writes_nothing(database_url: str) -> None:
    now = [1_800_000_000.0]
    engine = make_engine(database_url, clock=lambda: now[0])
    shop_id = add_shop(engine)
    first = take(engine, shop_id, "one")
    assert first is not None
    now[0] += LEASE_TTL.total_seconds() - 1
    assert take(engine, shop_id, "two") is None
    now[0] += 1
    assert take(engine, shop_id, "two") == Lease(shop_id, "push", 2)
    with pytest.raises(Fenced):
        stamp_as(engine, first)
    with reading(engine) as connection:
        assert shops.by_id(connection, shop_id) is not None
        assert is_held(connection, shop_id, "push", datetime.fromtimestamp(now[0], UTC))
    with writing(engine) as connection:
        release(connection, first)  # too late: the second owner keeps it
        assert hold(connection, Lease(shop_id, "push", 2)).observation_seq == 0
    engine.dispose()


def test_each_transaction_of_the_owner_renews_the_lease(database_url: str) -> None:
    now = [1_800_000_000.0]
    engine = make_engine(database_url, clock=lambda: now[0])
    shop_id = add_shop(engine)
    first = take(engine, shop_id, "one")
    assert first is not None
    for _ in range(3):
        now[0] += LEASE_TTL.total_seconds() - 1
        with writing(engine) as connection:
            hold(connection, first)
    assert take(engine, shop_id, "two") is None
    engine.dispose()


def test_the_lease_of_a_process_that_ended_is_free_at_once(engine: Engine) -> None:
    shop_id = add_shop(engine)
    take(engine, shop_id, "host:1:a")
    with writing(engine) as connection:
        lock_shop(connection, shop_id)
        release_dead(connection, shop_id, lambda owner: owner == "host:2:b")
    assert take(engine, shop_id, "host:3:c") is None
    with writing(engine) as connection:
        lock_shop(connection, shop_id)
        release_dead(connection, shop_id, lambda owner: owner == "host:1:a")
    assert take(engine, shop_id, "host:3:c") == Lease(shop_id, "push", 2)


def test_transactions_of_one_shop_follow_one_another(engine: Engine) -> None:
    shop_id = add_shop(engine)

    def draw() -> None:
        for _ in range(20):
            with writing(engine) as connection:
                row = lock_shop(connection, shop_id)
                assert row is not None
                drawn.append((row.observation_seq, draw_stamp(connection, row)))

    drawn: list[tuple[int, int]] = []
    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == [(number, number + 1) for number in range(80)]


def test_the_lease_of_a_shop_that_was_removed_is_lost(engine: Engine) -> None:
    shop_id = add_shop(engine)
    first = take(engine, shop_id, "one")
    assert first is not None
    with writing(engine) as connection:
        shops.remove(connection, shop_id)
    with pytest.raises(Fenced), writing(engine) as connection:
        hold(connection, first)
    with reading(engine) as connection:
        assert connection.execute(select(leases)).all() == []


@pytest.mark.invariant("I6")
@pytest.mark.fault("N13")
def test_who_stands_still_in_a_transaction_loses_its_locks_and_commits_nothing(postgres_server: PostgresServer) -> None:
    url = postgres_server.make_migrated()
    engine = make_engine(url)
    shop_id = add_shop(engine)
    engine.dispose()  # nothing is open while we fork
    pid = os.fork()
    if pid == 0:
        stand_still_while_drawing_a_stamp(url, shop_id)
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    with writing(engine) as connection:  # waits until the server ends the other's session
        assert draw_stamp(connection, lock_shop(connection, shop_id)) == 1
    os.kill(pid, signal.SIGCONT)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == BROKEN
    engine.dispose()
    postgres_server.drop(url)


BROKEN = 3


def stand_still_while_drawing_a_stamp(url: str, shop_id: int) -> None:
    code = 1
    try:
        failpoints.arm(failpoints.parse("lane.2-pick:stop-before"))
        with writing(make_engine(url), "lane.2-pick") as connection:
            draw_stamp(connection, lock_shop(connection, shop_id))
            # Half a minute otherwise; who waits for that tests nothing more. The last thing before it stands still, so
            # that it is not ended earlier, for being slow.
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '300ms'"))
    except InternalError:  # as the driver calls a session that the server ended for its idleness
        code = BROKEN
    finally:
        os._exit(code)
