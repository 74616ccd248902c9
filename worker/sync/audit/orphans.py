"""What Meta lists and nobody here knows. Another tool's items are reported and left alone.

Those that two audits in a row have seen and that a call of this shop certainly carried are ours: a call that landed
late, after its item was given up. They are hidden, unless they are so many that a person has to look first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import audits, issues, ledger, orphans, run_state
from worker.database.engine import database_now, reading, writing
from worker.database.issues import IssueRow
from worker.database.locks import hold
from worker.database.tables import shop
from worker.database.types import to_ms
from worker.items.diff import hide_unknown
from worker.sync.audit.work import Audit
from worker.sync.context import Wake
from worker.sync.manifest import CONTENT, unpack
from worker.sync.waking import wake_lane

CODES: Final = ("orphan", "orphan.more")

# So many have an issue each; the rest is counted in one.
_SHOWN: Final = 100

# As for what a pull misses: more than a tenth of the catalog, and at least ten.
_SHARE: Final = 0.10
_AT_LEAST: Final = 10

# How far back the calls are searched. More than a year's for most shops, a few seconds for any.
_BATCHES: Final = 5000
_BATCHES_AT_ONCE: Final = 50


def conclude(audit: Audit) -> Iterator[Wake]:
    """Judge the orphans after a complete listing."""
    mine = _ours(audit)
    with writing(audit.context.engine, "audit.9-orphans") as connection:
        shop_row = hold(connection, audit.lease)
        orphans.are_ours(connection, shop_row.id, mine)
        orphans.forget_unseen(connection, shop_row.id, audit.run.started_at)
        _hide(audit, connection, shop_row)
        _report(audit, connection, shop_row)
        wakes = wake_lane(audit.context, connection, shop_row)
    yield from wakes


def _ours(audit: Audit) -> list[str]:
    """Those of two audits that a call carried whole."""
    with reading(audit.context.engine) as connection:
        searched = set(orphans.repeated(connection, audit.shop.id, audit.run.started_at, ours=False))
    found: set[str] = set()
    before, looked_at = 2**62, 0
    while searched - found and looked_at < _BATCHES:
        with reading(audit.context.engine) as connection:
            carried = audits.carried(connection, audit.shop.id, before, _BATCHES_AT_ONCE)
        if not carried:
            break
        before, looked_at = carried[-1][0], looked_at + len(carried)
        for _, manifest in carried:
            found |= {
                line.retailer_id for line in unpack(manifest) if line.retailer_id in searched and line.parts & CONTENT
            }
    return sorted(found)


def _hide(audit: Audit, connection: Connection, shop_row: Row[Any]) -> None:
    mine = orphans.repeated(connection, shop_row.id, audit.run.started_at, ours=True)
    known = ledger.known(connection, shop_row.id, mine)
    unknown = [retailer_id for retailer_id in mine if retailer_id not in known]
    orphans.forget(connection, shop_row.id, sorted(known))
    if len(unknown) >= _AT_LEAST and len(unknown) > ledger.live_count(connection, shop_row.id) * _SHARE:
        return
    now_ms, first = to_ms(database_now(connection)), shop_row.item_seq + 1
    wants = {
        retailer_id: hide_unknown(seq=seq, run_id=audit.run.id, now_ms=now_ms)
        for seq, retailer_id in enumerate(unknown, first)
    }
    if not wants:
        return
    connection.execute(shop.update().where(shop.c.id == shop_row.id).values(item_seq=first + len(wants) - 1))
    ledger.put_wants(connection, shop_row.id, wants)
    orphans.forget(connection, shop_row.id, unknown)
    run_state.count(connection, audit.run.id, {"removed": len(wants)})


def _report(audit: Audit, connection: Connection, shop_row: Row[Any]) -> None:
    now = database_now(connection)
    rows = [
        IssueRow(
            retailer_id,
            "diagnostics",
            CODES[0],
            "warning",
            "Meta lists this item, and neither the store nor Shelfbeat knows it.",
            "If no other tool looks after it, delete it in Commerce Manager.",
            "merchant",
        )
        for retailer_id in orphans.some(connection, shop_row.id, _SHOWN)
    ]
    more = max(audit.progress.orphans, orphans.count(connection, shop_row.id)) - len(rows)
    if rows and more > 0:
        message = f"Meta lists {more:,} more items that neither the store nor Shelfbeat knows."
        action = "If no other tool looks after them, delete them in Commerce Manager."
        rows.append(IssueRow("", "diagnostics", CODES[1], "warning", message, action, "merchant"))
    issues.record(connection, shop_row.id, rows, now)
