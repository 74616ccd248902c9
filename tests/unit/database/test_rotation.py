"""Rotating keys on a SQLite file: cut short anywhere, every credential is readable, and another try finishes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from worker.database import key_file, rotation, shops
from worker.database.credentials import Keyring, key_of, load_keyring
from worker.database.engine import make_engine, reading, writing
from worker.database.tables import shop
from worker.errors import SecretUnreadable

OLD = "an old key of thirty-two characters"
NEW = "a new key of thirty-two characters!"
SHOPS = 5


class PowerCut(Exception):
    pass


class Site:
    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self.engine: Engine = make_engine(self.url)
        self.keys = path.with_suffix(".key")
        for number in range(1, SHOPS + 1):
            self.add(number, self.keyring())

    def keyring(self) -> Keyring:
        return load_keyring([], self.url)

    def add(self, number: int, keyring: Keyring) -> None:
        with writing(self.engine) as connection:
            shop_id = shops.add(
                connection, slug=f"shop-{number}", store_kind="feed", store_url="x", store_options={}, mapping={},
                catalog_id=str(number), currency=None, now=datetime(2027, 1, 1, tzinfo=UTC),
            )  # fmt: skip
            shops.set_secrets(connection, keyring, shop_id, meta_token=f"token-{shop_id}", store_secret="key")

    def blobs(self) -> dict[int, bytes]:
        with reading(self.engine) as connection:
            return {row.id: row.meta_token for row in connection.execute(select(shop.c.id, shop.c.meta_token))}

    def read_all(self, keyring: Keyring | None = None) -> bool:
        keyring = keyring or self.keyring()
        return all(
            keyring.decrypt(blob, shop_id=shop_id, purpose="meta_token") == f"token-{shop_id}"
            for shop_id, blob in self.blobs().items()
        )

    def rotate(self) -> int:
        """What the command does."""
        rotation.renew_key_file(self.keys)
        changed = rotation.reencrypt(self.engine, self.keyring())
        rotation.drop_old_keys(self.engine, self.keys)
        return changed


@pytest.fixture
def site(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "shelfbeat.db"
    shutil.copyfile(migrated_sqlite, path)
    made = Site(path)
    yield made
    made.engine.dispose()


def test_every_credential_gets_the_new_key_and_the_old_one_goes(site: Site) -> None:
    (old,) = key_file.read(site.keys)
    assert site.rotate() == 2 * SHOPS
    (new,) = key_file.read(site.keys)
    assert (new != old, site.read_all()) == (True, True)
    assert {key_of(blob) for blob in site.blobs().values()} == {Keyring([new]).ids[0]}
    assert (site.keys.stat().st_mode & 0o777, [path.name for path in site.keys.parent.glob(".*.key*")]) == (0o600, [])
    with pytest.raises(SecretUnreadable):
        site.read_all(Keyring([old]))


@pytest.mark.parametrize("cut", ["before the new key", "after the new key", *range(1, 11), "before the old key goes"])
def test_a_rotation_that_is_cut_short_anywhere_loses_nothing_and_is_gone_on_with(
    site: Site, monkeypatch: pytest.MonkeyPatch, cut: str | int
) -> None:
    (old,) = key_file.read(site.keys)
    encrypt = Keyring.encrypt
    encrypted = 0

    def stop(*_: Any, **__: Any) -> Any:
        raise PowerCut

    def some(self: Keyring, *args: Any, **kwargs: Any) -> bytes:
        nonlocal encrypted
        encrypted += 1
        return stop() if encrypted == cut else encrypt(self, *args, **kwargs)

    monkeypatch.setattr(rotation, "_CHUNK", 2)
    if cut == "before the new key":
        monkeypatch.setattr(Path, "replace", stop)
    elif cut == "after the new key":
        monkeypatch.setattr(rotation, "reencrypt", stop)
    elif cut == "before the old key goes":
        monkeypatch.setattr(rotation, "drop_old_keys", stop)
    else:
        monkeypatch.setattr(Keyring, "encrypt", some)
    with pytest.raises(PowerCut):
        site.rotate()
    monkeypatch.undo()
    assert site.read_all()
    assert old in key_file.read(site.keys)
    before = key_file.read(site.keys)[0]
    site.rotate()
    assert site.read_all()
    (kept,) = key_file.read(site.keys)
    assert kept != old
    assert (kept == before) == (cut != "before the new key")


def test_rotating_with_nothing_left_to_do_changes_no_credential(site: Site) -> None:
    before = site.blobs()
    assert rotation.reencrypt(site.engine, site.keyring()) == 0
    assert site.blobs() == before


@pytest.mark.fault("N22")
def test_a_worker_that_runs_meanwhile_reads_the_new_key(site: Site) -> None:
    running = site.keyring()
    site.rotate()
    assert site.read_all(running)


@pytest.mark.fault("N22")
def test_a_key_that_something_still_needs_stays(site: Site) -> None:
    (old,) = key_file.read(site.keys)
    with writing(site.engine) as connection:
        connection.execute(shop.update().where(shop.c.id == 1).values(meta_token=site.blobs()[1][:-1] + b"?"))
    site.rotate()
    assert key_file.read(site.keys)[1:] == [old]
    with reading(site.engine) as connection:
        assert rotation.uses(connection, site.keyring()).unreadable == [("shop-1", "meta_token")]


@pytest.mark.fault("N22")
def test_keys_of_the_setting_are_replaced_by_putting_a_new_one_first(site: Site) -> None:
    site.add(SHOPS + 1, Keyring([OLD]))
    rotated = Keyring([NEW, OLD, *key_file.read(site.keys)])
    rotation.reencrypt(site.engine, rotated)
    assert site.read_all(Keyring([NEW]))
    with reading(site.engine) as connection:
        found = rotation.uses(connection, rotated)
    assert (found.by_key, found.unreadable) == ({rotated.ids[0]: 2 * SHOPS + 2}, [])
