"""A whole Shelfbeat in one thread: the real state machine against a virtual clock, a store and a Meta in memory.

Time passes only when the world lets it. At every step (a transaction about to begin, one about to commit, a call about
to leave, an answer about to arrive) something may happen: the process dies, the store changes, another worker takes
over while this one is held up. A seed repeats a run exactly.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from tests.simulation.beginnings import a_shop, empty_database, without_safety
from tests.simulation.seams import Answer, AtOnce, Carried, Passing
from tests.simulation.shelf import Shelf
from tests.simulation.state import CATALOG, SLUG, State
from worker import failpoints
from worker.database.engine import make_engine, writing
from worker.database.tables import schedule, shop
from worker.graph import Graph, GraphConfig
from worker.items import source_seed
from worker.items.mapping import parse
from worker.sandbox.batches import NO_FAULT, BatchFault
from worker.sandbox.catalog import CatalogModel, ModelSettings
from worker.stores import mapped
from worker.sync import audit, dispatch, lane, requests, settle, sweep
from worker.sync import pull as pulling
from worker.sync.context import Context, Limits, Wake

# Small calls, so that a dozen items take several; waits long enough for whatever this Meta may still do.
LIMITS = Limits(batch_items=5, drain_s=120.0, handle_s=900.0)


class Crash(BaseException):
    """The process died here: nothing catches it."""


class World(State):
    """One shop or more, their stores, Meta, and as many workers as crash and come back.

    Attributes:
        shelf: The store of the first shop; ``shelves`` has all, by slug.
        step_back_s: How far the database's clock is behind the others.
        calls: Time, records and ``allow_upsert`` of every call that reached ``items_batch``.
        tried: How often an item has left for Meta, by catalog and id.
        asked: Requests that left for Meta, of any kind.
        overlaps: Items that two calls could have changed in any order: Meta promises none between handles.
        intruders: Processes that sent without holding the lane's lease, or for a shop that was stopped.
        wrongly_removed: Items archived or deleted although the store never was without them.
        deleted_shown: Items that a call would have deleted while Meta showed them.
    """

    def __init__(self, path: Path, seed: int, *, limits: Limits | None = None, latency_s: float = 20.0) -> None:
        self.rng = random.Random(seed)
        self.now_s = 1_800_000_000.0
        self._path = path
        path.write_bytes(empty_database())
        self.step_back_s = 0.0
        self.engine = make_engine(f"sqlite:///{path}", clock=lambda: self.now_s - self.step_back_s)
        event.listen(self.engine, "connect", without_safety)
        self.shelves: dict[str, Shelf] = {}
        self._catalogs: dict[str, tuple[int, str]] = {}
        self.meta = CatalogModel(
            self.time, random.Random(seed + 1), ModelSettings(latency_s=latency_s, latency_spread=0.9)
        )
        self.seed_part = 1
        self.limits = limits or LIMITS
        self.wakes: list[tuple[float, Wake]] = []
        self.calls: list[tuple[float, list[dict[str, Any]], bool]] = []
        self.tried: Counter[tuple[str, str]] = Counter()
        self.asked = 0
        self.overlaps: set[str] = set()
        self.intruders: list[str] = []
        self.wrongly_removed: set[str] = set()
        self.deleted_shown: set[str] = set()
        self.on_step: Callable[[str], None] = lambda _: None
        self.on_call: Callable[[str, httpx.Request], Answer] = lambda *_: None
        event.listen(self.engine, "checkout", lambda *_: self.on_step("begin"))
        event.listen(self.engine, "commit", lambda _: self.on_step("commit"), insert=True)
        self._seams = pytest.MonkeyPatch()
        self.shop_id = self._add_shop(SLUG, CATALOG)
        self.shelf = self.shelves[SLUG]

    def _add_shop(self, slug: str, catalog: str) -> int:
        self.shelves[slug] = Shelf(self.time)
        with writing(self.engine) as connection:
            shop_id: int = connection.execute(a_shop(slug, catalog)).inserted_primary_key[0]
            for job in ("full", "delta", "volatile"):
                connection.execute(
                    schedule.insert().values(
                        shop_id=shop_id, job=job, cron="* * * * *", zone="UTC", enabled=True, next_run_at=None
                    )
                )
        self._catalogs[catalog] = shop_id, slug
        return shop_id

    def neighbour(self, slug: str, catalog_id: str) -> Shelf:
        """A second shop, with a store and a catalog of its own."""
        self._add_shop(slug, catalog_id)
        return self.shelves[slug]

    def in_one_thread(self) -> None:
        """Start no threads: a store's page and a call's copy are made at once."""
        for module in (lane, pulling):
            self._seams.setattr(module, "ThreadPoolExecutor", AtOnce)

    def watch_steps(self, on_side: Callable[[str, str], bool]) -> None:
        """Let ``on_side`` know of every named step, before and after; where it returns true the connection breaks."""
        self._seams.setattr(failpoints, "_armed", Passing(on_side))

    def close(self) -> None:
        """Leave no file behind: a few hundred seeds would fill a small disk in memory."""
        self._seams.undo()
        self.engine.dispose()
        for part in ("", "-wal", "-shm"):
            Path(f"{self._path}{part}").unlink(missing_ok=True)

    def time(self) -> float:
        return self.now_s

    def context(self) -> Context:
        """A process of its own: its lease owner and its Graph client are new."""
        owner = f"process-{self.rng.random():.9f}"
        late: Counter[int] = Counter()  # calls for a stopped shop, by a process that began before
        stopped = {shop_id for shop_id, _ in self._catalogs.values() if self._state(shop_id) != "active"}

        @cache
        def sender(shop_id: int) -> Graph:
            def answer(request: httpx.Request) -> httpx.Response:
                if self._state(shop_id) != "active":
                    late[shop_id] += 1
                    if shop_id in stopped or late[shop_id] > 1:
                        self.intruders.append(f"{owner} called for the stopped shop {shop_id}, which")
                return self.answer(owner, request)

            transport = httpx.MockTransport(answer)
            return Graph(GraphConfig(base_url="https://graph.test"), "test-token", transport=transport)

        return Context(
            engine=self.engine,
            open_store=lambda row: mapped(self.shelves[row.slug].open(), parse(row.mapping)),
            sender=lambda row: sender(row.id),
            seed=lambda row, _: source_seed(self.seed_part, row.store_options, row.mapping),
            monotonic=self.time,
            owner=owner,
            limits=self.limits,
        )

    # What happens

    def ask(self, job: str, slug: str = SLUG) -> str:
        ticket = requests.request_run(self.context(), slug, job)
        self.schedule(ticket.wakes)
        return ticket.run_id

    def schedule(self, wakes: Iterable[Wake]) -> None:
        for wake in wakes:
            self.wakes.append((self.now_s + wake.delay_s, wake))

    def deliver(self, wake: Wake) -> None:
        """Run one task as a worker would."""
        tasks: dict[str, Callable[[Context], Iterable[Wake]]] = {
            "pull": lambda context: pulling.run_slice(context, wake.key),
            "push": lambda context: lane.push(context, int(wake.key)),
            "settle": lambda context: settle.settle(context, int(wake.key)),
            "audit": lambda context: audit.run_slice(context, wake.key),
            "sweep": sweep.sweep,
            "dispatch": dispatch.dispatch,
        }
        self.carry_out(tasks[wake.task])

    def carry_out(self, work: Callable[[Context], Iterable[Wake]]) -> None:
        """Do one piece of work as a process: its wake-ups leave as they come, and are lost with it."""
        for follower in work(self.context()):
            self.schedule([follower])

    def sweep(self) -> None:
        self.carry_out(sweep.sweep)

    def tick(self) -> None:
        """The message of a beat."""
        self.wakes.append((self.now_s, Wake("dispatch", "")))

    def renew_token(self) -> None:
        """A person gives every stopped shop a token that works."""
        with writing(self.engine) as connection:
            connection.execute(shop.update().where(shop.c.state != "active").values(state="active", reason=None))

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

    def sent(self) -> list[list[dict[str, Any]]]:
        """What each call to Meta carried, in order."""
        return [[record["data"] for record in records] for _, records, _ in self.calls]

    # Meta

    def answer(self, owner: str, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        _, catalog, edge = request.url.path.rsplit("/", 2)
        if edge == "items_batch" and owner != self._holder(self._catalogs[catalog][0]):
            self.intruders.append(f"{owner} sent without holding the lane, which")
        if edge == "items_batch":
            self.tried.update((catalog, record["data"]["id"]) for record in json.loads(request.content)["requests"])
        self.on_step(f"before {edge}")
        injected = self.on_call(edge, request)
        if isinstance(injected, httpx.Response):
            return injected
        carried = injected if isinstance(injected, Carried) else None
        if edge == "items_batch":
            fault = carried.fault if carried else injected or NO_FAULT
            status, body = self._take_in(catalog, json.loads(request.content), fault)
        else:
            params = {key: value for key, value in request.url.params.items() if key != "locale"}
            ask = {"check_batch_request_status": self.meta.batch_status, "products": self.meta.products}
            status, body = ask[edge](catalog, params) if edge in ask else self.meta.node(edge, params)
        self.on_step(f"after {edge}")
        if carried is not None:
            return carried.answer()
        return httpx.Response(status, json=body)

    def _take_in(self, catalog: str, payload: dict[str, Any], fault: BatchFault) -> tuple[int, dict[str, Any]]:
        records = payload["requests"]
        self.calls.append((self.now_s, records, payload["allow_upsert"]))
        payload = {key: value for key, value in payload.items() if key not in ("locale", "access_token")}
        shown = self.at_meta(catalog)
        status, body = self.meta.items_batch(catalog, payload, fault=fault)
        shelf = self.shelves[self._catalogs[catalog][1]]
        for record in records:
            retailer_id = record["data"]["id"]
            deletes = record["method"] == "DELETE"
            if (deletes or record["data"].get("status") == "archived") and retailer_id not in shelf.was_without:
                self.wrongly_removed.add(retailer_id)
            if deletes and retailer_id in shown:
                self.deleted_shown.add(retailer_id)
        for handle in body.get("handles", ()):
            self.overlaps.update(self.meta.batches[handle].overlapping)
        return status, body

    # Read past the engine, whose connections are steps at which things happen.

    def _holder(self, shop_id: int) -> str | None:
        """Who holds the lane."""
        return self._look("SELECT owner FROM lease WHERE lane = 'push' AND shop_id = ?", shop_id)

    def _state(self, shop_id: int) -> str | None:
        return self._look("SELECT state FROM shop WHERE id = ?", shop_id)

    def _look(self, sql: str, shop_id: int) -> str | None:
        with closing(sqlite3.connect(self._path)) as connection:
            row = connection.execute(sql, (shop_id,)).fetchone()
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
