"""Which key each stored credential needs, and giving all of them the newest one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from sqlalchemy import Connection, Engine, Row, select

from worker.database import key_file
from worker.database.credentials import Keyring, Purpose, key_of
from worker.database.engine import reading, writing
from worker.database.locks import lock_shop
from worker.database.tables import shop
from worker.errors import SecretUnreadable

PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)

_CHUNK: Final = 100


@dataclass(frozen=True, slots=True)
class Uses:
    """How the stored credentials stand.

    Attributes:
        by_key: Credentials per key id; keys that are not at hand among them.
        unreadable: Slug and purpose of what no key at hand decrypts.
    """

    by_key: Counter[str]
    unreadable: list[tuple[str, Purpose]]


def uses(connection: Connection, keyring: Keyring) -> Uses:
    """Try every stored credential."""
    found = Uses(Counter(), [])
    for row in connection.execute(select(shop.c.id, shop.c.slug, shop.c.meta_token, shop.c.store_secret)):
        for purpose, blob in _sealed(row):
            found.by_key[key_of(blob)] += 1
            if _opened(keyring, row.id, purpose, blob) is None:
                found.unreadable.append((row.slug, purpose))
    return found


def reencrypt(engine: Engine, keyring: Keyring) -> int:
    """Give every credential that needs it the newest key; returns how many got it. What does not decrypt stays.

    In chunks, each a transaction: one that is cut short is gone on with by calling it again.
    """
    newest = keyring.ids[0]
    changed, last = 0, 0
    while True:
        with reading(engine) as connection:
            shop_ids = list(
                connection.execute(
                    select(shop.c.id).where(shop.c.id > last).order_by(shop.c.id).limit(_CHUNK)
                ).scalars()
            )
        if not shop_ids:
            return changed
        with writing(engine) as connection:
            for shop_id in shop_ids:
                row = lock_shop(connection, shop_id)
                values = {}
                for purpose, blob in () if row is None else _sealed(row):
                    secret = None if key_of(blob) == newest else _opened(keyring, shop_id, purpose, blob)
                    if secret is not None:
                        values[purpose] = keyring.encrypt(secret, shop_id=shop_id, purpose=purpose)
                if values:
                    connection.execute(shop.update().where(shop.c.id == shop_id).values(values))
                    changed += len(values)
        last = shop_ids[-1]


def renew_key_file(path: Path) -> None:
    """Put a new key before the old one, unless a rotation that was cut short has done so already."""
    keys = key_file.read(path)
    if len(keys) == 1:
        key_file.write(path, [key_file.new_key(), *keys])


def drop_old_keys(engine: Engine, path: Path) -> list[str]:
    """Take the keys that nothing needs any more out of the file; returns the ids of those that had to stay.

    In a transaction, so that nobody stores a credential between the look and the end of its key.
    """
    with writing(engine) as connection:
        keys = key_file.read(path)
        needed = uses(connection, Keyring(keys)).by_key
        kept = [key for place, key in enumerate(keys) if place == 0 or needed[Keyring([key]).ids[0]]]
        if kept != keys:
            key_file.write(path, kept)
    return [Keyring([key]).ids[0] for key in kept[1:]]


def _sealed(row: Row[*tuple[Any, ...]]) -> list[tuple[Purpose, bytes]]:
    return [(purpose, getattr(row, purpose)) for purpose in PURPOSES if getattr(row, purpose) is not None]


def _opened(keyring: Keyring, shop_id: int, purpose: Purpose, blob: bytes) -> str | None:
    try:
        return keyring.decrypt(blob, shop_id=shop_id, purpose=purpose)
    except SecretUnreadable:
        return None
