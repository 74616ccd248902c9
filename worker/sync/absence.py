"""What a complete pull did not find: archived, in time deleted; held where so much is missing that it looks wrong."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from worker import failpoints
from worker.database import issues, ledger, run_state
from worker.database.bulk import chunks
from worker.database.engine import database_now, reading, writing
from worker.database.locks import draw_stamp, hold
from worker.database.types import to_ms
from worker.items import source_fp
from worker.items.bitmap import Bitmap
from worker.items.breaker import too_much_missing
from worker.items.removal import grace_ms
from worker.sync.context import Context, Wake
from worker.sync.merge import merge_absent
from worker.sync.reading import DUPLICATE, PageReader
from worker.sync.slice import Pull
from worker.sync.waking import wake_lane


def absent(context: Context, shop_id: int, mark: int, seen: Bitmap) -> Iterator[tuple[list[str], bool]]:
    """Items numbered up to ``mark`` that a complete pull has not seen, in chunks, and whether Meta shows those."""
    for read, shown in ((ledger.shown, True), (ledger.not_shown, False)):
        for part in _unseen(context, shop_id, mark, seen, read):
            yield part, shown


def _unseen(
    context: Context, shop_id: int, mark: int, seen: Bitmap, read: Callable[..., list[tuple[str, int]]]
) -> Iterator[list[str]]:
    after = ""
    while True:
        with reading(context.engine) as connection:
            rows = read(connection, shop_id, mark, after)
        if not rows:
            return
        after = rows[-1][0]
        for part in chunks([retailer_id for retailer_id, seq in rows if seq not in seen]):
            yield list(part)


def why_held(context: Context, shop_id: int, missing: int, seen: Bitmap, pulled: int, share: float) -> str | None:
    """Why so much is missing from a complete pull that it is held, as a sentence; None if it is not.

    Args:
        share: Of what Meta shows, the largest that may be missing.
    """
    with reading(context.engine) as connection:
        live = ledger.live_count(connection, shop_id)
        if pulled and not too_much_missing(missing, share, live):
            return None
        # What an earlier run has found gone is not judged twice.
        decided = ledger.leaving(connection, shop_id)
    live -= len(decided)
    missing -= sum(seq not in seen for seq in decided)
    suspicious = not pulled or too_much_missing(missing, share, live)
    return _sentence(pulled, missing, live) if suspicious else None


def archive_absent(pull: Pull) -> Generator[Wake, None, str | None]:
    """Archive what the store no longer has. Returns why it is held, in one sentence, if the pull is suspicious.

    Where the store can look up single items, absence is confirmed first: pages that are counted by offset shift when
    something is deleted in front of them. What is held is not looked up: it may be the whole catalog, and somebody
    looks at it anyway.
    """
    context, mark = pull.context, pull.run.item_mark
    missing = hidden = 0
    for part, shown in absent(context, pull.shop.id, mark, pull.seen):
        missing += len(part) if shown else 0
        hidden += 0 if shown else len(part)
    held = why_held(context, pull.shop.id, missing, pull.seen, pull.breaker.read, pull.breaker.thresholds.missing)
    if missing or hidden:
        for part, _ in absent(context, pull.shop.id, mark, pull.seen):
            yield from _archive(pull, part, held=held is not None)
    if held is None:
        if grace_ms(pull.shop.limits) is not None:
            # Hidden first and gone later, or hidden before anything was ever deleted.
            for part in _unseen(context, pull.shop.id, mark, pull.seen, ledger.hidden):
                yield from _archive(pull, part, held=False)
        with writing(context.engine, "pull.13-clear") as connection:
            shop_row = hold(connection, pull.lease)
            issues.resolve_older(connection, shop_row.id, DUPLICATE, pull.run.started_at, database_now(connection))
    return held


def _archive(pull: Pull, retailer_ids: list[str], *, held: bool) -> Iterator[Wake]:
    if not held:
        with writing(pull.context.engine, "pull.10-recheck") as connection:
            stamp = draw_stamp(connection, hold(connection, pull.lease))
        failpoints.before("pull.11-confirm")
        found = pull.store.fetch(retailer_ids)
        failpoints.after("pull.11-confirm")
        if found:
            misses = {record.retailer_id: (source_fp(record.raw, pull.run.seed), record) for record in found}
            yield from PageReader(pull).observe(misses, stamp, {}, len(retailer_ids))
            retailer_ids = [retailer_id for retailer_id in retailer_ids if retailer_id not in misses]
    with writing(pull.context.engine, "pull.12-archive") as connection:
        shop_row = hold(connection, pull.lease)
        now_ms = to_ms(database_now(connection))
        merged = merge_absent(connection, shop_row, pull.run.id, pull.run.base_stamp, retailer_ids, now_ms, held=held)
        run_state.count(connection, pull.run.id, merged.counts)
        wakes = wake_lane(pull.context, connection, shop_row)
    yield from wakes


def _sentence(pulled: int, missing: int, live: int) -> str:
    if pulled == 0:
        return "Your store returned no items at all. Nothing is removed before somebody approves it."
    return (
        f"Your store returned {pulled:,} items, and {missing:,} of the {live:,} that Meta shows are missing. "
        "They are not removed before somebody approves it."
    )
