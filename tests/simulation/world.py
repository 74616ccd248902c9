"""A whole Shelfbeat in one thread: the real state machine against a virtual clock, a store and a Meta in memory.

Time passes only when the world lets it. At every step (a transaction about to begin, one about to commit, a call about
to leave, an answer about to arrive) something may happen: the process dies, the store changes, another worker takes
over while this one is held up. A seed repeats a run exactly.
"""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event, select

from tests.simulation.shelf import Shelf
from worker.database.engine import make_engine, reading, writing
from worker.database.tables import batch, issue, metadata, pending, run, schedule, shop, snapshot
from worker.graph import Graph, GraphConfig
from worker.items import source_seed
from worker.sandbox.batches import NO_FAULT, BatchFault
from worker.sandbox.catalog import CatalogModel, ModelSettings
from worker.sync import lane, requests, settle, sweep
from worker.sync import pull as pulling
from worker.sync.context import Context, Limits, Wake

CATALOG = "1001"
SLUG = "acme"

# Small calls, so that a dozen items take several; waits long enough for whatever this Meta may still do.
LIMITS = Limits(batch_items=5, drain_s=120.0, handle_s=900.0)


class Crash(BaseException):
    """The process died here: nothing catches it."""


class World:
    """One shop, its store, Meta, and as many workers as crash and come back.

    Attributes:
        calls: Time, records and ``allow_upsert`` of every call that reached ``items_batch``.
        asked: Requests that left for Meta, of any kind.
        overlaps: Items that two calls could have changed in any order: Meta promises none between handles.
        intruders: Processes that sent without holding the lane's lease.
    """

    def __init__(self, path: Path, seed: int, *, limits: Limits | None = None, latency_s: float = 20.0) -> None:
        self.rng = random.Random(seed)
        self.now_s = 1_800_000_000.0
        self._path = path
        path.write_bytes(_empty_database())
        self.engine = make_engine(f"sqlite:///{path}", clock=lambda: self.now_s)
        event.listen(self.engine, "connect", _without_safety)
        self.shelf = Shelf(self.time)
        self.meta = CatalogModel(
            self.time, random.Random(seed + 1), ModelSettings(latency_s=latency_s, latency_spread=0.9)
        )
        self.seed_part = 1
        self.limits = limits or LIMITS
        self.wakes: list[tuple[float, Wake]] = []
        self.calls: list[tuple[float, list[dict[str, Any]], bool]] = []
        self.asked = 0
        self.overlaps: set[str] = set()
        self.intruders: list[str] = []
        self.on_step: Callable[[str], None] = lambda _: None
        self.on_call: Callable[[str, httpx.Request], BatchFault | httpx.Response | None] = lambda *_: None
        event.listen(self.engine, "checkout", lambda *_: self.on_step("begin"))
        event.listen(self.engine, "commit", lambda _: self.on_step("commit"), insert=True)
        with writing(self.engine) as connection:
            self.shop_id = connection.execute(_shop()).inserted_primary_key[0]
            for job in ("full", "delta", "volatile"):
                connection.execute(
                    schedule.insert().values(
                        shop_id=self.shop_id, job=job, cron="* * * * *", zone="UTC", enabled=True, next_run_at=None
                    )
                )

    def close(self) -> None:
        """Leave no file behind: a few hundred seeds would fill a small disk in memory."""
        self.engine.dispose()
        for part in ("", "-wal", "-shm"):
            Path(f"{self._path}{part}").unlink(missing_ok=True)

    def time(self) -> float:
        return self.now_s

    def context(self) -> Context:
        """A process of its own: its lease owner and its Graph client are new."""
        owner = f"process-{self.rng.random()}"

        @cache
        def sender(_: Any) -> Graph:
            transport = httpx.MockTransport(lambda request: self._answer(owner, request))
            return Graph(GraphConfig(base_url="https://graph.test"), "test-token", transport=transport)

        return Context(
            engine=self.engine,
            open_store=lambda _: self.shelf.open(),
            sender=lambda _: sender(None),
            seed=lambda *_: source_seed(self.seed_part),
            monotonic=self.time,
            owner=owner,
            limits=self.limits,
        )

    # What happens

    def ask(self, job: str) -> str:
        ticket = requests.request_run(self.context(), SLUG, job)
        self.schedule(ticket.wakes)
        return ticket.run_id

    def schedule(self, wakes: Iterable[Wake]) -> None:
        for wake in wakes:
            self.wakes.append((self.now_s + wake.delay_s, wake))

    def deliver(self, wake: Wake) -> None:
        """Run one task as a worker would: its wake-ups leave as they come, and are lost with the process."""
        context = self.context()
        work: Iterable[Wake] = {
            "pull": lambda: pulling.run_slice(context, wake.key),
            "push": lambda: lane.push(context, int(wake.key)),
            "settle": lambda: settle.settle(context, int(wake.key)),
        }[wake.task]()
        for follower in work:
            self.schedule([follower])

    def sweep(self) -> None:
        self.schedule(sweep.sweep(self.context()))

    def step(self) -> bool:
        """Deliver the earliest wake-up, letting time pass up to it. Returns whether there was one."""
        if not self.wakes:
            return False
        self.wakes.sort(key=lambda entry: entry[0])
        at, wake = self.wakes.pop(0)
        self.now_s = max(self.now_s, at) + 0.01
        self.deliver(wake)
        return True

    def settle_down(self, *, hours: float = 4.0) -> None:
        """No more faults: let everything run until nothing is left to do."""
        end = self.now_s + hours * 3600
        while self.now_s < end:
            while self.step():
                if self.now_s > end:
                    raise AssertionError("it does not come to rest")
            self.now_s += 30.0
            self.sweep()
            if not self.wakes and not self.open_work():
                return
        raise AssertionError(f"still open after {hours} h: {self.open_work()}")

    def run_to_rest(self, job: str) -> dict[str, Any]:
        run_id = self.ask(job)
        self.settle_down()
        return self.run(run_id)

    def pull(self, job: str) -> str:
        """Run a pull to its end and leave everything else waiting: what it found is pending, and not sent."""
        run_id = self.ask(job)
        while (wake := self._take(lambda wake: wake.task == "pull")) is not None:
            self.deliver(wake)
        return run_id

    def until(self, reached: Callable[[], bool]) -> None:
        """Deliver wake-ups in their order up to a situation."""
        while not reached():
            if not self.step():
                raise AssertionError("it came to rest before that")

    def until_call(self) -> None:
        """Go on until one more call has reached Meta and its handle is recorded."""
        calls = len(self.calls)
        self.until(lambda: len(self.calls) > calls)

    def started(self, *retailer_ids: str) -> None:
        """Items that Meta has exactly as the store does."""
        for retailer_id in retailer_ids:
            self.shelf.put(retailer_id)
        assert self.run_to_rest("full")["state"] == "succeeded"
        assert self.differences() == []
        self.calls.clear()
        self.asked = 0

    def _take(self, wanted: Callable[[Wake], bool]) -> Wake | None:
        self.wakes.sort(key=lambda entry: entry[0])
        for entry in self.wakes:
            if wanted(entry[1]):
                self.wakes.remove(entry)
                self.now_s = max(self.now_s, entry[0])
                return entry[1]
        return None

    # What there is

    def shop(self) -> Any:
        return self.rows(shop)[0]

    def open_work(self) -> list[str]:
        with reading(self.engine) as connection:
            runs = connection.execute(select(run.c.id).where(run.c.state.in_(("queued", "pulling", "pushing")))).all()
            wants = connection.execute(
                select(pending.c.retailer_id).where(
                    (pending.c.due_at < (self.now_s + 3600) * 1000) | pending.c.batch_id.is_not(None)
                )
            ).all()
            batches = connection.execute(
                select(batch.c.id).where(batch.c.state.in_(("ready", "sending", "sent", "unknown")))
            ).all()
        return [
            f"{what} {row[0]}" for what, rows in (("run", runs), ("want", wants), ("batch", batches)) for row in rows
        ]

    def rows(self, table: Any) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(table)))

    def run(self, run_id: str) -> dict[str, Any]:
        with reading(self.engine) as connection:
            return dict(connection.execute(select(run).where(run.c.id == run_id)).mappings().one())

    def issues(self) -> list[tuple[str, str, str]]:
        return sorted((row.retailer_id, row.source, row.code) for row in self.rows(issue) if row.resolved_at is None)

    def wanted(self, retailer_id: str) -> Any:
        return next((row for row in self.rows(pending) if row.retailer_id == retailer_id), None)

    def acknowledged(self, retailer_id: str) -> Any:
        return next((row for row in self.rows(snapshot) if row.retailer_id == retailer_id), None)

    def at_meta(self) -> dict[str, dict[str, Any]]:
        """What Meta shows: its items that are not archived, in the field names of a call."""
        self.meta.tick()
        items = self.meta.catalog(CATALOG).items
        fields = {key: item.fields for key, item in items.items()}
        return {key: item for key, item in fields.items() if item.get("status", "active") != "archived"}

    def differences(self) -> list[str]:
        """Where Meta differs from the store, item by item; empty at rest."""
        shown, offered = self.at_meta(), self.shelf.offered()
        found = [f"{key} should be gone" for key in shown.keys() - offered.keys()]
        found += [f"{key} is missing" for key in offered.keys() - shown.keys()]
        for key in shown.keys() & offered.keys():
            for name in ("title", "price", "availability", "color"):
                if shown[key].get(name) != offered[key].get(name):
                    found.append(f"{key}.{name}: Meta {shown[key].get(name)!r}, store {offered[key].get(name)!r}")
        return sorted(found)

    def sent(self) -> list[list[dict[str, Any]]]:
        """What each call to Meta carried, in order."""
        return [[record["data"] for record in records] for _, records, _ in self.calls]

    # Meta

    def _answer(self, owner: str, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        edge = request.url.path.rsplit("/", 1)[1]
        if edge == "items_batch" and owner != self._holder():
            self.intruders.append(owner)
        self.on_step(f"before {edge}")
        injected = self.on_call(edge, request)
        if isinstance(injected, httpx.Response):
            return injected
        if edge == "items_batch":
            payload = json.loads(request.content)
            records = payload["requests"]
            self.calls.append((self.now_s, records, payload["allow_upsert"]))
            payload = {key: value for key, value in payload.items() if key not in ("locale", "access_token")}
            status, body = self.meta.items_batch(CATALOG, payload, fault=injected or NO_FAULT)
            for handle in body.get("handles", ()):
                self.overlaps.update(self.meta.batches[handle].overlapping)
        else:
            params = {key: value for key, value in request.url.params.items() if key != "locale"}
            status, body = self.meta.batch_status(CATALOG, params)
        self.on_step(f"after {edge}")
        return httpx.Response(status, json=body)

    def _holder(self) -> str | None:
        """Who holds the lane. Read past the engine, whose connections are steps at which things happen."""
        with closing(sqlite3.connect(self._path)) as connection:
            row = connection.execute("SELECT owner FROM lease WHERE lane = 'push'").fetchone()
        return None if row is None else row[0]


@contextmanager
def dying(world: World, step: str, at: int = 1) -> Iterator[None]:
    """The process dies at the ``at``-th step of this name."""
    seen = 0

    def on_step(name: str) -> None:
        nonlocal seen
        if name == step:
            seen += 1
            if seen == at:
                raise Crash(step)

    before, world.on_step = world.on_step, on_step
    try:
        yield
    except Crash:
        pass
    else:
        raise AssertionError(f"{step} came {seen} times only")
    finally:
        world.on_step = before


@cache
def _empty_database() -> bytes:
    """A database file with our tables and no rows: copying it is cheaper than making the tables for every world."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "empty.db"
        engine = make_engine(f"sqlite:///{path}")
        metadata.create_all(engine)
        engine.dispose()  # the last connection to close brings the write-ahead log into the file
        return path.read_bytes()


def _without_safety(connection: Any, _: Any) -> None:
    # The machine does not lose power here: our crashes are exceptions.
    connection.execute("PRAGMA synchronous = OFF")


def _shop() -> Any:
    return shop.insert().values(
        slug=SLUG,
        store_kind="feed",
        store_url="https://shop.test/feed.csv",
        store_options={},
        mapping={},
        catalog_id=CATALOG,
        currency="USD",
        state="active",
        fields_sent=0,
        seed=0,
        observation_seq=0,
        item_seq=0,
        content_floor=0,
        volatile_floor=0,
        created_at=datetime(2027, 1, 1, tzinfo=UTC),
    )
