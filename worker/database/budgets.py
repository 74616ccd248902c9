"""Calls still allowed: per app, per token, per catalog and direction. Rows, so that every worker sees the same.

One lane per catalog already sends one call after the other, so a row that changes with each answer is all the
coordination that is needed; see docs/decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Connection, bindparam, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from worker.database.tables import budget

APP: Final = "app"
SENDING: Final = "sending"
"""A person's switch: blocked without an end, whatever Meta says."""

# A throttle that names no time is waited out for this long, doubling while it repeats.
_FIRST_WAIT_S: Final = 15.0
_LONGEST_WAIT_S: Final = 300.0

BACKGROUND_PCT: Final = 70
"""Background work leaves the rest of Meta's quota to prices."""

EVERYTHING_PCT: Final = 95

# Meta counts a catalog's writes over one minute: an older reading says nothing about now.
_READING_AGE: Final = timedelta(seconds=60)

LASTS: Final = budget.c.failing_since.is_not(None) & budget.c.recovered_at.is_(None)
"""Condition for the rows whose outage is not over."""

# Built once: every look at a lane asks these.
_BLOCKED: Final = select(budget.c.blocked_until, budget.c.reason).where(
    budget.c.key.in_(bindparam("keys", expanding=True)), or_(budget.c.blocked_until > bindparam("now"), LASTS)
)
_USED: Final = select(budget.c.used_pct, budget.c.used_at).where(budget.c.key == bindparam("of"))


def writes(catalog_id: str) -> str:
    return f"catalog:{catalog_id}:write"


def reads(catalog_id: str) -> str:
    return f"catalog:{catalog_id}:read"


def store(url: str) -> str:
    """One budget per store host; a local path is its own."""
    return f"store:{urlsplit(url).hostname or url}"


def token(shop_id: int) -> str:
    return f"token:{shop_id}"


class Block(NamedTuple):
    """``until`` is when to look again, not before now; None: when a person has ended it."""

    until: datetime | None
    reason: str


def blocked(connection: Connection, keys: Sequence[str], now: datetime) -> Block | None:
    """The longest block in force on any of these. An outage blocks until its end was seen, however long its wait."""
    rows = connection.execute(_BLOCKED, {"keys": list(keys), "now": now}).all()
    if not rows:
        return None
    longest = max(rows, key=lambda row: (row.blocked_until is None, row.blocked_until or now))
    until = longest.blocked_until
    return Block(until and max(until, now), longest.reason or "")


def used_pct(connection: Connection, key: str, now: datetime) -> int:
    """What Meta last said of the quota, 0 if that is too long ago to count."""
    row = connection.execute(_USED, {"of": key}).first()
    if row is None or row.used_at is None or row.used_at < now - _READING_AGE:
        return 0
    return int(row.used_pct)


def block(connection: Connection, key: str, now: datetime, retry_after_s: float | None, reason: str) -> datetime:
    """Stop calls until a time: what the vendor said, else a wait that doubles while it repeats."""
    row = connection.execute(select(budget).where(budget.c.key == key)).first()
    blocks = 0 if row is None else row.blocks
    until = now + wait(blocks, retry_after_s)
    put(connection, key, blocked_until=until, blocks=blocks + 1, reason=reason)
    return until


def wait(blocks: int, named_s: float | None) -> timedelta:
    """How long a block lasts that follows ``blocks`` others: as the vendor said, else 15 s, doubling to 5 minutes."""
    return timedelta(seconds=named_s if named_s is not None else min(_FIRST_WAIT_S * 2**blocks, _LONGEST_WAIT_S))


def succeeded(connection: Connection, key: str, now: datetime, used: int | None) -> None:
    """A call went through: the next block starts short again."""
    values = {"used_pct": used, "used_at": now} if used is not None else {}
    put(connection, key, blocks=0, blocked_until=None, reason=None, last_ok_at=now, **values)


def in_a_row(connection: Connection, key: str) -> int:
    """Blocks since the last call that went through."""
    return connection.execute(select(budget.c.blocks).where(budget.c.key == key)).scalar() or 0


def last_success(connection: Connection, key: str) -> datetime | None:
    return connection.execute(select(budget.c.last_ok_at).where(budget.c.key == key)).scalar()


def put(connection: Connection, key: str, **values: object) -> None:
    """Change a row, or make it."""
    insert = pg_insert if connection.dialect.name == "postgresql" else sqlite_insert
    fresh = {"used_pct": 0, "blocks": 0} | values
    statement = insert(budget).values(key=key, **fresh)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))
