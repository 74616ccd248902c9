from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from worker.database.credentials import Keyring, load_keyring
from worker.errors import BadInput, Permanent

OLD = "an old key of thirty-two characters"
NEW = "a new key of thirty-two characters!"


def test_a_secret_comes_back_for_its_own_shop_and_purpose() -> None:
    keyring = Keyring([NEW])
    blob = keyring.encrypt("test-token", shop_id=1, purpose="meta_token")
    assert b"test-token" not in blob
    assert keyring.decrypt(blob, shop_id=1, purpose="meta_token") == "test-token"


def test_the_same_secret_never_looks_the_same() -> None:
    keyring = Keyring([NEW])
    first, second = (keyring.encrypt("test-token", shop_id=1, purpose="meta_token") for _ in range(2))
    assert first != second


@pytest.mark.invariant("I14")
def test_a_ciphertext_moved_to_another_shop_does_not_decrypt() -> None:
    blob = Keyring([NEW]).encrypt("test-token", shop_id=1, purpose="meta_token")
    with pytest.raises(Permanent, match="TOKEN_KEYS"):
        Keyring([NEW]).decrypt(blob, shop_id=2, purpose="meta_token")


def test_a_ciphertext_moved_to_another_column_does_not_decrypt() -> None:
    blob = Keyring([NEW]).encrypt("test-token", shop_id=1, purpose="store_secret")
    with pytest.raises(Permanent, match="TOKEN_KEYS"):
        Keyring([NEW]).decrypt(blob, shop_id=1, purpose="meta_token")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"test-token", b"\x02" + b"x" * 60])
@pytest.mark.fault("N22")
def test_what_is_no_ciphertext_of_ours_is_refused_and_never_returned(blob: bytes) -> None:
    with pytest.raises(Permanent, match="TOKEN_KEYS"):
        Keyring([NEW]).decrypt(blob, shop_id=1, purpose="meta_token")


def test_an_altered_ciphertext_is_refused() -> None:
    blob = Keyring([NEW]).encrypt("test-token", shop_id=1, purpose="meta_token")
    with pytest.raises(Permanent, match="TOKEN_KEYS"):
        Keyring([NEW]).decrypt(blob[:-1] + bytes([blob[-1] ^ 1]), shop_id=1, purpose="meta_token")


def test_an_old_key_still_decrypts_after_a_new_one_was_put_before_it() -> None:
    blob = Keyring([OLD]).encrypt("test-token", shop_id=1, purpose="meta_token")
    rotated = Keyring([NEW, OLD])
    assert rotated.decrypt(blob, shop_id=1, purpose="meta_token") == "test-token"
    fresh = rotated.encrypt("test-token", shop_id=1, purpose="meta_token")
    assert Keyring([NEW]).decrypt(fresh, shop_id=1, purpose="meta_token") == "test-token"


@pytest.mark.fault("N22")
def test_a_secret_of_a_dropped_key_is_refused() -> None:
    blob = Keyring([OLD]).encrypt("test-token", shop_id=1, purpose="meta_token")
    with pytest.raises(Permanent, match="not among TOKEN_KEYS"):
        Keyring([NEW]).decrypt(blob, shop_id=1, purpose="meta_token")


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, ""]])
def test_a_missing_or_short_key_is_refused(keys: list[str]) -> None:
    with pytest.raises(BadInput, match="TOKEN_KEYS"):
        Keyring(keys)


def test_beside_sqlite_a_private_key_file_is_made_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/var/shelfbeat.db"
    blob = load_keyring([], url).encrypt("test-token", shop_id=1, purpose="meta_token")
    assert load_keyring([], url).decrypt(blob, shop_id=1, purpose="meta_token") == "test-token"
    path = tmp_path / "var" / "shelfbeat.key"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [file.name for file in path.parent.iterdir()] == ["shelfbeat.key"]


def test_processes_that_start_at_once_agree_on_one_key_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shelfbeat.db"
    with ThreadPoolExecutor(8) as pool:
        keyrings = list(pool.map(lambda _: load_keyring([], url), range(8)))
    blob = keyrings[0].encrypt("test-token", shop_id=1, purpose="meta_token")
    assert {keyring.decrypt(blob, shop_id=1, purpose="meta_token") for keyring in keyrings} == {"test-token"}


def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "shelfbeat.key").write_text("oops")
    with pytest.raises(BadInput, match=r"shelfbeat\.key"):
        load_keyring([], f"sqlite:///{tmp_path}/shelfbeat.db")
    assert (tmp_path / "shelfbeat.key").read_text() == "oops"


@pytest.mark.fault("N22")
def test_a_missing_key_file_is_not_replaced_while_credentials_need_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shelfbeat.db"
    with closing(sqlite3.connect(tmp_path / "shelfbeat.db")) as database, database:
        database.execute("CREATE TABLE shop (meta_token BLOB, store_secret BLOB)")
    keyring = load_keyring([], url)
    with closing(sqlite3.connect(tmp_path / "shelfbeat.db")) as database, database:
        blob = keyring.encrypt("test-token", shop_id=1, purpose="meta_token")
        database.execute("INSERT INTO shop VALUES (?, NULL)", (blob,))
    (tmp_path / "shelfbeat.key").unlink()
    with pytest.raises(BadInput, match="is missing, and stored credentials were encrypted with it"):
        load_keyring([], url)
    assert not (tmp_path / "shelfbeat.key").exists()


def test_given_keys_make_no_file(tmp_path: Path) -> None:
    load_keyring([NEW], f"sqlite:///{tmp_path}/shelfbeat.db")
    assert list(tmp_path.iterdir()) == []


def test_other_databases_require_keys() -> None:
    with pytest.raises(BadInput, match="TOKEN_KEYS is not set"):
        load_keyring([], "postgresql://db.example/shelfbeat")
