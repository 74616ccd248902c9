"""Many shops and one Meta, in one thread and on a virtual clock: for what concerns all of them at once.

Stores and audits have no part in it: each shop has a price and a removal to send from the start.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from sqlalchemy import Row, event, select

from tests.simulation.beginnings import empty_database, without_safety
from tests.unit.items.wants import acked, want
from worker.database import ledger
from worker.database.credentials import Keyring
from worker.database.engine import make_engine, reading, writing
from worker.database.tables import budget, pending, shop
from worker.database.types import to_ms
from worker.graph import Graph, GraphConfig
from worker.items.encoding import MASK_BYTES
from worker.items.states import ARCHIVED, LANE_STATUS, LANE_VOLATILE
from worker.sync import lane, settle, sweep
from worker.sync.context import Context, Limits, Wake

_SEALED = Keyring(["the key that was there before, of 32"]).encrypt("token", shop_id=1, purpose="meta_token")

PRICE = bytes(MASK_BYTES) + b'"price":"11.00 USD"'


class Call(NamedTuple):
    """``edge`` is items_batch, check_batch_request_status, or catalog for a read of the catalog itself."""

    at: float
    shop_id: int
    edge: str


class Mall:
    """Attributes:
    calls: Every request that left for Meta, in order.
    unreadable: Shops whose stored token does not decrypt any more.
    on_call: Answers instead of Meta, or raises what httpx raises; None: Meta takes everything and is done at once.
    """

    def __init__(self, path: Path, shops: int) -> None:
        self.now_s = 1_800_000_000.0
        path.write_bytes(empty_database())
        self.engine = make_engine(f"sqlite:///{path}", clock=lambda: self.now_s)
        event.listen(self.engine, "connect", without_safety)
        self.calls: list[Call] = []
        self.on_call: Callable[[Call], httpx.Response | None] = lambda _: None
        self.unreadable: set[int] = set()
        self.wakes: list[tuple[float, int, Wake]] = []
        self._numbers = count()
        self.shop_ids = [self._open(number) for number in range(1, shops + 1)]

    def close(self) -> None:
        self.engine.dispose()

    def _open(self, number: int) -> int:
        with writing(self.engine) as connection:
            shop_id = connection.execute(
                shop.insert().values(
                    slug=f"shop-{number}", store_kind="feed", store_url=f"https://{number}.test/feed", store_options={},
                    mapping={}, catalog_id=str(1000 + number), state="active", fields_sent=0, seed=0, observation_seq=0,
                    item_seq=0, content_floor=0, volatile_floor=0, created_at=datetime(2027, 1, 1, tzinfo=UTC),
                )
            ).inserted_primary_key[0]  # fmt: skip
        self.change(shop_id)
        return int(shop_id)

    def change(self, shop_id: int) -> None:
        """A price and a removal are to be sent, due now."""
        due = to_ms(datetime.fromtimestamp(self.now_s, UTC))
        wants = {
            "price": want(volatile_fp=201, volatile=PRICE, lane=LANE_VOLATILE, due_at=due, run_id=None),
            "gone": want(seq=8, status=ARCHIVED, lane=LANE_STATUS, due_at=due, run_id=None),
        }
        with writing(self.engine) as connection:
            ledger.put_acknowledged(connection, shop_id, {key: acked(seq=wants[key].seq) for key in wants})
            ledger.put_wants(connection, shop_id, wants)

    # Workers

    def context(self) -> Context:
        """A process of its own, whose calls take a fifth of a second."""

        @cache
        def client(shop_id: int) -> Graph:
            transport = httpx.MockTransport(lambda request: self._answer(shop_id, request))
            return Graph(GraphConfig(base_url="https://graph.test"), f"token-{shop_id}", transport=transport)

        def sender(shop_row: Row[Any]) -> Graph:
            if shop_row.id in self.unreadable:
                return Keyring(["a key that came after the others, of 32"]).decrypt(  # type: ignore[return-value]  # raises
                    _SEALED, shop_id=shop_row.id, purpose="meta_token"
                )
            return client(shop_row.id)

        return Context(
            engine=self.engine,
            open_store=lambda _: None,  # type: ignore[arg-type,return-value]  # nothing here reads a store
            sender=sender,
            seed=lambda *_: 1,
            monotonic=lambda: self.now_s,
            owner=f"process-{next(self._numbers)}",
            limits=Limits(),
        )

    def schedule(self, wakes: Iterable[Wake]) -> None:
        for wake in wakes:
            if wake.task != "audit":
                heapq.heappush(self.wakes, (self.now_s + wake.delay_s, next(self._numbers), wake))

    def sweep(self) -> None:
        self.schedule(sweep.sweep(self.context()))

    def run_for(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Deliver every wake-up of the next seconds at its time, and sweep once a minute."""
        end, swept = self.now_s + seconds, self.now_s
        while not until():
            at = min(self.wakes[0][0] if self.wakes else end, swept + 60)
            if at >= end:
                self.now_s = end
                return
            self.now_s = max(self.now_s, at)
            if at == swept + 60:
                swept = at
                self.sweep()
                continue
            _, _, wake = heapq.heappop(self.wakes)
            task = {"push": lane.push, "settle": settle.settle}[wake.task]
            self.schedule(task(self.context(), int(wake.key)))

    def _answer(self, shop_id: int, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer token-{shop_id}"
        edge = request.url.path.rsplit("/", 1)[1]
        call = Call(self.now_s, shop_id, "catalog" if edge.isdigit() else edge)
        self.calls.append(call)
        self.now_s += 0.2
        answer = self.on_call(call)
        if answer is not None:
            return answer
        if edge == "items_batch":
            return httpx.Response(200, json={"handles": [f"handle-{len(self.calls)}"]})
        if edge.isdigit():
            return httpx.Response(200, json={"id": edge, "name": "Toys", "vertical": "commerce"})
        return httpx.Response(200, json={"data": [{"status": "finished", "errors_total_count": 0}]})

    # What there is

    def rows(self, table: Any) -> list[Row[Any]]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(table)))

    def app(self) -> Row[Any]:
        """The row that blocks everybody."""
        return next(row for row in self.rows(budget) if row.key == "app")

    def blames(self) -> set[tuple[int, int, int, int]]:
        """Attempts, strikes, limits and quarantines of whatever is pending."""
        return {
            (row.attempts, row.strikes, row.share_limit, row.content_quarantine + row.volatile_quarantine)
            for row in self.rows(pending)
        }

    def waiting(self) -> int:
        return len(self.rows(pending))
