"""Measures a real Vendure store: what each job costs, and which change arrives by which job. Takes minutes.

python -m tests.e2e.vendure [products.csv]

The file is in Vendure's import format; without one Vendure's own sample products are taken. Prints two tables, and
exits with 1 where a change does not arrive by exactly the jobs that docs/vendure.md promises.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.e2e.changes import changes_as_text, costs_as_text, measure_changes, measure_costs
from tests.e2e.meter import Meter
from tests.e2e.node_stores import why_not
from tests.e2e.processes import Installation
from tests.e2e.vendure.changes import EXPECTED, OPTIONS, Changes
from tests.e2e.vendure.store import running
from worker.sandbox import Sandbox

CATALOG = "7001"
COSTS = (
    ("first full", "full"),
    ("full, nothing new", "full"),
    ("delta, nothing new", "delta"),
    ("volatile, nothing new", "volatile"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.vendure", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("products", nargs="?", type=Path, help="a file in Vendure's import format")
    products = parser.parse_args().products
    if reason := why_not("Vendure"):
        sys.stderr.write(f"{reason}\n")
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="vendure-") as scratch,
        running(Path(scratch), products) as store,
        Sandbox(latency_s=0.1) as sandbox,
        Meter(store.url) as meter,
    ):
        directory = Path(scratch) / "site"
        directory.mkdir()
        site = Installation(directory, {"META_GRAPH_URL": sandbox.url, "META_TOKEN": "test-token"})
        try:
            site.start_worker()
            options = [part for name, value in OPTIONS.items() for part in ("--store-option", f"{name}={value}")]
            site.must(
                "shop", "add", "vendure", "--store", "vendure", "--store-url", meter.url, "--catalog", CATALOG,
                *options, "--token-env", "META_TOKEN", "--store-secret-env", "STORE_KEY", STORE_KEY=store.api_key,
            )  # fmt: skip

            def sync(job: str) -> dict[str, object]:
                return site.sync(job, "vendure", wait_s=300)

            costs = measure_costs(COSTS, sync, meter)
            changes = Changes(store, sandbox.items(CATALOG))
            changes.prepare()
            sync("full")
            table = measure_changes(changes.all(), sync, lambda: sandbox.items(CATALOG))
            costs += measure_costs((("delta after these changes", "delta"),), sync, meter)
        finally:
            site.close()
    sys.stdout.write(f"{costs_as_text(costs)}\n\n{changes_as_text(table)}\n")
    wrong = [name for name, seen in table.items() if seen != EXPECTED[name]]
    sys.stderr.write("".join(f"Not as docs/vendure.md says: {name}.\n" for name in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
