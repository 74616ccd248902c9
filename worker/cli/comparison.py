"""Whether a catalog holds what a feed says: the demo's judge. Reads the feed itself and trusts no row of ours."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.items import Prepared

_MASK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """``explained``: not equal, but with an open issue; ``different``: retailer_id and why, nobody said anything."""

    equal: int
    explained: int
    different: list[str]


def compare(feed_url: str, catalog: Mapping[str, Mapping[str, Any]], refused: Collection[str]) -> Comparison:
    """Compare the feed at ``feed_url`` with the items at Meta.

    Args:
        catalog: Meta's items by retailer id, in the names in which they were written.
        refused: Ids with an open issue of severity error; they may be missing or differ.
    """
    equal = explained = 0
    different = []
    expected = _expected(feed_url)
    for retailer_id, prepared in expected.items():
        why = _difference(prepared, catalog.get(retailer_id))
        if why is None:
            equal += 1
        elif retailer_id in refused:
            explained += 1
        else:
            different.append(f"{retailer_id} {why}")
    different += [f"{retailer_id} is not in the store" for retailer_id in catalog if retailer_id not in expected]
    return Comparison(equal, explained, different)


def _expected(feed_url: str) -> dict[str, Prepared]:
    """Every id of the feed; of those that occur more than once, the first record."""
    from worker.items import prepare
    from worker.stores import StoreConfig, kinds

    found: dict[str, Prepared] = {}
    with tempfile.TemporaryDirectory(prefix="shelfbeat-") as spool_dir:
        store = kinds()["feed"].open(StoreConfig(feed_url, {}, None, None, spool_dir, ("127.0.0.0/8",)))
        try:
            cursor = None
            while True:
                page = store.full(cursor)
                for record in page.records:
                    if record.retailer_id not in found:
                        fields = store.fields(record)
                        found[record.retailer_id] = prepare(record.retailer_id, fields, None)
                cursor = page.cursor
                if cursor is None:
                    return found
        finally:
            store.close()


def _difference(prepared: Prepared, item: Mapping[str, Any] | None) -> str | None:
    """None: equal, or rightly absent."""
    if not (prepared.content_ok and prepared.volatile_ok):
        return "breaks a rule" if item is None else "breaks a rule and is at Meta"
    if item is None:
        return None if prepared.archived else "is missing"
    wanted = {**_members(prepared.content), **_members(prepared.volatile)}
    wrong = sorted(name for name, value in wanted.items() if item.get(name) != value)
    return f"differs in {', '.join(wrong)}" if wrong else None


def _members(half: bytes) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(b"{" + half[_MASK_BYTES:] + b"}")
    return members
