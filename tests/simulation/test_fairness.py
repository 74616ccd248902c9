"""One worker for many shops: a large one and slow answers take their turn like everybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.simulation.mall import PRICE, Call, Mall
from tests.unit.items.wants import acked, want
from worker.database import ledger
from worker.database.engine import writing
from worker.database.tables import batch
from worker.database.types import to_ms
from worker.items.states import LANE_VOLATILE
from worker.sync.context import Context, Limits

pytestmark = pytest.mark.invariant("I10")


class OneWorker(Mall):
    """Small calls, so that a few thousand items keep a worker busy for many minutes."""

    def context(self) -> Context:
        return replace(super().context(), limits=Limits(batch_items=50))

    def fill(self, shop_id: int, items: int) -> None:
        """So many prices of this shop are to be sent, due now."""
        due = to_ms(datetime.fromtimestamp(self.now_s, UTC))
        with writing(self.engine) as connection:
            ids = [f"sku-{number:05}" for number in range(items)]
            ledger.put_acknowledged(connection, shop_id, {key: acked(seq=9 + n) for n, key in enumerate(ids)})
            changed = want(volatile_fp=201, volatile=PRICE, lane=LANE_VOLATILE, due_at=due, run_id=None)
            ledger.put_wants(connection, shop_id, {key: changed._replace(seq=9 + n) for n, key in enumerate(ids)})

    def first_calls(self) -> dict[int, float]:
        """Seconds from the beginning to the first batch of each shop."""
        began = 1_800_000_000.0
        first: dict[int, float] = {}
        for call in self.calls:
            if call.edge == "items_batch":
                first.setdefault(call.shop_id, call.at - began)
        return first


@pytest.mark.fault("N21")
def test_a_shop_whose_prices_all_change_does_not_delay_the_prices_of_the_small_ones(tmp_path: Path) -> None:
    mall = OneWorker(tmp_path / "mall.db", shops=31)
    big, *small = mall.shop_ids
    mall.fill(big, 2_500)

    def slow(call: Call) -> None:
        if call.shop_id == big and call.edge == "items_batch":
            mall.now_s += 3.0

    mall.on_call = slow
    mall.sweep()
    mall.run_for(3600, until=lambda: not mall.waiting())
    first = mall.first_calls()
    assert (mall.waiting(), first.keys()) == (0, {big, *small})
    assert mall.now_s - 1_800_000_000.0 > 150  # the big one alone keeps the worker busy for long
    assert max(first[shop_id] for shop_id in small) < 30
    mall.close()


@pytest.mark.fault("G23")
def test_slow_answers_are_waited_for_believed_and_delay_the_others_by_themselves_only(tmp_path: Path) -> None:
    mall = OneWorker(tmp_path / "mall.db", shops=100)

    def slow(call: Call) -> None:
        if len(mall.calls) % 100 == 0:
            mall.now_s += 30.0

    mall.on_call = slow
    mall.sweep()
    mall.run_for(3600, until=lambda: not mall.waiting())
    slow_s = 30.0 * (len(mall.calls) // 100)
    assert mall.waiting() == 0
    assert {row.state for row in mall.rows(batch)} == {"settled"}
    assert mall.now_s - 1_800_000_000.0 < 0.2 * len(mall.calls) + slow_s + 60
    mall.close()
