"""A seeded run in which everything goes wrong for a while, and the judgement when it has come to rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.simulation.world import Crash, World
from worker.database.tables import pending, snapshot
from worker.errors import BadInput
from worker.items import prepare
from worker.sandbox.batches import BatchFault
from worker.sync.context import Limits

_PRICES = ("9.00 USD", "10.00 USD", "11.00 USD", "12.50 USD")
_COLORS = ("red", "blue", None)


class Chaos:
    """One shop of about a dozen items, three jobs, and faults at every step."""

    def __init__(self, path: Path, seed: int, *, limits: Limits | None = None) -> None:
        self.world = World(path, seed, limits=limits, latency_s=15.0)
        self.rng = self.world.rng
        self.depth = 0
        self.before: list[tuple[str, dict[str, Any]]] = []
        self.crashes = self.zombies = self.lost = self.doubled = 0
        for number in range(12):
            self.world.shelf.put(f"sku-{number:02}")
        self.world.shelf.one_export = seed % 4 == 0

    def run(self, steps: int = 150) -> None:
        world = self.world
        world.on_step = self._step
        world.on_call = self._call
        world.shelf.on_page = lambda name: self._step(f"{name} page")
        for _ in range(steps):
            self._surviving(self._something)
        world.on_step = lambda _: None
        world.on_call = lambda *_: None
        world.shelf.on_page = lambda _: None
        world.shelf.failing = 0
        world.settle_down()
        for job in ("full", "volatile", "full"):
            world.run_to_rest(job)
        # A rejected item rests for a day before it is tried again.
        world.now_s += 8 * 24 * 3600
        world.settle_down()
        self.judge()

    def problem(self) -> str | None:
        """Run, and say what went wrong in the end; None if nothing did."""
        try:
            self.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed has found it
            return f"{type(error).__name__}: {error}"
        return None

    def tally(self) -> dict[str, int]:
        """How much was thrown at it: a simulation without crashes proves nothing about them."""
        return {
            "calls": len(self.world.calls),
            "crashes": self.crashes,
            "zombies": self.zombies,
            "lost": self.lost,
            "doubled": self.doubled,
        }

    def close(self) -> None:
        self.world.close()

    def judge(self) -> None:
        world = self.world
        problems = world.differences()
        problems += [f"{key} was in two calls that could land in any order" for key in sorted(world.overlaps)]
        problems += [f"{owner} sent without holding the lane" for owner in world.intruders]
        problems += [f"{row.retailer_id} is still pending" for row in world.rows(pending)]
        problems += self._misbelieved()
        assert not problems, problems

    def _misbelieved(self) -> list[str]:
        """Where the snapshot claims what Meta does not have."""
        shown = self.world.at_meta()
        problems = []
        for row in self.world.rows(snapshot):
            if row.state & 1:
                if row.retailer_id in shown:
                    problems.append(f"{row.retailer_id} is believed archived")
                continue
            if row.retailer_id not in shown:
                problems.append(f"{row.retailer_id} is believed to be there")
                continue
            prepared = prepare(row.retailer_id, dict(shown[row.retailer_id]), "USD")
            if (prepared.content_fp, prepared.volatile_fp) != (row.content_fp, row.volatile_fp):
                problems.append(f"{row.retailer_id} is believed to be otherwise")
        return problems

    # Faults

    def _something(self) -> None:
        world, rng = self.world, self.rng
        dice = rng.random()
        if dice < 0.62 and world.wakes:
            self._deliver_one()
        elif dice < 0.80:
            self._change_store()
        elif dice < 0.92:
            try:
                world.ask(rng.choice(("full", "delta", "volatile", "volatile")))
            except BadInput:
                world.settle_down(hours=0)
        elif dice < 0.96:
            world.sweep()
        else:
            world.now_s += rng.choice((1, 5, 30, 100, 400))

    def _deliver_one(self) -> None:
        world, rng = self.world, self.rng
        world.wakes.sort(key=lambda entry: entry[0])
        at, wake = world.wakes.pop(rng.randrange(min(3, len(world.wakes))))
        world.now_s = max(world.now_s, at) + rng.random()
        if rng.random() < 0.05:
            self.lost += 1
            return
        if rng.random() < 0.1:
            self.doubled += 1
            world.wakes.append((world.now_s + rng.random() * 20, wake))
        world.deliver(wake)

    def _surviving(self, action: Any) -> None:
        try:
            action()
        except Crash:
            self.crashes += 1

    def _step(self, name: str) -> None:
        rng = self.rng
        self.world.now_s += rng.random() * 0.05
        dice = rng.random()
        if dice < 0.008:
            raise Crash(name)
        if dice < 0.03:
            self._change_store()
        # Held up at a point where no transaction is open: others go on, perhaps past the lease.
        elif dice < 0.055 and self.depth == 0 and name in ("begin", "after items_batch", "before page", "after page"):
            self.zombies += 1
            self.depth += 1
            self.world.now_s += rng.choice((0.5, 2, 40, 100, 100))
            for _ in range(rng.randrange(1, 8)):
                self.world.now_s += rng.choice((0.5, 2, 40))
                self._surviving(self._something)
            self.depth -= 1

    def _change_store(self) -> None:
        shelf, rng = self.world.shelf, self.rng
        dice = rng.random()
        key = rng.choice(sorted(shelf.items)) if shelf.items else "sku-00"
        if dice < 0.2 and self.before:
            self._change_back()
            return
        if key in shelf.items:
            self.before.append((key, dict(shelf.items[key])))
        if dice < 0.45:
            shelf.put(key, price=rng.choice(_PRICES))
        elif dice < 0.6:
            shelf.put(key, availability=rng.choice(("in stock", "out of stock")))
        elif dice < 0.85:
            shelf.put(key, title=f"Item {key} {rng.randrange(4)}", color=rng.choice(_COLORS))
        elif dice < 0.9 and len(shelf.items) > 9:
            shelf.remove(key)
        elif dice < 0.96:
            shelf.put(f"sku-{rng.randrange(20):02}")
        else:
            shelf.failing = rng.randrange(3)

    def _change_back(self) -> None:
        """An item returns to what it was a moment ago, perhaps while the change is on its way."""
        key, item = self.before.pop()
        shelf = self.world.shelf
        if key in shelf.items:
            shelf.put(key, **dict.fromkeys(shelf.items[key].keys() - item.keys()), **item)

    def _call(self, edge: str, _: httpx.Request) -> BatchFault | httpx.Response | None:
        if edge != "items_batch":
            return self._drawn(
                (0.03, lambda: _refusal(80009, "too many calls")),
                (0.03, lambda: httpx.Response(502, text="Bad gateway")),
            )
        rng = self.rng
        return self._drawn(
            (0.04, lambda: _refusal(80014, "too many calls")),
            (0.03, lambda: _refusal(2, "try again")),
            (0.02, lambda: _refusal(1, "Please reduce the amount of data you're asking for, then retry your request")),
            (0.03, lambda: BatchFault(ending="error", share=rng.random())),
            (0.02, lambda: BatchFault(ending="canceled", share=rng.random())),
            (0.02, lambda: BatchFault(ending="never")),
            (0.02, lambda: BatchFault(forget=True)),
            (0.02, lambda: BatchFault(no_handle=True)),
            (0.05, lambda: BatchFault(reject_count=1)),
            (0.02, lambda: BatchFault(reject_count=1, hide_ids=True)),
            (0.03, lambda: BatchFault(delay_s=rng.random() * 80)),
        )

    def _drawn(
        self, *faults: tuple[float, Callable[[], BatchFault | httpx.Response]]
    ) -> BatchFault | httpx.Response | None:
        """One of these faults, each with its share of all calls, or none."""
        dice = self.rng.random()
        for share, fault in faults:
            if dice < share:
                return fault()
            dice -= share
        return None


def _refusal(code: int, message: str) -> httpx.Response:
    error = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return httpx.Response(400, json={"error": error})
