"""A Shelfbeat as it runs somewhere: daemons under a supervisor, its servers, and the network between them."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine

from tests.e2e.processes import Daemon, Installation
from tests.nemesis.proxy import Proxy
from tests.nemesis.servers import Broker, Database
from tests.nemesis.store import Stores
from worker.database.engine import database_now, make_engine, writing
from worker.database.tables import schedule
from worker.sandbox import Sandbox

Kind = Literal["servers", "embedded"]
Cadences = Mapping[str, str]

EVERY_MINUTE: Cadences = {"full": "* * * * * 0", "delta": "* * * * * 20", "volatile": "* * * * * 40"}
"""Each job every minute, and one after the other: then something is always under way."""

CANARY = "canary-nemesis-token"
"""The token of every shop here. It must turn up in no log, no broker and no database."""

CATALOGS = {"corner": "9001", "street": "9002", "market": "9003"}
_SIZES = {"corner": 40, "street": 300, "market": 2500}

_LATENCY_S = 2.0
# Longer than a call can be on its way here, on a busy machine too: what is sent may land as long as this.
_DRAIN_S = 10
_RESTART_S = 2.0
_PATIENCE_S = 120.0


class Post:
    """The place of one daemon: whoever dies here is replaced."""

    def __init__(self, installation: Installation, *arguments: str) -> None:
        self._installation = installation
        self.arguments = arguments
        self.down_until = 0.0
        self.expected = False
        self.daemon: Daemon = installation.start(*arguments)

    @property
    def pid(self) -> int:
        return self.daemon.process.pid

    def is_up(self) -> bool:
        return self.daemon.process.poll() is None

    def children(self) -> list[int]:
        """The pool processes of a worker."""
        with suppress(OSError):
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return []

    def stays_down(self, seconds: float) -> None:
        """Whoever is here is about to die, and is replaced after this long."""
        self.down_until = time.monotonic() + seconds
        self.expected = True

    def supervise(self) -> bool:
        """Replace a dead daemon when it is time. Returns whether one died that nobody had killed."""
        if self.is_up():
            return False
        by_itself = not self.expected
        if by_itself:
            self.stays_down(_RESTART_S)
        elif time.monotonic() >= self.down_until:
            self.daemon = self._installation.start(*self.arguments)
            self.expected = False
        return by_itself


class Site:
    """Two workers, two beats, three shops, and everything that they need.

    Attributes:
        broker, database, to_broker, to_database: None on embedded defaults, which have no network.
        deaths: Daemons that ended without being killed, by their last words.
    """

    def __init__(self, kind: Kind, seed: int, *, cadences: Cadences, sizes: dict[str, int] | None = None) -> None:
        self.kind = kind
        self.broker: Broker | None = None
        self.database: Database | None = None
        self.to_broker: Proxy | None = None
        self.to_database: Proxy | None = None
        self.deaths: list[str] = []
        self._engine: Engine | None = None
        self._directories = [Path(tempfile.mkdtemp(prefix="nemesis-"))]
        self.sandbox = Sandbox(latency_s=_LATENCY_S, seed=seed, record_cap=10_000_000).start()
        self.stores = Stores(sizes or _SIZES, seed)
        self.to_graph = Proxy(("127.0.0.1", self.sandbox.port))
        settings = {
            "META_GRAPH_URL": f"http://127.0.0.1:{self.to_graph.port}",
            "META_DRAIN_S": str(_DRAIN_S),
            "STORE_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        if kind == "servers":
            settings |= self._servers()
        self.installation = Installation(self._directories[0], settings)
        self.posts: list[Post] = []
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        try:
            self._open(cadences)
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> list[Post]:
        return [post for post in self.posts if post.arguments[0] == "worker"]

    @property
    def beats(self) -> list[Post]:
        return [post for post in self.posts if post.arguments[0] == "beat"]

    @property
    def directories(self) -> list[Path]:
        """Where everything of this site lies: logs, the broker's file, the database's files."""
        return list(self._directories)

    @property
    def engine(self) -> Engine:
        """The database, past every proxy."""
        if self._engine is None:
            path = self.installation.directory / "var/shelfbeat.db"
            self._engine = make_engine(self.database.url() if self.database else f"sqlite:///{path}")
        return self._engine

    def heal(self) -> None:
        """What is still in the way of calls, outside the processes. Connections that were forgotten stay forgotten."""
        for proxy in (self.to_graph, self.to_broker, self.to_database):
            if proxy is not None:
                proxy.delay(0)
                proxy.resume()
        self.sandbox.control("faults", method="DELETE")
        self.forget_endless_handles()
        self.stores.be_well()
        for post in self.posts:
            with suppress(ProcessLookupError):
                os.killpg(post.pid, signal.SIGCONT)

    def forget_endless_handles(self) -> None:
        """Handles that never end are waited for during an hour, which nobody has here: Meta forgets them."""
        with self.sandbox.world.lock:
            for batch in self.sandbox.world.model.batches.values():
                if batch.fault.ending == "never":
                    batch.fault = dataclasses.replace(batch.fault, forget=True)

    def dismiss(self, posts: list[Post]) -> float:
        """SIGTERM to these, for good, and SIGKILL after two minutes. Returns how many seconds the last one took."""
        began = time.monotonic()
        for post in posts:
            self.posts.remove(post)
            post.daemon.process.terminate()
        for post in posts:
            try:
                post.daemon.process.wait(timeout=max(1.0, began + _PATIENCE_S - time.monotonic()))
            except subprocess.TimeoutExpired:
                post.daemon.kill()
        return time.monotonic() - began

    def close(self, *, keep: bool = False) -> None:
        """End everything. ``keep`` leaves the directories for whoever has to find out."""
        self._closing.set()
        if self._watch.is_alive():
            self._watch.join()
        self.installation.close()
        if self._engine is not None:
            self._engine.dispose()
        for proxy in (self.to_graph, self.to_broker, self.to_database):
            if proxy is not None:
                proxy.close()
        if self.broker is not None:
            self.broker.kill()
        if self.database is not None:
            with suppress(RuntimeError):
                self.database.stop()
        self.stores.close()
        self.sandbox.stop()
        if not keep:
            for directory in self._directories:
                shutil.rmtree(directory, ignore_errors=True)

    def _servers(self) -> dict[str, str]:
        # Of its own, because the user postgres cannot enter a directory of ours.
        self._directories += [Path(tempfile.mkdtemp(prefix="nemesis-")) for _ in range(2)]
        self.broker = Broker(self._directories[1])
        self.database = Database(self._directories[2])
        self.to_broker = Proxy(("127.0.0.1", self.broker.port))
        self.to_database = Proxy(("127.0.0.1", self.database.port))
        return {
            "REDIS_URL": f"redis://127.0.0.1:{self.to_broker.port}/0",
            "DATABASE_URL": self.database.url(self.to_database.port),
            "TOKEN_KEYS": "a key for the nemesis and nobody else",
        }

    def _open(self, cadences: Cadences) -> None:
        self.installation.must("db", "upgrade")
        for slug in self.stores.shops:
            self.installation.add_feed(slug, self.stores.url(slug), CATALOGS[slug], token=CANARY)
        with writing(self.engine) as connection:
            # By hand: nine commands would take longer than some runs.
            for job, cron in cadences.items():
                connection.execute(
                    schedule.update()
                    .where(schedule.c.job == job)
                    .values(cron=cron, next_run_at=database_now(connection))
                )
        for number in range(2):
            name = f"worker-{number}@%h"
            self.posts.append(Post(self.installation, "worker", "-c", "3", "-n", name, "--loglevel", "info"))
        self.posts += [Post(self.installation, "beat") for _ in range(2)]
        self._watch.start()

    def _supervise(self) -> None:
        while not self._closing.wait(0.5):
            for post in list(self.posts):
                if post.supervise():
                    self.deaths.append(f"{post.arguments[0]}: {post.daemon.text.strip().splitlines()[-1:]}")
