"""A large catalog through a Meta that throttles every third call and answers every tenth with 502 after taking it.

python -m benchmarks.faults --items 100000
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks import feed
from benchmarks.processes import Installation, Sandbox

_CATALOG = "1000"
_DRAIN_S = "15"
_FAULTS = (
    {"route": "items_batch", "action": "error", "code": 80014, "every": 3},
    {"route": "items_batch", "action": "text", "http_status": 502, "accepted": True, "every": 10},
)
_COMPARED = ("title", "description", "price", "availability", "link", "brand", "color", "quantity_to_sell_on_facebook")


def run(items: int) -> bool:
    """Print what happened; whether Meta ends up with exactly what the store offers."""
    with tempfile.TemporaryDirectory(prefix="shelfbeat-sandbox-") as beside:
        sandbox = Sandbox(Path(beside))
        try:
            settings = {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": _DRAIN_S, "BENCHMARK_TOKEN": "test-token"}
            with Installation({**settings, "LOG_FORMAT": "json"}) as installation:
                return _run(installation, sandbox, items)
        finally:
            sandbox.stop()


def _run(installation: Installation, sandbox: Sandbox, items: int) -> bool:
    path = installation.directory / "products.csv"
    feed.write(path, feed.items(items))
    installation.start_worker()
    installation.command("shop", "add", "faulty", "--store", "feed", "--store-url", str(path), "--catalog", _CATALOG,
                         "--token-env", "BENCHMARK_TOKEN")  # fmt: skip
    _control(sandbox, "faults", _FAULTS)
    told: list[dict[str, Any]] = []
    began = time.monotonic()
    for changed in (False, True):
        feed.write(path, feed.items(items, changed=changed, prices=7 * changed))
        told.append(json.loads(installation.command("sync", "full", "faulty", "--wait", "--json")))
    wall_s = time.monotonic() - began
    calls = _control(sandbox, "calls?route=items_batch")
    taken = [call for call in calls if call["handle"]]
    sent = sum(call["items"] for call in taken)
    different = list(_differences(_control(sandbox, f"items/{_CATALOG}"), feed.items(items, changed=True, prices=7)))
    overlapping = sum(len(call.get("overlapping", ())) for call in calls)
    needed = sum(run["created"] + run["updated"] + run["removed"] for run in told)
    sys.stdout.write(
        f"{items:,} items, all of them twice, in {wall_s:.0f} s: {len(calls)} calls, "
        f"{sum(not call['handle'] for call in calls)} throttled, "
        f"{sum(call['status'] == 502 for call in calls)} answered 502 after they were taken; "
        f"{sent:,} items sent where {needed:,} were needed (ratio {sent / needed:.2f}); "
        f"{len(different)} differ at the end, {overlapping} overlapped.\n"
    )
    for one in different[:20]:
        sys.stdout.write(f"  {one}\n")
    return not different and not overlapping and all(run["state"] == "succeeded" for run in told)


def _differences(shown: dict[str, dict[str, Any]], offered: Iterator[dict[str, str]]) -> Iterator[str]:
    shown = {key: item for key, item in shown.items() if item.get("status", "active") == "active"}
    for row in offered:
        if not row["price"]:
            continue  # refused by our own rules: it never went
        item = shown.pop(row["id"], None)
        if item is None:
            yield f"{row['id']} is missing"
            continue
        wrong = [name for name in _COMPARED if str(item.get(name, "")) != row[name]]
        if wrong:
            yield f"{row['id']}: {', '.join(f'{name} {item.get(name)!r} for {row[name]!r}' for name in wrong)}"
    yield from (f"{key} should not be there" for key in shown)


def _control(sandbox: Sandbox, path: str, document: Any = None) -> Any:
    data = None if document is None else json.dumps(document).encode()
    with urlopen(Request(f"{sandbox.url}/_sandbox/{path}", data=data), timeout=120) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--items", type=int, default=100_000)
    sys.exit(0 if run(parser.parse_args().items) else 1)


if __name__ == "__main__":
    main()
