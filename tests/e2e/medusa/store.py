"""A real Medusa store for tests: installed, filled, started, changed through its own APIs, and thrown away.

The packages (700 MB) and one template database without products are kept between runs; each store works on its own copy
of the template.
"""

from __future__ import annotations

import csv
import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.medusa.merchant import MedusaStore, Variant
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
)

HERE = Path(__file__).parent
SOURCES = ("package.json", "package-lock.json", "medusa-config.js")
MIGRATE_S = 300
OWNER = ("owner@shop.example", "a-password-of-this-test")
MEDUSA = "node_modules/.bin/medusa"


class Product(NamedTuple):
    id: str
    options: tuple[str, ...]
    variants: list[Variant]


@contextmanager
def running(log_dir: Path, products: Path | None = None) -> Iterator[tuple[MedusaStore, list[Product]]]:
    """Start a store on a fresh database and fill it; stops it and drops the database at the end.

    Args:
        products: A CSV file in Vendure's import format; None: 90 products with three variants each.
    """
    # Not "npm ci": npm 11 finds packages for other systems missing from the lock file that it wrote itself.
    home = installed("medusa", [HERE / name for name in SOURCES], ["install", "--legacy-peer-deps"])
    template = _template(home)
    database = f"{template}_{os.getpid()}"
    execute_sql("CREATE DATABASE {} TEMPLATE {}", database, template)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["node", MEDUSA, "start", "--host", "127.0.0.1", "--port", str(port)]
    try:
        with serving(command, home, _environment(database), url, log_dir / "medusa.log"):
            store = MedusaStore(url, *OWNER)
            try:
                made = [_made(store, *row) for row in (_sample() if products is None else _read(products))]
                _age(database)
                yield store, made
            finally:
                store.close()
    finally:
        drop_database(database)


Row = tuple[str, str, list[tuple[dict[str, str], str, float, int]]]


def _made(store: MedusaStore, title: str, description: str, variants: list[tuple[dict[str, str], str, float, int]]):
    product, own = store.add_product(title, variants, description)
    return Product(product, tuple(variants[0][0]), own)


def _sample() -> Iterator[Row]:
    for number in range(1, 91):
        variants = [({"Size": size}, f"MUG-{number}-{size}", number + 5.5, 20) for size in ("S", "M", "L")]
        yield f"Plain mug {number}", f"Mug number {number} of a small series", variants


def _read(products: Path) -> Iterator[Row]:
    title, description, names, variants = "", "", [""], []
    known: set[str] = set()
    with products.open(newline="", encoding="utf-8") as given:
        for row in csv.DictReader(given, skipinitialspace=True):
            if row["name"].strip():
                if variants:
                    yield title, description, variants
                title, description, variants = row["name"], row["description"], []
                names = [name for name in row["optionGroups"].split("|") if name] or ["Title"]
            sku = row["sku"]
            while sku in known:
                sku += "-X"  # Medusa wants each once
            known.add(sku)
            values = [value for value in row["optionValues"].split("|") if value] or ["Default"]
            options = dict(zip(names, values, strict=True))
            variants.append((options, sku, float(row["price"]), int(row["stockOnHand"] or 0)))
    if variants:
        yield title, description, variants


def _age(database: str) -> None:
    """So that no delta takes the filling for changes."""
    with closing(postgres(database)) as connection:
        for table in ("product", "product_variant", "inventory_level"):
            connection.execute(f"UPDATE {table} SET updated_at = updated_at - interval '1 day'")


def _template(home: Path) -> str:
    """The name of a database with Medusa's tables and an owner, made at its first use."""
    name = "shelfbeat_" + home.name.replace("-", "_")
    with (home / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_database(name):
            return name
        filling = f"{name}_new"
        drop_database(filling)
        execute_sql("CREATE DATABASE {}", filling)
        email, password = OWNER
        run(["node", MEDUSA, "db:migrate"], home, _environment(filling), MIGRATE_S)
        run(["node", MEDUSA, "user", "-e", email, "-p", password], home, _environment(filling), MIGRATE_S)
        # Only a whole database gets the name that later runs look for.
        execute_sql("ALTER DATABASE {} RENAME TO {}", filling, name)
    return name


def _environment(database: str) -> dict[str, str]:
    server = database_server()
    return {
        **os.environ,
        "NODE_ENV": "production",
        "MEDUSA_DISABLE_TELEMETRY": "true",
        "DATABASE_URL": f"postgres://{server['user']}@{server['host']}:{server['port']}/{database}",
    }
