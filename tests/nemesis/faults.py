"""What can go wrong, how often and for how long; and the plan of a run, which a seed repeats."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import redis

from tests.nemesis.proxy import Proxy
from tests.nemesis.site import Kind, Post, Site

End = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that goes wrong. ``pick`` chooses among those whom it may hit, ``lasts_s`` says for how long."""

    at_s: float
    kind: str
    pick: int
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """How often compared with others, for how many seconds, and what happens: it may return what ends it."""

    weight: int
    shortest_s: float
    longest_s: float
    begin: Callable[[Site, Event], End | None]
    sites: tuple[Kind, ...] = ("servers", "embedded")


def plan(seed: int, seconds: float, kind: Kind, *, every_s: float = 3.0, pace: float = 1.0) -> list[Event]:
    """The events of a run, by time. Nothing but the arguments decides them.

    Args:
        every_s: Mean time between two events.
        pace: How much of its usual time each event lasts.
    """
    rng = random.Random(f"{seed} {kind}")
    kinds = [name for name, fault in FAULTS.items() if kind in fault.sites]
    weights = [FAULTS[name].weight for name in kinds]
    events: list[Event] = []
    at_s = 0.0
    while (at_s := at_s + rng.expovariate(1 / every_s)) < seconds:
        name = rng.choices(kinds, weights)[0]
        fault = FAULTS[name]
        lasts_s = rng.uniform(fault.shortest_s, fault.longest_s) * pace
        events.append(Event(round(at_s, 3), name, rng.randrange(1 << 16), round(lasts_s, 3)))
    return events


# Processes


def _kill_main(site: Site, event: Event) -> None:
    post = _pick(site.workers, event)
    post.stays_down(event.lasts_s)
    _signal(post.pid, signal.SIGKILL)


def _kill_group(site: Site, event: Event) -> None:
    post = _pick(site.workers, event)
    post.stays_down(event.lasts_s)
    _signal_group(post.pid, signal.SIGKILL)


def _kill_child(site: Site, event: Event) -> None:
    children = _pick(site.workers, event).children()
    if children:
        _signal(children[event.pick // 7 % len(children)], signal.SIGKILL)


def _stop_group(site: Site, event: Event) -> End:
    pid = _pick(site.workers, event).pid
    _signal_group(pid, signal.SIGSTOP)
    return lambda: _signal_group(pid, signal.SIGCONT)


def _stop_child(site: Site, event: Event) -> End | None:
    children = _pick(site.workers, event).children()
    if not children:
        return None
    pid = children[event.pick // 7 % len(children)]
    _signal(pid, signal.SIGSTOP)
    return lambda: _signal(pid, signal.SIGCONT)


def _terminate(site: Site, event: Event) -> None:
    post = _pick(site.workers, event)
    post.stays_down(event.lasts_s)
    _signal(post.pid, signal.SIGTERM)


def _kill_beat(site: Site, event: Event) -> None:
    post = _pick(site.beats, event)
    post.stays_down(event.lasts_s)
    _signal(post.pid, signal.SIGKILL)


def _stop_beat(site: Site, event: Event) -> End:
    pid = _pick(site.beats, event).pid
    _signal(pid, signal.SIGSTOP)
    return lambda: _signal(pid, signal.SIGCONT)


def _kill_everything(site: Site, event: Event) -> None:
    """As when the power of one machine fails; only the stores and Meta are elsewhere."""
    for post in site.posts:
        post.stays_down(event.lasts_s)
        _signal_group(post.pid, signal.SIGKILL)
    _restart(_restart_broker(site, event))
    if site.database is not None:
        _restart(_restart_database("immediate")(site, event))


def _restart(end: End | None) -> None:
    if end is not None:
        end()


# The broker


def _restart_broker(site: Site, _: Event) -> End | None:
    if site.broker is not None:
        site.broker.kill()
        return site.broker.start
    # The embedded one: its daemons bring it back.
    with suppress(OSError, ValueError):
        pid = (site.installation.directory / "var/broker/broker.pid").read_text()
        os.kill(int(pid), signal.SIGKILL)
    return None


def _flush_broker(site: Site, _: Event) -> None:
    client = site.broker.client() if site.broker else site.installation.broker()
    with client, suppress(redis.RedisError):
        client.flushall()


def _hang_broker(site: Site, _: Event) -> End:
    assert site.broker is not None
    site.broker.stop_answering()
    return site.broker.answer_again


# The database


def _restart_database(mode: str) -> Callable[[Site, Event], End]:
    def begin(site: Site, _: Event) -> End:
        database = site.database
        assert database is not None
        with suppress(RuntimeError):  # another event has stopped it
            database.stop("fast" if mode == "fast" else "immediate")

        def again() -> None:
            with suppress(RuntimeError):
                database.start()

        return again

    return begin


def _kill_sessions(site: Site, _: Event) -> None:
    assert site.database is not None
    with suppress(RuntimeError):
        site.database.kill_connections()


def _lock_database(site: Site, event: Event) -> End:
    """Somebody else writes to the SQLite file and takes his time: a backup, say."""
    done = threading.Event()

    def hold() -> None:
        path = site.installation.directory / "var/shelfbeat.db"
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            done.wait(event.lasts_s)
            connection.execute("ROLLBACK")
        connection.close()

    threading.Thread(target=hold, daemon=True).start()
    return done.set


# The network


def _reset(wire: Callable[[Site], Proxy | None]) -> Callable[[Site, Event], None]:
    def begin(site: Site, _: Event) -> None:
        proxy = wire(site)
        assert proxy is not None
        proxy.reset()

    return begin


def _half_open(wire: Callable[[Site], Proxy | None]) -> Callable[[Site, Event], None]:
    def begin(site: Site, event: Event) -> None:
        proxy = wire(site)
        assert proxy is not None
        proxy.half_open(*(((), ("up",), ("down",))[event.pick % 3]))

    return begin


def _stall(wire: Callable[[Site], Proxy | None]) -> Callable[[Site, Event], End]:
    def begin(site: Site, _: Event) -> End:
        proxy = wire(site)
        assert proxy is not None
        proxy.stall()
        return proxy.resume

    return begin


def _delay(wire: Callable[[Site], Proxy | None]) -> Callable[[Site, Event], End]:
    def begin(site: Site, event: Event) -> End:
        proxy = wire(site)
        assert proxy is not None
        proxy.delay(0.02 + event.pick % 10 / 100)
        return lambda: proxy.delay(0)

    return begin


# Meta and the stores


def _graph(route: str, action: str, **more: object) -> Callable[[Site, Event], None]:
    def begin(site: Site, event: Event) -> None:
        site.sandbox.fault(route, action, **{"times": 1 + event.pick % 2, **more})

    return begin


def _never(site: Site, _: Event) -> End:
    site.sandbox.fault("items_batch", "ending", state="never")
    return site.forget_endless_handles


def _store(mishap: str) -> Callable[[Site, Event], None]:
    def begin(site: Site, event: Event) -> None:
        site.stores.go_wrong(mishap, 1 + event.pick % 4)  # type: ignore[arg-type]  # one of the literals below

    return begin


def _pick(posts: list[Post], event: Event) -> Post:
    return posts[event.pick % len(posts)]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


_TOO_MUCH = "Please reduce the amount of data you're asking for, then retry your request"
_SERVERS: tuple[Kind, ...] = ("servers",)
_EMBEDDED: tuple[Kind, ...] = ("embedded",)


def _broker_wire(site: Site) -> Proxy | None:
    return site.to_broker


def _database_wire(site: Site) -> Proxy | None:
    return site.to_database


def _graph_wire(site: Site) -> Proxy:
    return site.to_graph


FAULTS: dict[str, Fault] = {
    "worker: kill -9 of the main process": Fault(4, 0.5, 8, _kill_main),
    "worker: kill -9 of the whole group": Fault(4, 0.5, 8, _kill_group),
    "worker: kill -9 of a pool process": Fault(4, 0, 0, _kill_child),
    "worker: SIGSTOP of the whole group": Fault(3, 5, 40, _stop_group),
    "worker: SIGSTOP of a pool process": Fault(3, 5, 40, _stop_child),
    "worker: SIGTERM": Fault(3, 0.5, 5, _terminate),
    "beat: kill -9": Fault(2, 0.5, 20, _kill_beat),
    "beat: SIGSTOP": Fault(1, 5, 40, _stop_beat),
    "everything: kill -9": Fault(1, 0, 5, _kill_everything),
    "broker: kill -9": Fault(3, 0.5, 10, _restart_broker),
    "broker: FLUSHALL": Fault(2, 0, 0, _flush_broker),
    "broker: hangs": Fault(2, 3, 20, _hang_broker, _SERVERS),
    "broker: connections reset": Fault(2, 0, 0, _reset(_broker_wire), _SERVERS),
    "broker: connections half-open": Fault(2, 0, 0, _half_open(_broker_wire), _SERVERS),
    "broker: network away": Fault(2, 3, 20, _stall(_broker_wire), _SERVERS),
    "broker: network slow": Fault(1, 5, 20, _delay(_broker_wire), _SERVERS),
    "database: restart, fast": Fault(2, 0.5, 8, _restart_database("fast"), _SERVERS),
    "database: restart, immediate": Fault(2, 0.5, 8, _restart_database("immediate"), _SERVERS),
    "database: connections killed": Fault(3, 0, 0, _kill_sessions, _SERVERS),
    "database: connections reset": Fault(2, 0, 0, _reset(_database_wire), _SERVERS),
    "database: connections half-open": Fault(2, 0, 0, _half_open(_database_wire), _SERVERS),
    "database: network away": Fault(2, 3, 20, _stall(_database_wire), _SERVERS),
    "database: network slow": Fault(1, 5, 20, _delay(_database_wire), _SERVERS),
    "database: locked by somebody else": Fault(6, 1, 40, _lock_database, _EMBEDDED),
    "Meta: connections reset": Fault(2, 0, 0, _reset(_graph_wire)),
    "Meta: connections half-open": Fault(2, 0, 0, _half_open(_graph_wire)),
    "Meta: throttles writes": Fault(2, 0, 0, _graph("items_batch", "error", code=80014)),
    "Meta: throttles polls": Fault(2, 0, 0, _graph("batch_status", "error", code=80009)),
    "Meta: code 1": Fault(1, 0, 0, _graph("items_batch", "error", code=1)),
    "Meta: code 1, too much data": Fault(1, 0, 0, _graph("items_batch", "error", code=1, message=_TOO_MUCH)),
    "Meta: code 2": Fault(1, 0, 0, _graph("graph", "error", code=2)),
    "Meta: 502 after acceptance": Fault(3, 0, 0, _graph("items_batch", "text", accepted=True)),
    "Meta: hangs after acceptance": Fault(2, 0, 0, _graph("items_batch", "hang", seconds=15)),
    "Meta: slow": Fault(2, 0, 0, _graph("graph", "slow", seconds=3)),
    "Meta: rejects some items": Fault(3, 0, 0, _graph("items_batch", "reject", count=3)),
    "Meta: rejects some and names none": Fault(1, 0, 0, _graph("items_batch", "reject", count=3, hide_ids=True)),
    "Meta: handle ends in error": Fault(2, 0, 0, _graph("items_batch", "ending", state="error")),
    "Meta: handle never ends": Fault(1, 10, 30, _never),
    "Meta: handle unknown": Fault(1, 0, 0, _graph("items_batch", "forget")),
    "Meta: no handle": Fault(1, 0, 0, _graph("items_batch", "no_handle")),
    "store: 500": Fault(2, 0, 0, _store("500")),
    "store: 429": Fault(2, 0, 0, _store("429")),
    "store: truncated": Fault(3, 0, 0, _store("truncated")),
    "store: slow": Fault(2, 0, 0, _store("slow")),
}  # fmt: skip
