"""The judgement: what the stores offer, what Meta shows and what the snapshot believes, compared item by item."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from tests.nemesis.site import CANARY, CATALOGS, Site
from worker.database import batches, run_state
from worker.database.engine import database_now, reading
from worker.database.tables import issue, pending, run, shop, snapshot
from worker.database.types import to_ms
from worker.items import prepare
from worker.items.states import BY_META

_COMPARED = ("title", "price", "availability", "color", "quantity_to_sell_on_facebook")
_TERMINAL = ("succeeded", "failed", "superseded", "canceled")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What Meta took in.

    Attributes:
        items: Records of all calls that were taken.
        needed: Those that said something else about their item than the one before.
        overlapping: Items in two calls that could still land in any order.
        disturbed: Calls of any kind that met a fault of Meta's.
    """

    calls: int
    items: int
    needed: int
    overlapping: list[str]
    disturbed: int

    @property
    def duplicate_ratio(self) -> float:
        return self.items / max(1, self.needed)


def lost(site: Site) -> list[str]:
    """Where Meta differs from a store, in one line for each item and field."""
    found = []
    for slug, catalog in CATALOGS.items():
        offered, shown = site.stores.valid(slug), _shown(site, catalog)
        found += [f"{key} should be gone" for key in shown.keys() - offered.keys()]
        found += [f"{key} is missing" for key in offered.keys() - shown.keys()]
        for key in shown.keys() & offered.keys():
            for name in _COMPARED:
                at_meta, in_store = str(shown[key].get(name, "")), offered[key][name]
                if at_meta != in_store:
                    found.append(f"{key}.{name}: Meta has {at_meta!r}, the store {in_store!r}")
    return sorted(found)


def falsely_acknowledged(site: Site) -> list[str]:
    """Where the snapshot claims what Meta does not have, by the fingerprints of what it has."""
    found = []
    for shop_row in _rows(site, select(shop)):
        shown = _shown(site, shop_row.catalog_id)
        for row in _rows(site, select(snapshot).where(snapshot.c.shop_id == shop_row.id)):
            item = shown.get(row.retailer_id)
            if row.state & 1:
                if item is not None:
                    found.append(f"{row.retailer_id} is believed archived")
            elif item is None:
                found.append(f"{row.retailer_id} is believed to be there")
            else:
                is_so = prepare(row.retailer_id, dict(item), "USD")
                if (is_so.content_fp, is_so.volatile_fp) != (row.content_fp, row.volatile_fp):
                    found.append(f"{row.retailer_id} is believed to be otherwise")
    return found


def unsettled(site: Site) -> list[str]:
    """What is still to be done; empty at rest."""
    with reading(site.engine) as connection:
        now_ms = to_ms(database_now(connection))
        wants = select(pending.c.retailer_id, pending.c.due_at, pending.c.batch_id).where(run_state.unsettled(now_ms))
        found = [f"want {row.retailer_id} due in {(row.due_at - now_ms) / 1000:.0f} s, batch {row.batch_id}"
                 for row in connection.execute(wants)]  # fmt: skip
        for shop_id in connection.execute(select(shop.c.id)).scalars():
            found += [f"run {row.job} {row.state} {row.id}" for row in run_state.open_runs(connection, shop_id)]
            found += [f"batch {row.id} {row.state}" for row in batches.open_batches(connection, shop_id)]
    return found


def held(site: Site) -> list[str]:
    """Runs that wait for a person."""
    return [row.id for row in _rows(site, select(run.c.id).where(run.c.state == "held"))]


def rejected(site: Site) -> dict[str, list[str]]:
    """Per shop the items that Meta refused and that rest for a day, unless the merchant changes them."""
    rests = (pending.c.content_quarantine == BY_META) | (pending.c.volatile_quarantine == BY_META)
    found: dict[str, list[str]] = {}
    for row in _rows(site, select(shop.c.slug, pending.c.retailer_id).join(shop, shop.c.id == pending.c.shop_id)
                     .where(rests)):  # fmt: skip
        found.setdefault(row.slug, []).append(row.retailer_id)
    return found


def wrong_runs(site: Site) -> list[str]:
    """Runs without an end, without a reason for a bad end, or two for one slot."""
    rows = _rows(site, select(run))
    found = [f"run {row.id} of {row.job} is {row.state}" for row in rows if row.state not in _TERMINAL]
    found += [f"run {row.id} {row.state} without a reason" for row in rows
              if row.state in _TERMINAL[1:] and not row.error]  # fmt: skip
    slots = Counter((row.shop_id, row.job, row.fire_time) for row in rows if row.trigger == "schedule")
    found += [f"{number} runs for {slot}" for slot, number in slots.items() if number > 1]
    return found


def runs(site: Site) -> dict[str, int]:
    """How the runs ended; failed ones by their reason."""
    ends = Counter(row.state if row.state == "succeeded" else f"{row.state}: {row.error}"
                   for row in _rows(site, select(run.c.state, run.c.error)))  # fmt: skip
    return dict(ends.most_common())


def unexplained(site: Site) -> list[str]:
    """Items that must not be sent, and of which no open issue tells."""
    found = []
    for slug, items in site.stores.shops.items():
        told = {row.retailer_id for row in _rows(site, select(issue.c.retailer_id)
                .join(shop, shop.c.id == issue.c.shop_id)
                .where(shop.c.slug == slug, issue.c.resolved_at.is_(None)))}  # fmt: skip
        found += [f"{key} has no issue" for key in items.keys() - site.stores.valid(slug).keys() - told]
    return found


def traffic(site: Site) -> Traffic:
    calls = [call for call in site.sandbox.calls("items_batch") if call["handle"]]
    said: dict[tuple[str, str], dict[str, Any]] = {}
    needed = 0
    for call in calls:
        for record in call["records"]:
            item = said.setdefault((call["catalog"], record["data"]["id"]), {})
            news = {name: value for name, value in record["data"].items() if item.get(name, "") != value}
            item.update(news)
            needed += bool(news)
    overlapping = [key for call in calls for key in call.get("overlapping", ())]
    disturbed = sum(bool(call["faults"]) for call in site.sandbox.calls())
    return Traffic(len(calls), sum(call["items"] for call in calls), needed, overlapping, disturbed)


def leaks(site: Site) -> list[str]:
    """Files of the site, and command lines, that hold the token in clear text."""
    found = []
    for directory in site.directories:
        found += [str(path) for path in directory.rglob("*") if CANARY.encode() in _content(path)]
    for post in site.posts:
        for pid in (post.pid, *post.children()):
            try:
                if CANARY.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(f"command line of {pid}")
            except OSError:
                continue
    return found


def _content(path: Path) -> bytes:
    """What a file holds; nothing if it is none, or if the server whose file it was has just removed it."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


def complaints(site: Site) -> dict[str, int]:
    """What the daemons logged as errors, with how often: the last line of each."""
    seen: Counter[str] = Counter()
    for daemon in site.installation.daemons:
        for line in daemon.text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                if line.startswith("Traceback"):
                    seen["a traceback outside the log"] += 1
                continue
            if isinstance(entry, dict) and entry.get("level") in ("error", "critical"):
                last = str(entry.get("exception") or entry.get("error") or "").strip().splitlines()[-1:]
                seen[f"{entry.get('event', '')[:100]} | {''.join(last)[:160]}"] += 1
    return dict(seen.most_common())


def _shown(site: Site, catalog: str) -> dict[str, Any]:
    items = site.sandbox.items(catalog)
    return {key: item for key, item in items.items() if item.get("status", "active") != "archived"}


def _rows(site: Site, statement: Any) -> list[Row[Any]]:
    with reading(site.engine) as connection:
        return list(connection.execute(statement))
