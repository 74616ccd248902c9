"""Secrets that are easy to recognise, a whole story with every kind of failure, and then a search in everything.

Meta and the store of this story are as careless as they can be: both repeat the credential in what they answer.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from tests.e2e.conftest import NO_REDIS, a_redis_of_our_own
from tests.e2e.processes import PATIENCE_S, Done, Installation, products, until, write_feed
from worker.database.engine import make_engine, reading
from worker.database.tables import metadata

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

WAIT = f"{PATIENCE_S:g}"

CANARIES = {
    "Meta token": "canary-meta-token-5f1e",
    "new Meta token": "canary-other-token-77ab",
    "app secret": "canary-app-secret-90c2",
    "store credential": "canary-store-key-31d4",
    "Flower password": "canary-flower-password-b8",
    "key": "canary-key-of-more-than-32-characters",
    "newer key": "canary-newer-key-of-more-than-32-chars",
    "database password": "canary-database-password-6e",
    "broker password": "canary-broker-password-2a",
}


class Meta(ThreadingHTTPServer):
    """Passes everything on to the sandbox and notes the addresses; careless where it refuses.

    Attributes:
        addresses: Method and target of each request.
        revoked: Whether it refuses every token, and quotes it.
    """

    def __init__(self, sandbox_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.sandbox = urlsplit(sandbox_url).netloc
        self.addresses: list[str] = []
        self.revoked = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Passing(BaseHTTPRequestHandler):
    server: Meta

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        self.server.addresses.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "vendure" in self.path:
            self._answer(401, f"<h1>Wrong key {self.headers['vendure-api-key']}</h1>".encode())
            return
        if self.server.revoked:
            said = f"Error validating access token {self.headers['Authorization']} at {self.path}"
            self._answer(400, json.dumps({"error": {"code": 190, "message": said}}).encode())
            return
        onward = http.client.HTTPConnection(self.server.sandbox)
        onward.request(self.command, self.path, body or None, dict(self.headers))
        answer = onward.getresponse()
        self._answer(answer.status, answer.read(), answer.getheader("Content-Type", ""))
        onward.close()

    do_GET = do_POST  # noqa: N815  # the name is http.server's

    def _answer(self, status: int, body: bytes, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class CommandLines(threading.Thread):
    """Collects the arguments of every process on this machine that can be read, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue  # it has ended


@pytest.fixture
def meta(sandbox) -> Iterator[Meta]:
    sandbox.control("reset", {})
    server = Meta(sandbox.url)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["embedded", pytest.param("servers", marks=pytest.mark.long)])
def site(request, tmp_path, meta) -> Iterator[Installation]:
    settings = {
        "META_GRAPH_URL": meta.url,
        "META_APP_SECRET": CANARIES["app secret"],
        "TOKEN_KEYS": CANARIES["key"],
        "FLOWER_BASIC_AUTH": f"op:{CANARIES['Flower password']}",
        "META_TOKEN": CANARIES["Meta token"],
        "OTHER_TOKEN": CANARIES["new Meta token"],
        "STORE_KEY": CANARIES["store credential"],
    }
    directory = tmp_path / "my shop"
    directory.mkdir()
    if request.param == "embedded":
        installation = Installation(directory, settings)
        yield installation
        installation.close()
        return
    postgres = request.getfixturevalue("postgres_server")
    url = postgres.make()
    with a_redis_of_our_own() as redis_url:
        if redis_url is None:
            pytest.skip(NO_REDIS)
        # A server that trusts everybody takes any password.
        parts = urlsplit(url)
        secret = f"{parts.username}:{CANARIES['database password']}@{parts.netloc.rpartition('@')[2]}"
        settings |= {"DATABASE_URL": parts._replace(netloc=secret).geturl(), "REDIS_URL": redis_url}
        installation = Installation(directory, settings)
        installation.must("db", "upgrade")
        yield installation
        installation.close()
    postgres.drop(url)


def tell(site: Installation, meta: Meta) -> list[Done]:
    """Everything that can be done, right and wrong. Returns what the commands wrote."""
    feed = site.directory / "feed.csv"
    write_feed(feed, products(3))
    told = [
        site.must("shop", "add", "acme", "--store", "feed", "--store-url", str(feed), "--catalog", "1001",
                  "--token-env", "META_TOKEN"),
        site.must("shop", "add", "vend", "--store", "vendure", "--store-url", f"{meta.url}/vendure",
                  "--catalog", "1002", "--store-option", "storefront_url=https://vend.example/{slug}",
                  "--token-env", "META_TOKEN", "--store-secret-env", "STORE_KEY"),
        site.must("sync", "full", "acme", "--wait", WAIT, "--json"),
        site.run("sync", "full", "vend", "--wait", WAIT),
    ]  # fmt: skip
    assert told[-1].code == 1
    site.environment["TOKEN_KEYS"] = f"{CANARIES['newer key']},{CANARIES['key']}"
    told += [site.must("keys", "rotate"), site.must("keys", "status", "--json")]
    site.environment["TOKEN_KEYS"] = CANARIES["key"]
    told += [site.run("keys", "status"), site.run("sync", "full", "vend", "--wait", WAIT, "--json")]
    assert [done.code for done in told[-2:]] == [1, 1]
    site.environment["TOKEN_KEYS"] = f"{CANARIES['newer key']},{CANARIES['key']}"
    site.daemons[0].stop()
    site.start_worker()

    meta.revoked = True
    write_feed(feed, {**products(3), "mug-4": products(4)["mug-4"]})
    told.append(site.run("sync", "full", "acme", "--wait", WAIT))
    assert told[-1].code == 1
    told += [
        site.run("shop", "token", "acme", "--token-env", "OTHER_TOKEN"),
        site.run("shop", "resume", "acme"),
        site.run("shop", "add", "new", "--store", "feed", "--store-url", str(feed), "--catalog", "1003",
                 typed=f"{CANARIES['new Meta token']}\n"),
        site.run("shop", "add", "new", "--store", "feed", "--catalog", "1003", "--token-env", "NOT_THERE"),
        site.run("shop", "token", "ghost", typed=f"{CANARIES['new Meta token']}\n"),
        site.run("shop", "list", DATABASE_URL=f"postgresql://op:{CANARIES['database password']}@127.0.0.1:1/none"),
        site.run("shop", "list", DATABASE_URL=f"mysql://op:{CANARIES['database password']}@127.0.0.1:1/none"),
        site.run("sync", "full", "acme", REDIS_URL=f"redis://:{CANARIES['broker password']}@127.0.0.1:1/0"),
        site.run("worker", REDIS_URL=f"nonsense://:{CANARIES['broker password']}@127.0.0.1:1/0"),
        site.run("shop", "list", FLOWER_BASIC_AUTH=CANARIES["Flower password"]),
        site.run("shop", "list", TOKEN_KEYS=CANARIES["key"][:20]),
    ]  # fmt: skip
    assert [done.code for done in told[-11:]] == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1]
    meta.revoked = False
    told.append(site.must("shop", "token", "acme", "--token-env", "OTHER_TOKEN"))
    until(lambda: len(site.json("runs", "acme")) and site.json("shop", "status", "acme")[0]["pending_items"] == 0)
    for words in (("shop", "show", "vend"), ("shop", "status"), ("runs", "--json"), ("item", "acme", "mug-1")):
        told.append(site.must(*words))
    return told


def flowers_pages(site: Installation, port: int) -> str:
    """What Flower shows to who has its password, and to who has not."""
    authorization = base64.b64encode(f"op:{CANARIES['Flower password']}".encode()).decode()
    pages = []
    for path in ("api/tasks", "api/workers?refresh=1", "tasks", "workers", "broker", "metrics", "healthcheck"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}")  # our own process
        request.add_header("Authorization", f"Basic {authorization}")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # our own process
            pages.append(answer.read().decode())
    assert "worker.sync.push" in pages[0], pages[0][:300]
    return "\n".join(pages)


def database_dump(site: Installation) -> Iterator[bytes]:
    """Every column of every row of every table."""
    url = site.environment.get("DATABASE_URL") or f"sqlite:///{site.directory}/var/shelfbeat.db"
    engine = make_engine(url)
    with reading(engine) as connection:
        for table in metadata.tables.values():
            for row in connection.execute(select(table)):
                yield b"\n".join(bytes(cell) if isinstance(cell, bytes) else str(cell).encode() for cell in row)
    engine.dispose()


def broker_dump(site: Installation) -> Iterator[bytes]:
    """Every key with its value, as the server itself would write it to disk, messages in clear beside it."""
    with site.broker() as client:
        for key in client.scan_iter():
            yield key + b"\n" + (client.dump(key) or b"")
            if client.type(key) == b"list":
                for message in client.lrange(key, 0, -1):
                    document = json.loads(message) if message.startswith(b"{") else {}
                    yield message + base64.b64decode(document.get("body", ""))


def hits(where: str, contents: Iterator[bytes]) -> list[str]:
    found = set()
    for content in contents:
        found.update(f"{name} in {where}" for name, canary in CANARIES.items() if canary.encode() in content)
    return sorted(found)


@pytest.mark.invariant("I14")
@pytest.mark.fault("N22")
def test_no_secret_is_anywhere_but_in_ciphertext(site: Installation, meta: Meta) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = CommandLines()
    lines.start()
    site.start_worker()
    site.start("beat")
    flower = site.start("flower", f"--port={port}")
    until(lambda: "Visit me at" in flower.text or "Broker" in flower.text)
    told = tell(site, meta)
    shown = flowers_pages(site, port)
    broker = list(broker_dump(site))
    site.close()
    lines.over.set()
    lines.join()

    found = hits("what a command wrote", (f"{done.out}\n{done.err}".encode() for done in told))
    found += hits("Flower", iter([shown.encode()]))
    found += hits("the broker", iter(broker))
    found += hits("the database", database_dump(site))
    found += hits("an address at Meta", (address.encode() for address in meta.addresses))
    found += hits("the arguments of a process", iter(lines.seen))
    files = [path for path in site.directory.rglob("*") if path.is_file()]
    found += [hit for path in files for hit in hits(str(path.relative_to(site.directory)), iter([path.read_bytes()]))]
    assert found == []
    # The search has seen what it is about.
    assert len(broker) > 0
    assert any("appsecret_proof=" in address for address in meta.addresses)
    assert any(b"celery" in line for line in lines.seen)
    assert {"worker-0.log", "beat-1.log", "flower-2.log"} <= {path.name for path in files}
