"""The switch that stops all sending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row

from tests.simulation.mall import Call, Mall
from worker.database import outages
from worker.database.engine import database_now, writing
from worker.database.tables import batch
from worker.sync import lane
from worker.sync.context import Sender


@pytest.fixture
def mall(tmp_path: Path) -> Iterator[Mall]:
    mall = Mall(tmp_path / "mall.db", shops=6)
    yield mall
    mall.close()


def stop(mall: Mall) -> None:
    with writing(mall.engine) as connection:
        outages.stop_sending(connection, database_now(connection), "Sending was stopped by op: a wrong price list.")


def start(mall: Mall) -> None:
    with writing(mall.engine) as connection:
        outages.start_sending(connection, database_now(connection))
    mall.sweep()


def test_while_it_is_off_nothing_is_sent_and_what_is_in_the_air_is_settled(mall: Mall) -> None:
    def on_call(call: Call) -> None:
        if call.edge == "items_batch":
            stop(mall)

    mall.on_call = on_call
    mall.sweep()
    mall.run_for(600)
    assert Counter(call.edge for call in mall.calls) == {"items_batch": 1, "check_batch_request_status": 1}
    assert [row.state for row in mall.rows(batch)] == ["settled"]
    assert (mall.waiting(), mall.blames()) == (11, {(0, 0, 0, 0)})


def test_a_batch_that_was_picked_before_is_given_back_unsent(mall: Mall) -> None:
    context = mall.context()

    def sender(shop_row: Row[Any]) -> Sender:
        # Asked for between the pick and the commit.
        stop(mall)
        return context.sender(shop_row)

    lane.push(replace(context, sender=sender), mall.shop_ids[0])
    assert (mall.calls, mall.waiting()) == ([], 12)
    assert [(row.state, row.error) for row in mall.rows(batch)] == [
        ("refused", "Sending was stopped, or a newer pull replaced it.")
    ]


def test_after_a_short_stop_everything_goes_on_at_once(mall: Mall) -> None:
    stop(mall)
    mall.run_for(60)
    assert mall.calls == []
    start(mall)
    mall.run_for(10)
    assert mall.waiting() == 0


def test_after_a_long_stop_prices_go_first_and_the_rest_follows_spread(mall: Mall) -> None:
    stop(mall)
    mall.run_for(300)
    start(mall)
    began = mall.now_s
    mall.run_for(92)
    assert mall.waiting() <= 6
    mall.run_for(600)
    assert mall.waiting() == 0
    assert mall.calls[-1].at - began > 92
