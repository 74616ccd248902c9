"""What a complete pull did not find: archived, unless so much is missing that the pull itself is suspect."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from worker.database import issues, ledger, run_state
from worker.database.bulk import chunks
from worker.database.engine import database_now, reading, writing
from worker.database.locks import draw_stamp, hold
from worker.database.types import to_ms
from worker.items import source_fp
from worker.sync.context import Wake
from worker.sync.merge import merge_absent
from worker.sync.reading import DUPLICATE, PageReader
from worker.sync.slice import Pull
from worker.sync.waking import wake_lane

# The breaker: more than a tenth and at least ten items, or more than half of any shop.
_SHARE: Final = 0.10
_AT_LEAST: Final = 10
_HALF: Final = 0.5


def suspicious(missing: int, live: int, pulled: int) -> bool:
    """Whether a complete pull misses so much of what Meta shows that a person has to look first."""
    if pulled == 0:
        return True
    return (missing > live * _SHARE and missing >= _AT_LEAST) or missing > live * _HALF


def archive_absent(pull: Pull) -> Generator[Wake, None, str | None]:
    """Archive what the store no longer has. Returns why not, in one sentence, if the pull is suspicious.

    Where the store can look up single items, absence is confirmed first: pages that are counted by offset shift when
    something is deleted in front of them.
    """
    pulled = pull.run.pulled + pull.counts.get("pulled", 0)
    with reading(pull.context.engine) as connection:
        live = ledger.live_count(connection, pull.shop.id)
        # More than this many is suspicious whatever follows, so no more need be held in memory.
        limit = max(_AT_LEAST, int(live * _HALF) + 1, int(live * _SHARE) + 1)
        absent: list[str] = []
        missing = 0
        for retailer_id, acknowledged, seq in ledger.numbered(connection, pull.shop.id, pull.run.item_mark):
            if seq in pull.seen:
                continue
            missing += acknowledged
            if len(absent) <= limit:
                absent.append(retailer_id)
    if suspicious(missing, live, pulled):
        return _sentence(pulled, missing, live)
    for part in chunks(absent):
        yield from _archive(pull, list(part))
    with writing(pull.context.engine) as connection:
        shop_row = hold(connection, pull.lease)
        issues.resolve_older(connection, shop_row.id, DUPLICATE, pull.run.started_at, database_now(connection))
    return None


def _archive(pull: Pull, retailer_ids: list[str]) -> Iterator[Wake]:
    with writing(pull.context.engine) as connection:
        stamp = draw_stamp(connection, hold(connection, pull.lease))
    found = pull.store.fetch(retailer_ids)
    if found:
        misses = {record.retailer_id: (source_fp(record.raw, pull.run.seed), record) for record in found}
        yield from PageReader(pull).observe(misses, stamp, {})
        retailer_ids = [retailer_id for retailer_id in retailer_ids if retailer_id not in misses]
    with writing(pull.context.engine) as connection:
        shop_row = hold(connection, pull.lease)
        now_ms = to_ms(database_now(connection))
        merged = merge_absent(connection, shop_row, pull.run.id, pull.run.base_stamp, retailer_ids, now_ms)
        run_state.count(connection, pull.run.id, merged.counts)
        wakes = wake_lane(pull.context, connection, shop_row)
    yield from wakes


def _sentence(pulled: int, missing: int, live: int) -> str:
    if pulled == 0:
        return (
            "The store returned no items at all, so nothing was removed. "
            "Check the store or feed; when it is right, run the full sync again."
        )
    return (
        f"The store returned {pulled:,} items, and {missing:,} of the {live:,} that Meta shows are missing, "
        "so nothing was removed. Check the store or feed; when it is right, run the full sync again."
    )
