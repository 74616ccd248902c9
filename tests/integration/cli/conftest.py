"""A command line on a fresh database, in a directory of its own; Meta and the broker are replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from worker import broker, wiring
from worker.cli import registering
from worker.cli.health import health
from worker.cli.issues import issues
from worker.cli.item import item
from worker.cli.keys import keys
from worker.cli.runs import runs
from worker.cli.sending import sending
from worker.cli.shop import shop
from worker.cli.sync import sync
from worker.errors import TokenRefused
from worker.graph import Catalog
from worker.settings import read_settings
from worker.tasks import messages

COMMANDS = {
    "shop": shop,
    "sync": sync,
    "runs": runs,
    "issues": issues,
    "item": item,
    "keys": keys,
    "sending": sending,
    "health": health,
}

Cli = Callable[..., Result]


class FakeGraph:
    """Meta, as far as ``shop add`` asks it: every token but the ``refused`` reads every catalog."""

    calls: list[tuple[str, str]]
    refused: set[str]
    vertical: str

    def __init__(self, _config: object, token: str) -> None:
        self._token = token

    def catalog(self, catalog_id: str) -> Catalog:
        self.calls.append((self._token, catalog_id))
        if self._token in self.refused:
            raise TokenRefused("Meta refuses the token.", action="Create a new one.")
        return Catalog(id=catalog_id, name="Toys", vertical=self.vertical, product_count=0)

    def close(self) -> None: ...


class FakeWorkers:
    """Stands for the app: ``control.ping`` answers as ``alive`` says.

    Attributes:
        work: What they do when they are asked whether they live, and so once the run that waits for them was shown.
    """

    def __init__(self) -> None:
        self.alive = False
        self.pings = 0
        self.work: Callable[[], object] = lambda: None
        self.control = SimpleNamespace(broadcast=self._broadcast)

    def _broadcast(self, command: str, *, reply: bool, timeout: float, limit: int) -> list[dict[str, str]]:
        assert (command, reply, limit) == ("ping", True, 1)  # whoever waits for more waits the whole time
        self.pings += 1
        self.work()
        return [{"celery@here": "pong"}] if self.alive else []


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """SQLite alone: what differs on PostgreSQL lies below the commands and is tested there."""
    path = tmp_path / "shelfbeat.db"
    shutil.copyfile(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> type[FakeGraph]:
    FakeGraph.calls = []
    FakeGraph.refused = {"revoked"}
    FakeGraph.vertical = "commerce"
    monkeypatch.setattr(registering, "Graph", FakeGraph)
    return FakeGraph


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The wake-ups that would have become messages."""
    wakes: list[Any] = []

    def enqueue(given: Sequence[Any]) -> bool:
        wakes.extend(given)
        return True

    monkeypatch.setattr(messages, "enqueue", enqueue)
    monkeypatch.setattr(registering, "enqueue", enqueue)
    monkeypatch.setattr(broker, "ensure_broker", lambda _settings: "")
    monkeypatch.setattr(registering, "ensure_broker", lambda _settings: "")
    return wakes


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()


@pytest.fixture
def cli(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    meta: type[FakeGraph],
    sent: list[Any],
    workers: FakeWorkers,
) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    for name in ("META_GRAPH_URL", "META_APP_SECRET", "STORE_ALLOWED_NETWORKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TOKEN_KEYS", "a test key of thirty-two characters")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("ACME_TOKEN", "test-token")
    monkeypatch.setattr(wiring, "_contexts", {})
    read_settings.cache_clear()

    def call(*args: str, given: str | None = None) -> Result:
        command = COMMANDS[args[0]]
        return CliRunner().invoke(command, list(args[1:]), input=given, obj=SimpleNamespace(app=workers))

    yield call
    for context in wiring._contexts.values():
        context.engine.dispose()
    read_settings.cache_clear()


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """The command line, with one shop of the name ``acme``."""
    result = cli("shop", "add", "acme", "--store", "feed", "--store-url", "https://shop.example/feed.csv",
                 "--catalog", "1", "--token-env", "ACME_TOKEN")  # fmt: skip
    assert result.exit_code == 0, result.output
    return cli
