"""Measures a real Medusa store: what each job costs, and which change arrives by which job. Takes minutes.

python -m tests.e2e.medusa [products.csv]

The file is in Vendure's import format; without one 90 products of three variants are made. Prints two tables, and exits
with 1 where a change does not arrive by exactly the jobs that docs/medusa.md promises, or where Meta's catalog and
Medusa's own Store API name different prices.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.e2e.changes import Items, changes_as_text, costs_as_text, measure_changes, measure_costs
from tests.e2e.medusa.changes import EXPECTED, OPTIONS, Changes
from tests.e2e.medusa.store import running
from tests.e2e.meter import Meter
from tests.e2e.node_stores import why_not
from tests.e2e.processes import Installation
from worker.sandbox import Sandbox

CATALOG = "7001"
COSTS = (
    ("first full", "full"),
    ("full, nothing new", "full"),
    ("delta, nothing new", "delta"),
    ("volatile, nothing new", "volatile"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.medusa", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("products", nargs="?", type=Path, help="a file in Vendure's import format")
    products = parser.parse_args().products
    if reason := why_not("Medusa"):
        sys.stderr.write(f"{reason}\n")
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="medusa-") as scratch,
        running(Path(scratch), products) as (store, made),
        Sandbox(latency_s=0.1) as sandbox,
        Meter(store.url) as meter,
    ):
        directory = Path(scratch) / "site"
        directory.mkdir()
        settings = {
            "META_GRAPH_URL": sandbox.url,
            "META_TOKEN": "test-token",
            "STORE_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        site = Installation(directory, settings)
        try:
            site.start_worker()
            options = [part for name, value in OPTIONS.items() for part in ("--store-option", f"{name}={value}")]
            site.must(
                "shop", "add", "medusa", "--store", "medusa", "--store-url", meter.url, "--catalog", CATALOG,
                *options, "--token-env", "META_TOKEN", "--store-secret-env", "STORE_KEY", STORE_KEY=store.api_key,
            )  # fmt: skip

            def sync(job: str) -> dict[str, object]:
                return site.sync(job, "medusa", wait_s=300)

            costs = measure_costs(COSTS, sync, meter)
            changes = Changes(store, made)
            changes.prepare()
            sync("full")
            table = measure_changes(changes.all(), sync, lambda: sandbox.items(CATALOG))
            costs += measure_costs((("delta after these changes", "delta"),), sync, meter)
            sync("full")
            wrong = _wrong_prices(sandbox.items(CATALOG), store.charges())
        finally:
            site.close()
    sys.stdout.write(f"{costs_as_text(costs)}\n\n{changes_as_text(table)}\n")
    wrong += [f"Not as docs/medusa.md says: {name}." for name, seen in table.items() if seen != EXPECTED[name]]
    sys.stderr.write("".join(f"{sentence}\n" for sentence in wrong))
    return int(bool(wrong))


def _wrong_prices(items: Items, charges: dict[str, tuple[float, float]]) -> list[str]:
    """Variants that the Store API sells for another price than Meta's catalog says."""
    found = []
    for variant, (now, before) in charges.items():
        item = items[variant]
        expected = f"{before:.2f} USD", f"{now:.2f} USD" if now != before else None
        if (item["price"], item.get("sale_price") or None) != expected:
            found.append(f"Variant {variant} has another price at Meta than in the shop.")
    return found


if __name__ == "__main__":
    sys.exit(main())
