"""A real Vendure store for tests: installed, seeded, started, changed through its own API, and thrown away.

Needs Node 20 or newer with npm, and a PostgreSQL that lets ``postgres`` in without a password (``PGHOST``, ``PGPORT``,
``PGUSER``; 127.0.0.1:5432 by default). The packages and one seeded template database are kept between runs; each store
works on its own copy of the template.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.e2e.vendure.merchant import VendureStore, ask

HERE = Path(__file__).parent
SOURCES = ("package.json", "package-lock.json", "config.js", "seed.js", "server.js")
START_S = 240
SEED_S = 600
INSTALL_S = 600


def why_not() -> str | None:
    """One sentence that says what is missing on this machine; None if the store can run."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "The real Vendure store needs Node 20 with npm, and there is none on this machine."
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not version.startswith("v") or int(version[1:].split(".")[0]) < 20:
        return f"The real Vendure store needs Node 20, and this machine has {version or 'an unknown version'}."
    try:
        _postgres("postgres").close()
    except psycopg.Error:
        where = f"{_server()['host']}:{_server()['port']}"
        return f"The real Vendure store needs a PostgreSQL that lets user {_server()['user']} in, and {where} does not."
    return None


@pytest.fixture(scope="module")
def vendure_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendureStore]:
    """A running store with Vendure's 54 sample products and 88 variants; skips with a sentence where none can run.

    Tests edit it, so every file begins with a fresh one, in whatever order they run.
    """
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with running(tmp_path_factory.mktemp("vendure")) as store:
        yield store


@contextmanager
def running(log_dir: Path, products: Path | None = None) -> Iterator[VendureStore]:
    """Start a store on a fresh copy of the seeded database; stops it and drops the copy at the end.

    Args:
        products: A file in Vendure's import format; None: Vendure's sample products.
    """
    home = _installed()
    template = _seeded(home, products)
    database = f"{template}_{os.getpid()}"
    _sql("CREATE DATABASE {} TEMPLATE {}", database, template)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = log_dir / "vendure.log"
    try:
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["node", "server.js"], cwd=home, env=_environment(home, database, port), stdout=output, stderr=output
            )
        try:
            _wait(server, url, log)
            yield _with_key(url)
        finally:
            server.terminate()
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        _sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


def _installed() -> Path:
    """The directory with the store's packages, installed at its first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shelfbeat-tests"
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()[:12]
    home = cache / f"vendure-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "vendure.lock").open("w") as lock:
        # Test processes that start at once install once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "installed").exists():
            return home
        home.mkdir(exist_ok=True)
        for name in SOURCES:
            shutil.copyfile(HERE / name, home / name)
        # No package here needs its install script, and without them nothing is compiled.
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        _run(command, home, dict(os.environ), INSTALL_S)
        (home / "installed").touch()
    return home


def _seeded(home: Path, products: Path | None) -> str:
    """The name of the database that holds the products, filled at its first use."""
    name = "shelfbeat_" + home.name.replace("-", "_")
    if products is not None:
        name += "_" + hashlib.sha256(products.read_bytes()).hexdigest()[:8]
    with (home / "seed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(_postgres("postgres")) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known and (home / "data" / "assets").exists():
            return name
        filling = f"{name}_new"
        for old in (filling, name):
            _sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", old)
        _sql("CREATE DATABASE {}", filling)
        given = [] if products is None else [str(_complete(products, home))]
        _run(["node", "seed.js", *given], home, _environment(home, filling, _free_port()), SEED_S)
        with closing(_postgres(filling)) as connection:
            # So that no delta takes the seeding for changes.
            for table in ("product", "product_variant"):
                connection.execute(f'UPDATE {table} SET "updatedAt" = "updatedAt" - interval \'1 day\'')
        # Only a whole database gets the name that later runs look for.
        _sql("ALTER DATABASE {} RENAME TO {}", filling, name)
    return name


def _complete(products: Path, home: Path) -> Path:
    """A copy in which every product has a brand and a picture, because Meta refuses those without."""
    pictures = sorted(one.name for one in (home / "node_modules/@vendure/create/assets/images").glob("*.jpg"))
    copy = home / f"{products.stem}.complete.csv"
    with products.open(newline="", encoding="utf-8") as given, copy.open("w", newline="", encoding="utf-8") as made:
        rows = csv.DictReader(given)
        writer = csv.DictWriter(made, rows.fieldnames or ())
        writer.writeheader()
        for number, row in enumerate(rows):
            if row["name"].strip():
                row["assets"] = row["assets"].strip() or pictures[number % len(pictures)]
                if "brand:" not in row["facets"]:
                    row["facets"] = "|".join(filter(None, (row["facets"].strip(), "brand:Ovenbird")))
            writer.writerow(row)
    return copy


def _environment(home: Path, database: str, port: int) -> dict[str, str]:
    server = _server()
    return {
        **os.environ,
        "PORT": str(port),
        "PGHOST": str(server["host"]),
        "PGPORT": str(server["port"]),
        "PGUSER": str(server["user"]),
        "PGDATABASE": database,
        "STORE_DATA": str(home / "data"),
    }


def _run(command: list[str], directory: Path, environment: dict[str, str], timeout_s: int) -> None:
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"The Vendure store did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _with_key(url: str) -> VendureStore:
    """Log in, and make the key that a merchant would give us: it can read the catalog and nothing else."""
    _, token = ask(
        f"{url}/admin-api", 'mutation { login(username: "superadmin", password: "superadmin") { __typename } }', {}
    )
    store = VendureStore(url, "", token)
    role = store.admin(
        "mutation($input: CreateRoleInput!) { createRole(input: $input) { id } }",
        input={"code": "catalog-reader", "description": "test", "permissions": ["ReadCatalog", "ReadProduct"]},
    )["createRole"]["id"]
    store.api_key = store.admin(
        "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey } }",
        input={"roleIds": [role], "translations": [{"languageCode": "en", "name": "catalog"}]},
    )["createApiKey"]["apiKey"]
    return store


def _server() -> dict[str, str | int]:
    return {
        "host": os.environ.get("PGHOST", "127.0.0.1"),
        "port": int(os.environ.get("PGPORT", "5432")),
        "user": os.environ.get("PGUSER", "postgres"),
    }


def _postgres(database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dbname=database, autocommit=True, connect_timeout=30, **_server())


def _sql(statement: str, *names: str) -> None:
    with closing(_postgres("postgres")) as connection:
        connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
