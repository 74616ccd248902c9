"""A seeded run in which everything goes wrong for a while, and the judgement when it has come to rest.

Each seed draws how often each kind of trouble comes, many of them not at all: what hides among a dozen faults shows
where two of them come often.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy.exc import OperationalError

from tests.simulation import judge, meta_faults
from tests.simulation.meta_faults import MetaFaults
from tests.simulation.seams import Answer
from tests.simulation.world import CATALOG, LIMITS, SLUG, Crash, World
from worker.database.engine import writing
from worker.database.tables import run, schedule
from worker.errors import BadInput, Throttled
from worker.stores.contract import CursorExpired
from worker.sync import approval
from worker.sync.context import Limits, Wake

NEIGHBOUR: Final = "neighbour"
_CATALOGS: Final = {SLUG: CATALOG, NEIGHBOUR: "1002"}
_CRONS: Final = {"full": "*/20 * * * *", "delta": "*/7 * * * *", "volatile": "*/3 * * * *"}

_PRICES = ("9.00 USD", "10.00 USD", "11.00 USD", "12.50 USD")
_COLORS = ("red", "blue", None)

# The steps at which a process may stand still with nothing of a transaction open.
_STILL = ("begin", "after items_batch", "before page", "after page")

# How long a call may stand still between the last check and its departure, and how far the database's clock may jump.
# With the slowest handle they stay within the drain: that Meta applies nothing later is what it stands on.
_HELD_S: Final = 40.0
_JUMPS_S: Final = 40.0
CHAOTIC: Final = replace(LIMITS, drain_s=200.0, handle_s=400.0)

# An item that is refused whatever it travels with is sent alone after a few calls, and rests for a day.
_IN_VAIN: Final = 20

TROUBLE: Final = (
    "crash", "zombie", "held call", "lost wake-up", "doubled wake-up", "broker emptied", "commit lost",
    "commit unknown", "clock jump", "clock step back", "store silent", "store throttled", "cursor expired",
    "empty pull", "shrunken pull", "cut pull", "approved", "rejected by a person", "repriced", *meta_faults.NAMES,
)  # fmt: skip


class Chaos:
    """A shop of a dozen items, with three jobs on schedules of two beats; every third seed has a small neighbour.

    Args:
        focus: How often each kind of trouble comes, in multiples of the usual; what is not named never comes. None
            leaves it to the seed.

    Attributes:
        stale: Items of which Meta was told an older title after a newer one.
    """

    def __init__(
        self, path: Path, seed: int, *, limits: Limits | None = None, focus: Mapping[str, float] | None = None
    ) -> None:
        self.world = World(path, seed, limits=limits or CHAOTIC, latency_s=15.0)
        self.world.in_one_thread()
        self.rng = self.world.rng
        self.rates = {name: self.rng.choice((0.0, 0.0, 1.0, 1.0, 3.0)) for name in TROUBLE}
        if focus is not None:
            self.rates = dict.fromkeys(TROUBLE, 0.0) | dict(focus)
        # Where nothing ever changes back, a title that Meta is told after a newer one is stale.
        self._grows = self.rng.random() < 0.3 if focus is None else "growing titles" in focus
        self._revision = 0
        self._told: dict[tuple[str, str], int] = {}
        self.stale: list[str] = []
        self.meta = MetaFaults(self.rng, self.rates)
        self.happened: Counter[str] = Counter()
        self.slugs = [SLUG, NEIGHBOUR] if seed % 3 == 0 else [SLUG]
        self._depth = 0
        self._until_s: float | None = None
        self._jumped_s = 0.0
        self._before: list[tuple[str, str, dict[str, Any]]] = []
        self._furnish(seed)

    def _furnish(self, seed: int) -> None:
        world = self.world
        if NEIGHBOUR in self.slugs:
            world.neighbour(NEIGHBOUR, _CATALOGS[NEIGHBOUR])
        for number in range(12):
            world.shelf.put(f"sku-{number:02}")
        for number in range(4 if NEIGHBOUR in self.slugs else 0):
            world.shelves[NEIGHBOUR].put(f"sku-{number:02}")
        world.shelf.one_export = seed % 4 == 0
        with writing(world.engine) as connection:
            for job, cron in _CRONS.items():
                connection.execute(schedule.update().where(schedule.c.job == job).values(cron=cron))
        if self.rates["poisoned"]:
            self.meta.poison = f"sku-{self.rng.randrange(12):02}"

    def play(self, steps: int = 60) -> None:
        world = self.world
        self._loose()
        self._surviving(lambda: world.ask("full"))
        for _ in range(steps):
            self._surviving(self._something)
        self._calm()
        self._assert(judge.at_any_time(world) + self.stale)
        before = world.tried.copy()
        world.settle_down(hours=2)
        self._reject_all()
        world.settle_down()
        self._assert(judge.at_rest(world) + judge.sent_for_ever(world, before, _IN_VAIN))
        self.meta.poison = None
        self._read_all()
        # A rejected item rests for a day or more before it is tried again.
        world.now_s += 8 * 24 * 3600
        world.settle_down()
        self._assert(judge.at_any_time(world) + judge.at_rest(world) + judge.in_the_end(world))
        self._let_grace_times_end()
        self._assert(judge.at_any_time(world) + judge.at_rest(world) + judge.in_the_very_end(world))
        if NEIGHBOUR in self.slugs:
            self._assert(judge.untouched(world, SLUG, ("token",)))

    def _read_all(self) -> None:
        """The stores are read while nothing is wrong: what looks improbable now is what their owners want."""
        for slug in self.slugs:
            self.world.ask("full", slug)
        self.world.settle_down()
        while held := self._held():
            self._decide(approval.approve, held[0].id)
            self.world.settle_down()

    def _let_grace_times_end(self) -> None:
        for _ in range(2):  # what is gone is missed by two complete pulls
            self._read_all()
        self.world.now_s += 32 * 24 * 3600
        self.world.settle_down()

    def problem(self) -> str | None:
        """Run, and say what went wrong in the end; None if nothing did."""
        try:
            self.play()
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed has found it
            return f"{type(error).__name__}: {error}"
        return None

    def tally(self) -> Counter[str]:
        """How much was thrown at it: a simulation without crashes proves nothing about them."""
        return Counter({"call": len(self.world.calls)}) + self.happened + self.meta.happened

    def close(self) -> None:
        self.world.close()

    def _assert(self, problems: list[str]) -> None:
        assert not problems, problems

    def _loose(self) -> None:
        world = self.world
        world.on_step = self._step
        world.watch_steps(self._side)
        world.on_call = self._call
        for shelf in world.shelves.values():
            shelf.on_page = lambda name: self._step(f"{name} page")

    def _calm(self) -> None:
        """No more faults; a poisoned item stays one."""
        world = self.world
        world.on_step = lambda _: None
        world.watch_steps(lambda *_: False)
        world.on_call = self.meta.always
        for shelf in world.shelves.values():
            shelf.on_page = lambda _: None
            shelf.failing = 0
            shelf.failures.clear()
            shelf.shown, shelf.cut = None, False
        self.meta.refused.clear()
        world.renew_token()
        # Polling and waiting for leases of the dead were part of the chaos; here they would only take time.
        world.meta.settings.latency_s = 1.0
        world.now_s += 100

    # What happens

    def _something(self) -> None:
        world, rng = self.world, self.rng
        dice = rng.random()
        if dice < 0.62 and world.wakes:
            self._deliver_one()
        elif dice < 0.76:
            self._change_store()
        elif dice < 0.84:
            try:
                world.ask(rng.choice(("full", "delta", "volatile", "volatile")), rng.choice(self.slugs))
            except BadInput:  # the shop waits for a token
                self.meta.refused.clear()
                world.renew_token()
        elif dice < 0.91:
            world.tick()
            world.tick()
        elif dice < 0.95:
            world.sweep()
            self._judge_held_runs()
        else:
            self._trouble_outside()
            self._let_pass(rng.choice((1, 5, 30, 100, 400)))

    def _deliver_one(self) -> None:
        world, rng = self.world, self.rng
        world.wakes.sort(key=lambda entry: entry[0])
        at, wake = world.wakes[rng.randrange(min(3, len(world.wakes)))]
        if self._until_s is not None and at > self._until_s:
            return
        world.wakes.remove((at, wake))
        world.now_s = max(world.now_s, at) + rng.random()
        if self._comes("lost wake-up", 0.05):
            return
        if self._comes("doubled wake-up", 0.1):
            world.wakes.append((world.now_s + rng.random() * 20, wake))
        try:
            world.deliver(wake)
        except OperationalError:
            world.wakes.append((world.now_s + 2, wake))  # as Celery tries it again

    def _surviving(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Crash:
            self.happened["crash"] += 1
        except OperationalError:
            pass  # nobody tries a command or a beat's message again

    def _judge_held_runs(self) -> None:
        for row in self._held():
            if self._comes("rejected by a person", 0.4):
                self._decide(approval.reject, row.id)
            elif self._comes("approved", 0.3):
                # Whatever the listing missed is gone because somebody says so.
                for shelf in self.world.shelves.values():
                    shelf.was_without.update(shelf.items)
                self._decide(approval.approve, row.id)

    def _decide(self, decide: Callable[..., list[Wake]], run_id: str) -> None:
        with suppress(BadInput):  # the shop waits for a token, or a newer run took over
            self.world.schedule(decide(self.world.context(), run_id, "tester"))

    def _reject_all(self) -> None:
        for row in self._held():
            self._decide(approval.reject, row.id)

    def _held(self) -> list[Any]:
        return [row for row in self.world.rows(run) if row.state == "held"]

    def _let_pass(self, seconds: float) -> None:
        end_s = self.world.now_s + seconds
        self.world.now_s = end_s if self._until_s is None else min(end_s, max(self._until_s, self.world.now_s))

    # What goes wrong

    def _comes(self, trouble: str, share: float) -> bool:
        """Whether it comes now, in this share of all chances."""
        if self.rng.random() >= share * self.rates[trouble]:
            return False
        self.happened[trouble] += 1
        return True

    def _step(self, name: str) -> None:
        rng = self.rng
        self.world.now_s += rng.random() * 0.05
        if rng.random() < 0.008 * self.rates["crash"]:
            raise Crash(name)
        if rng.random() < 0.03:
            self._change_store()
        if self._depth == 0 and name in _STILL and self._comes("zombie", 0.03):
            self._meanwhile(rng.choice((0.5, 2, 40, 100, 100)), rng.randrange(1, 8))

    def _call(self, edge: str, request: httpx.Request) -> Answer:
        if edge == "items_batch" and self._grows:
            catalog = request.url.path.rsplit("/", 2)[1]
            for record in json.loads(request.content)["requests"]:
                key = catalog, record["data"]["id"]
                revision = int(record["data"].get("title", "").partition(" r")[2] or 0)
                if 0 < revision < self._told.get(key, 0):
                    self.stale.append(f"Meta is told an older title of {key[1]} after a newer one")
                self._told[key] = max(self._told.get(key, 0), revision)
        return self.meta.draw(edge, request)

    def _side(self, step: str, side: str) -> bool:
        """A named step; True breaks its connection."""
        if side == "before":
            if step == "lane.5-post" and self._depth == 0 and self._comes("held call", 0.1):
                self._meanwhile(self.rng.random() * _HELD_S, 4, held=True)
            return self._comes("commit lost", 0.004)
        if step == "lane.3-commit" and self._depth == 0 and self._comes("held call", 0.1):
            self._meanwhile(self.rng.choice((0.5, 1.5, 3, 100)), 4)
        return self._comes("commit unknown", 0.004)

    def _meanwhile(self, seconds: float, actions: int, *, held: bool = False) -> None:
        """A process stands still and others go on, perhaps past its lease; ``held``: never longer than that."""
        self._depth += 1
        self._until_s = self.world.now_s + seconds if held else None
        if not held:
            self.world.now_s += seconds
        for _ in range(actions):
            self._let_pass(self.rng.choice((0.5, 2, 40)))
            self._surviving(self._something)
        self._until_s = None
        self._depth -= 1

    def _trouble_outside(self) -> None:
        world, rng = self.world, self.rng
        slug = rng.choice(self.slugs)
        shelf = world.shelves[slug]
        if self._comes("broker emptied", 0.2):
            world.wakes.clear()
        if self._jumped_s < _JUMPS_S and self._comes("clock jump", 0.3):
            self._jumped_s += 20
            world.step_back_s -= 20
        if self._comes("clock step back", 0.3):
            world.step_back_s += rng.random() * 3
        if self._comes("token refused", 0.2):
            self.meta.refused ^= {_CATALOGS[self.slugs[-1]]}
        if self._comes("repriced", 0.3):
            price = rng.choice(("0.10 USD", "10.00 USD", "1000.00 USD"))  # cents for units, or back
            for key in shelf.items:
                shelf.put(key, price=price)
        shelf.shown, shelf.cut = None, False
        if self._comes("empty pull", 0.2):
            shelf.shown = frozenset()
        elif len(world.at_meta(_CATALOGS[slug])) >= 9 and self._comes("shrunken pull", 0.3):
            shelf.shown = frozenset(sorted(shelf.items)[:2])
        elif self._comes("cut pull", 0.2):
            shelf.cut = True

    def _change_store(self) -> None:
        rng = self.rng
        slug = rng.choice(self.slugs)
        shelf = self.world.shelves[slug]
        dice = rng.random()
        key = rng.choice(sorted(shelf.items)) if shelf.items else "sku-00"
        if dice < 0.2 and self._before and not self._grows:
            self._change_back()
            return
        self._revision += 1
        if key in shelf.items:
            self._before.append((slug, key, dict(shelf.items[key])))
        if dice < 0.45:
            shelf.put(key, price=rng.choice(_PRICES))
        elif dice < 0.6:
            shelf.put(key, availability=rng.choice(("in stock", "out of stock")))
        elif dice < 0.85:
            name = f"Item {key} r{self._revision}" if self._grows else f"Item {key} {rng.randrange(4)}"
            shelf.put(key, title=name, color=rng.choice(_COLORS))
        elif dice < 0.9 and len(shelf.items) > 9:
            shelf.remove(key)
        elif dice < 0.96 and slug == SLUG:
            shelf.put(f"sku-{rng.randrange(20):02}")
        elif self._comes("store silent", 0.5):
            shelf.failing = rng.randrange(3)
        elif self._comes("store throttled", 0.5):
            shelf.failures.append(
                Throttled("Too many requests.", scope="store", retry_after_s=rng.choice((None, 30.0)))
            )
        elif self._comes("cursor expired", 0.5):
            shelf.failures.append(CursorExpired())

    def _change_back(self) -> None:
        """An item returns to what it was a moment ago, perhaps while the change is on its way."""
        slug, key, item = self._before.pop()
        shelf = self.world.shelves[slug]
        if key in shelf.items:
            shelf.put(key, **dict.fromkeys(shelf.items[key].keys() - item.keys()), **item)
