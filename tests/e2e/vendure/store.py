"""A real Vendure store for tests: installed, seeded, started, changed through its own API, and thrown away.

The packages and one seeded template database are kept between runs; each store works on its own copy of the template.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.node_stores import (
    database_server,
    drop_database,
    execute_sql,
    free_port,
    has_database,
    installed,
    postgres,
    run,
    serving,
    why_not,
)
from tests.e2e.vendure.merchant import VendureStore, ask

HERE = Path(__file__).parent
SOURCES = ("package.json", "package-lock.json", "config.js", "seed.js", "server.js")
SEED_S = 600


@pytest.fixture(scope="module")
def vendure_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendureStore]:
    """A running store with Vendure's 54 sample products and 88 variants; skips with a sentence where none can run.

    Tests edit it, so every file begins with a fresh one, in whatever order they run.
    """
    reason = why_not("Vendure")
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
    # No package here needs its install script, and without them nothing is compiled.
    home = installed("vendure", [HERE / name for name in SOURCES], ["ci", "--ignore-scripts"])
    template = _seeded(home, products)
    database = f"{template}_{os.getpid()}"
    execute_sql("CREATE DATABASE {} TEMPLATE {}", database, template)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = _environment(home, database, port)
    try:
        with serving(["node", "server.js"], home, environment, url, log_dir / "vendure.log"):
            yield _with_key(url)
    finally:
        drop_database(database)


def _seeded(home: Path, products: Path | None) -> str:
    """The name of the database that holds the products, filled at its first use."""
    name = "shelfbeat_" + home.name.replace("-", "_")
    if products is not None:
        name += "_" + hashlib.sha256(products.read_bytes()).hexdigest()[:8]
    with (home / "seed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_database(name) and (home / "data" / "assets").exists():
            return name
        filling = f"{name}_new"
        for old in (filling, name):
            drop_database(old)
        execute_sql("CREATE DATABASE {}", filling)
        given = [] if products is None else [str(_complete(products, home))]
        run(["node", "seed.js", *given], home, _environment(home, filling, free_port()), SEED_S)
        with closing(postgres(filling)) as connection:
            # So that no delta takes the seeding for changes.
            for table in ("product", "product_variant"):
                connection.execute(f'UPDATE {table} SET "updatedAt" = "updatedAt" - interval \'1 day\'')
        # Only a whole database gets the name that later runs look for.
        execute_sql("ALTER DATABASE {} RENAME TO {}", filling, name)
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
    server = database_server()
    return {
        **os.environ,
        "PORT": str(port),
        "PGHOST": str(server["host"]),
        "PGPORT": str(server["port"]),
        "PGUSER": str(server["user"]),
        "PGDATABASE": database,
        "STORE_DATA": str(home / "data"),
    }


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
