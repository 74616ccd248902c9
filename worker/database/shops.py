"""Shops: our tenants, each one store tied to one catalog. Also the log of what people did to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from worker.database import tables
from worker.database.credentials import Keyring
from worker.errors import BadInput

ShopState = Literal["active", "paused", "needs_token"]

_SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
# ``runs`` takes a slug where ``runs show`` has its word: the runs of a shop of that name could not be listed.
_COMMAND_WORDS = frozenset({"show"})


@dataclass(frozen=True, slots=True)
class Shop:
    """A row of ``shop``; see the comments there. The credentials are ciphertext."""

    id: int
    slug: str
    store_kind: str
    store_url: str
    store_options: Mapping[str, str]
    mapping: Mapping[str, Any]
    catalog_id: str
    currency: str | None
    meta_token: bytes | None = field(repr=False)
    store_secret: bytes | None = field(repr=False)
    state: ShopState
    reason: str | None
    created_at: datetime
    limits: Mapping[str, float] | None = None


_COLUMNS = [tables.shop.c[name] for name in Shop.__slots__]


def check_new(connection: Connection, *, slug: str, catalog_id: str) -> None:
    """Whether a shop of this name and catalog can be added. Raises ``BadInput``; reads only."""
    if not _SLUG.fullmatch(slug):
        raise BadInput(
            f"The slug {slug!r} cannot be used.",
            action="Use 1 to 63 lower-case letters, digits, - and _, with a letter or digit at both ends.",
        )
    if slug in _COMMAND_WORDS:
        raise BadInput(f"The slug {slug!r} is a word of a command, so no shop can have it.", action="Choose another.")
    if not (catalog_id.isascii() and catalog_id.isdigit()):
        raise BadInput(
            f"The catalog id {catalog_id!r} is not a number.", action="Copy it from Commerce Manager, Settings."
        )
    taken = select(tables.shop.c.slug)
    if connection.execute(taken.where(tables.shop.c.slug == slug)).first():
        raise BadInput(f"There is already a shop {slug}.", action="Choose another slug, or remove that shop first.")
    other = connection.execute(taken.where(tables.shop.c.catalog_id == catalog_id)).scalar_one_or_none()
    if other is not None:
        raise BadInput(
            f"The catalog {catalog_id} already belongs to the shop {other}; a catalog has one shop.",
            action="Use another catalog, or remove that shop first.",
        )


def add(
    connection: Connection,
    *,
    slug: str,
    store_kind: str,
    store_url: str,
    store_options: Mapping[str, str],
    mapping: Mapping[str, Any],
    catalog_id: str,
    currency: str | None,
    now: datetime,
) -> int:
    """Make an active shop without credentials and return its id. Raises ``BadInput`` as ``check_new`` does."""
    check_new(connection, slug=slug, catalog_id=catalog_id)
    try:
        shop_id: int = connection.execute(
            insert(tables.shop)
            .values(
                slug=slug,
                store_kind=store_kind,
                store_url=store_url,
                store_options=dict(store_options),
                mapping=dict(mapping),
                catalog_id=catalog_id,
                currency=currency,
                state="active",
                fields_sent=0,
                seed=0,
                observation_seq=0,
                item_seq=0,
                content_floor=0,
                volatile_floor=0,
                created_at=now,
            )
            .returning(tables.shop.c.id)
        ).scalar_one()
    except IntegrityError:  # another process added it since the check
        raise BadInput(f"The shop {slug} or the catalog {catalog_id} was added by somebody else just now.") from None
    return shop_id


def by_slug(connection: Connection, slug: str) -> Shop:
    """Raises ``BadInput`` when there is none."""
    row = connection.execute(select(*_COLUMNS).where(tables.shop.c.slug == slug)).one_or_none()
    if row is None:
        raise BadInput(f"There is no shop {slug!r}.", action="See: celery -A worker shop list.")
    return _shop(row)


def by_id(connection: Connection, shop_id: int) -> Shop | None:
    """None when it was removed."""
    row = connection.execute(select(*_COLUMNS).where(tables.shop.c.id == shop_id)).one_or_none()
    return None if row is None else _shop(row)


def all_shops(connection: Connection) -> list[Shop]:
    """By slug."""
    return [_shop(row) for row in connection.execute(select(*_COLUMNS).order_by(tables.shop.c.slug))]


def set_state(connection: Connection, shop_id: int, state: ShopState, reason: str | None = None) -> None:
    """``reason``: one sentence with what to do; None for an active shop."""
    connection.execute(update(tables.shop).where(tables.shop.c.id == shop_id).values(state=state, reason=reason))


def set_limits(connection: Connection, shop_id: int, limits: Mapping[str, float]) -> None:
    """What differs from the breaker's defaults; see ``items.breaker.Thresholds``."""
    connection.execute(update(tables.shop).where(tables.shop.c.id == shop_id).values(limits=dict(limits)))


def set_mapping(
    connection: Connection, shop_id: int, mapping: Mapping[str, Any], store_options: Mapping[str, str]
) -> None:
    """Both are checked already; see ``items.mapping``. A pull under way begins again under the new ones."""
    values = {"mapping": dict(mapping), "store_options": dict(store_options)}
    connection.execute(update(tables.shop).where(tables.shop.c.id == shop_id).values(values))


def has_items(connection: Connection, shop_id: int) -> bool:
    """Whether any item of the shop was ever read."""
    numbered = connection.execute(select(tables.shop.c.item_seq).where(tables.shop.c.id == shop_id)).scalar_one()
    return bool(numbered)


def set_secrets(
    connection: Connection,
    keyring: Keyring,
    shop_id: int,
    *,
    meta_token: str | None = None,
    store_secret: str | None = None,
) -> None:
    """Encrypt and store what is given; None leaves the stored one."""
    values = {}
    if meta_token is not None:
        values["meta_token"] = keyring.encrypt(meta_token, shop_id=shop_id, purpose="meta_token")
    if store_secret is not None:
        values["store_secret"] = keyring.encrypt(store_secret, shop_id=shop_id, purpose="store_secret")
    if values:
        connection.execute(update(tables.shop).where(tables.shop.c.id == shop_id).values(values))


def remove(connection: Connection, shop_id: int) -> None:
    """Delete every row of the shop but its audit log. At Meta nothing changes.

    The shop goes first: a slice that is at work for it waits for this row, finds it gone and writes nothing more.
    """
    connection.execute(delete(tables.shop).where(tables.shop.c.id == shop_id))
    # The two tables with a row per item have no foreign key: it would cost every bulk statement a look-up per row.
    for table in (tables.pending, tables.snapshot):
        connection.execute(delete(table).where(table.c.shop_id == shop_id))


def log_event(
    connection: Connection,
    shop: Shop | None,
    *,
    actor: str,
    event: str,
    detail: Mapping[str, Any] | None = None,
    now: datetime,
) -> None:
    """A row of the audit log. ``event`` is a verb such as ``shop.added``; ``detail`` never holds a secret."""
    connection.execute(
        insert(tables.audit_log).values(
            at=now,
            shop_id=shop and shop.id,
            slug=shop and shop.slug,
            actor=actor,
            event=event,
            detail=dict(detail or {}),
        )
    )


def _shop(row: Row[*tuple[Any, ...]]) -> Shop:
    return Shop(**row._mapping)  # noqa: SLF001  # SQLAlchemy's public way to read a row by name
