"""One message delivered many times at once: one process works, the others find that there is nothing for them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.e2e.processes import PATIENCE_S
from tests.integration.database.rows import add_shop
from tests.simulation.shelf import OpenShelf, Shelf
from worker.database.engine import database_now, make_engine, reading, writing
from worker.database.tables import batch, run
from worker.graph import BatchAnswer, BatchStatus, Catalog
from worker.stores.contract import Page, Record
from worker.sync import lane, pull, requests, settle
from worker.sync.context import Context, Wake

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

TIMES = 5


class Gate:
    """Whoever comes to the outside waits here until the others have left, and is counted."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.alone = threading.Event()

    def pass_through(self, what: str) -> None:
        self.came[what] += 1
        assert self.alone.wait(PATIENCE_S), "The others did not leave."


class SlowStore(OpenShelf):
    def __init__(self, shelf: Shelf, gate: Gate) -> None:
        super().__init__(shelf)
        self._gate = gate

    def full(self, cursor: str | None) -> Page[Record]:
        self._gate.pass_through("page")
        return super().full(cursor)


class SlowMeta:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def items_batch(self, catalog_id: str, records: Sequence[bytes], *, allow_upsert: bool) -> BatchAnswer:
        self._gate.pass_through("call")
        return BatchAnswer(handle="handle-1", refused={}, warned={})

    def batch_status(self, catalog_id: str, handle: str) -> BatchStatus:
        self._gate.pass_through("poll")
        return BatchStatus("finished", (), 0, (), ())

    def catalog(self, catalog_id: str) -> Catalog:
        raise AssertionError("Nobody doubts that Meta is well.")


def at_once(engine: Engine, shelf: Shelf, work: Callable[[Context], Iterable[Wake]]) -> Counter[str]:
    """Deliver a task to five processes at once. Returns what they asked outside."""
    gate = Gate()
    starting = threading.Barrier(TIMES)
    left: list[str] = []

    def process(number: int) -> None:
        own = make_engine(engine.url.render_as_string(hide_password=False))
        context = Context(
            engine=own,
            open_store=lambda _: SlowStore(shelf, gate),
            sender=lambda _: SlowMeta(gate),
            seed=lambda *_: 1,
            monotonic=lambda: 0.0,
            owner=f"process-{number}",
        )
        starting.wait(PATIENCE_S)
        list(work(context))
        left.append(context.owner)
        if len(left) == TIMES - 1:
            gate.alone.set()
        own.dispose()

    with ThreadPoolExecutor(TIMES) as together:
        for done in [together.submit(process, number) for number in range(TIMES)]:
            done.result()
    return gate.came


@pytest.mark.invariant("I6")
@pytest.mark.fault("N18")
def test_of_five_deliveries_at_once_one_works_and_the_others_leave(engine: Engine) -> None:
    shelf = Shelf(lambda: 1_800_000_000.0)
    shelf.page_size = 10
    for key in ("a", "b", "c"):
        shelf.put(key)
    shop_id, run_id = asked_for(engine)

    assert at_once(engine, shelf, lambda context: pull.run_slice(context, run_id)) == {"page": 1}
    assert at_once(engine, shelf, lambda context: lane.push(context, shop_id)) == {"call": 1}
    due(engine)
    assert at_once(engine, shelf, lambda context: settle.settle(context, shop_id)) == {"poll": 1}

    with reading(engine) as connection:
        (ended,) = connection.execute(select(run)).all()
        assert [(row.state, row.items) for row in connection.execute(select(batch))] == [("settled", 3)]
    assert (ended.state, ended.pulled, ended.created, ended.accepted, ended.calls) == ("succeeded", 3, 3, 3, 1)


@pytest.mark.fault("N19")
@pytest.mark.parametrize(
    "work",
    [
        lambda context: pull.run_slice(context, "01UNKNOWNRUN"),
        lambda context: lane.push(context, 404),
        lambda context: settle.settle(context, 404),
    ],
    ids=["pull", "push", "settle"],
)
def test_a_task_of_a_shop_that_is_gone_ends_without_a_trace(
    work: Callable[[Context], Iterable[Wake]], engine: Engine
) -> None:
    nothing: Any = None
    assert list(work(Context(engine, nothing, nothing, nothing, lambda: 0.0, "somebody"))) == []


def asked_for(engine: Engine) -> tuple[int, str]:
    shop_id = add_shop(engine, currency="USD")
    nothing: Any = None
    context = Context(engine, nothing, nothing, nothing, nothing, "somebody")
    return shop_id, requests.request_run(context, "acme", "full").run_id


def due(engine: Engine) -> None:
    """The time has come to ask for the handle."""
    with writing(engine) as connection:
        connection.execute(batch.update().values(poll_at=database_now(connection)))
