"""A shop's rows, written and read by hand: what the use cases are tested on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from worker.database import batches, ledger
from worker.database.engine import make_engine, writing
from worker.database.locks import lock_shop
from worker.database.tables import batch, issue, run, shop
from worker.database.types import to_ms
from worker.items.states import Acked, Want
from worker.sync.context import Context, Limits
from worker.sync.manifest import Line, pack

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


class Ledger:
    """Attributes: ``now``, the database's clock."""

    def __init__(self, url: str) -> None:
        self.now = NOON
        self.engine = make_engine(url, clock=lambda: self.now.timestamp())  # noqa: PLW0108 - now moves
        self.shop_id = self.change(
            lambda connection: connection.execute(
                shop.insert().values(
                    slug="acme", store_kind="feed", store_url="https://shop.example/feed.csv", store_options={},
                    mapping={}, catalog_id="1001", state="active", fields_sent=0, seed=0, observation_seq=0, item_seq=0,
                    content_floor=0, volatile_floor=0, created_at=NOON,
                )
            ).inserted_primary_key[0]
        )  # fmt: skip
        self.context = Context(
            engine=self.engine,
            open_store=lambda _: None,  # type: ignore[arg-type,return-value]  # nothing here reads a store
            sender=lambda _: None,  # type: ignore[arg-type,return-value]  # nor calls Meta
            seed=lambda *_: 1,
            monotonic=lambda: 0.0,
            owner="process-1",
            limits=Limits(),
        )

    def change(self, work: Callable[[Connection], Any]) -> Any:
        with writing(self.engine) as connection:
            return work(connection)

    def locked(self, work: Callable[[Connection, Row[Any]], Any]) -> Any:
        """In a transaction that holds the shop's row."""
        with writing(self.engine) as connection:
            shop_row = lock_shop(connection, self.shop_id)
            assert shop_row is not None
            return work(connection, shop_row)

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def now_ms(self) -> int:
        return to_ms(self.now)

    def know(self, retailer_id: str, acked: Acked | None = None, want: Want | None = None) -> None:
        def put(connection: Connection) -> None:
            if acked is not None:
                ledger.put_acknowledged(connection, self.shop_id, {retailer_id: acked})
            if want is not None:
                ledger.put_wants(connection, self.shop_id, {retailer_id: want})

        self.change(put)

    def known(self, retailer_id: str) -> ledger.Known:
        found = self.change(lambda connection: ledger.known(connection, self.shop_id, [retailer_id]))
        return found.get(retailer_id, ledger.UNKNOWN)

    def add_run(self, run_id: str, job: str = "full", state: str = "pushing") -> None:
        counters = (
            "retries", "starts", "pulled", "unidentified", "invalid", "unchanged", "created", "updated", "removed",
            "accepted", "rejected", "calls",
        )  # fmt: skip
        values = dict.fromkeys(counters, 0)
        self.change(
            lambda connection: connection.execute(
                run.insert().values(
                    id=run_id, shop_id=self.shop_id, job=job, fire_time=self.now + timedelta(seconds=len(run_id)),
                    trigger="manual", state=state, created_at=NOON, started_at=NOON, complete=True,
                    deadline=NOON + timedelta(days=1), **values,
                )
            )
        )  # fmt: skip

    def run(self, run_id: str) -> Any:
        return self.change(lambda connection: connection.execute(select(run).where(run.c.id == run_id)).one())

    def add_batch(self, lines: list[Line], **values: Any) -> int:
        def add(connection: Connection) -> int:
            batch_id = batches.add(
                connection, self.shop_id, 1, upsert=True, items=len(lines), manifest=pack(lines), runs=[], now=self.now
            )
            connection.execute(batch.update().where(batch.c.id == batch_id).values(**values))
            return batch_id

        made: int = self.change(add)
        return made

    def open_issues(self) -> list[tuple[str, str]]:
        rows = self.change(lambda connection: connection.execute(select(issue)).all())
        return sorted((row.retailer_id, row.code) for row in rows if row.resolved_at is None)
