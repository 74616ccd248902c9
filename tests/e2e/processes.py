"""An installation as an operator has it: a working directory, daemons, and commands typed as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import redis

from worker.broker import files
from worker.settings import Settings

CHECKOUT = Path(__file__).parents[2]
CELERY = [str(Path(sys.executable).with_name("celery")), "-A", "worker"]

TOKEN = "test-token"
"""The token of every shop that a test does not care about."""

PATIENCE_S = 300.0
"""How long a test waits for what has to come, on whatever machine and beside whatever else runs there. When things go
well it costs nothing; another number stands only where a time is what a test is about."""

RUN_KEYS = (
    "run shop job state started_at finished_at pulled invalid unchanged created updated removed accepted rejected "
    "pending calls error"
).split()
"""The members of a run in JSON, as the contract lists them."""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout; anything else there fails the test."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """What a refused command says: exactly one line on stderr, and no traceback."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("Error: ")


@dataclass
class Daemon:
    """A daemon with its process group, as a supervisor starts it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL to the whole group: the main process and its pool at once, as when a machine dies."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """The polite way, and the other one if that takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()


class Installation:
    """One working directory with its settings; everything started in it ends with it.

    Args:
        directory: An empty directory.
        settings: Our variables; any that the test's own environment has are left out.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        self.directory = directory
        ours = {name.upper() for name in Settings.model_fields}
        # Compiled modules are kept, as at a user's; without them every command takes seconds.
        ours.add("PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        self.environment = {**inherited, "PYTHONPATH": str(CHECKOUT), "LOG_FORMAT": "json"}
        self.environment |= settings
        self.daemons: list[Daemon] = []

    def run(self, *arguments: str, typed: str = "", timeout_s: float = PATIENCE_S, **environment: str) -> Done:
        """``celery -A worker ARGUMENTS``. ``typed`` is what standard input holds."""
        done = subprocess.run(
            [*CELERY, *arguments],
            cwd=self.directory,
            env={**self.environment, **environment},
            input=typed,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, *arguments: str, **more: Any) -> Done:
        """A command that has to end with 0."""
        done = self.run(*arguments, **more)
        assert done.code == 0, (arguments, done)
        return done

    def json(self, *arguments: str) -> Any:
        return self.must(*arguments, "--json").json

    def add_feed(self, slug: str, feed: str | Path, catalog: str, *, token: str = TOKEN) -> None:
        """Register a shop."""
        self.must("shop", "add", slug, "--store", "feed", "--store-url", str(feed), "--catalog", catalog,
                  "--token-env", "META_TOKEN", META_TOKEN=token)  # fmt: skip

    def sync(self, job: str, slug: str, wait_s: float = PATIENCE_S) -> dict[str, Any]:
        """The report of a run that has to succeed."""
        done = self.run("sync", job, slug, "--wait", f"{wait_s:g}", "--json", timeout_s=wait_s + 60)
        assert done.code == 0, (done, self.logs())
        return dict(done.json)

    def start(self, *arguments: str) -> Daemon:
        """A daemon in a session of its own."""
        log = self.directory / f"{arguments[0]}-{len(self.daemons)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*CELERY, *arguments],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        daemon = Daemon(arguments[0], process, log)
        self.daemons.append(daemon)
        return daemon

    def start_worker(self, *arguments: str, concurrency: int = 2) -> Daemon:
        """A worker that has said it is ready."""
        worker = self.start("worker", "-c", str(concurrency), *arguments)
        until(lambda: "ready." in worker.text or worker.process.poll() is not None)
        assert worker.process.poll() is None, worker.text
        return worker

    def broker(self) -> redis.Redis:
        """A client of the broker, for a test that plays a disaster."""
        if url := self.environment.get("REDIS_URL"):
            return redis.Redis.from_url(url)
        return redis.Redis(unix_socket_path=str(files(self.directory).socket))

    def logs(self) -> str:
        """The end of every daemon's log, for the message of a failed test."""
        return "\n".join(f"--- {daemon.log.name}\n{daemon.text[-3000:]}" for daemon in self.daemons)

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.process.terminate()
        for daemon in self.daemons:
            daemon.stop()
        self.run("down")


def until(holds: Callable[[], Any], seconds: float = PATIENCE_S, every_s: float = 0.1) -> Any:
    """The first true answer of ``holds``; a test fails here if there is none in time."""
    ends = time.monotonic() + seconds
    while True:
        if answer := holds():
            return answer
        assert time.monotonic() < ends, f"It did not happen within {seconds:g} s."
        time.sleep(every_s)


def write_feed(path: Path, items: Mapping[str, Mapping[str, Any]]) -> None:
    """A CSV feed, replaced as a whole as a careful exporter does it."""
    columns = list(dict.fromkeys(["id", *(name for item in items.values() for name in item)]))
    lines = [",".join(columns)]
    lines += [",".join(str({"id": key, **item}.get(name, "")) for name in columns) for key, item in items.items()]
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(path)


def product(number: int, **changes: Any) -> dict[str, Any]:
    """An item that Meta takes as it is; without commas, so that ``write_feed`` needs no quotes."""
    return {
        "title": f"Plain mug {number}",
        "description": f"Mug number {number} of a small series",
        "availability": "in stock",
        "condition": "new",
        "price": f"{number % 90 + 5}.50 USD",
        "link": f"https://shop.example/products/mug-{number}",
        "image_link": f"https://images.shop.example/mug-{number}.jpg",
        "brand": "Ovenbird",
        "quantity_to_sell_on_facebook": 7,
        **changes,
    }


def products(count: int) -> dict[str, dict[str, Any]]:
    return {f"mug-{number}": product(number) for number in range(1, count + 1)}
