"""Merchants' tokens at rest: AES-256-GCM, each ciphertext bound to its shop and purpose.

A blob is version (1 byte), key id (4), nonce (12), ciphertext with tag. A blob that is moved to another shop's row,
or from one column to another, does not decrypt. There is no mode without encryption, and no fallback.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from worker.database.engine import make_private_directory, sqlite_path
from worker.errors import BadInput, Permanent

Purpose = Literal["meta_token", "store_secret"]

KEY_LENGTH = 32
"""Characters that a key has at least: below that it can be guessed."""

_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12


class Keyring:
    """The keys of ``TOKEN_KEYS``, newest first: the first one encrypts, each of them decrypts.

    Raises:
        BadInput: There is no key, or one is shorter than 32 characters.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < KEY_LENGTH for key in keys):
            raise BadInput(f"TOKEN_KEYS needs at least one key, each of {KEY_LENGTH} characters or more.")
        derived = [_derive(key) for key in keys]
        self._primary = derived[0][0]
        self._ciphers = dict(reversed(derived))

    def encrypt(self, secret: str, *, shop_id: int, purpose: Purpose) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._primary].encrypt(nonce, secret.encode(), _context(shop_id, purpose))
        return _VERSION + self._primary + nonce + sealed

    def decrypt(self, blob: bytes, *, shop_id: int, purpose: Purpose) -> str:
        """Raises ``Permanent`` when no key fits, or the blob belongs to another shop or purpose."""
        version, rest = blob[:1], blob[1:]
        key_id, rest = rest[:_ID_BYTES], rest[_ID_BYTES:]
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        cipher = self._ciphers.get(key_id)
        if version != _VERSION or cipher is None:
            raise _refusal("was encrypted with a key that is not among TOKEN_KEYS")
        try:
            return cipher.decrypt(nonce, sealed, _context(shop_id, purpose)).decode()
        except (InvalidTag, ValueError):
            raise _refusal("does not decrypt with its key of TOKEN_KEYS, so it was altered or moved") from None


def load_keyring(token_keys: Sequence[str], database_url: str) -> Keyring:
    """The keys of ``TOKEN_KEYS``, or of the key file beside a SQLite database, which is made when it is missing.

    Raises:
        BadInput: No keys are given and the database is not SQLite, or the key file cannot be read or made.
    """
    if token_keys:
        return Keyring(token_keys)
    database = sqlite_path(database_url)
    if database is None:
        raise BadInput(
            "TOKEN_KEYS is not set, and it is required when DATABASE_URL is not a SQLite file.",
            action="Set it to a secret text of 32 characters or more, such as the output of: openssl rand -hex 32.",
        )
    path = database.with_suffix(".key")
    try:
        if not path.exists():
            _make_key_file(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The key file {path} cannot be used ({error}).", action="Repair it, or set TOKEN_KEYS."
        ) from error
    if len(key) < KEY_LENGTH:
        raise BadInput(
            f"The key file {path} holds no key of {KEY_LENGTH} characters or more.",
            action="Restore it from a backup, or remove it and give every shop its token again.",
        )
    return Keyring([key])


def _make_key_file(path: Path) -> None:
    """Several processes may start at once: a link appears whole or not at all, and only the first one wins."""
    make_private_directory(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _derive(key: str) -> tuple[bytes, AESGCM]:
    """The encryption key and its public id, both derived from any text."""
    material = HKDF(hashes.SHA256(), length=32 + _ID_BYTES, salt=None, info=b"shelfbeat tokens v1").derive(key.encode())
    return material[32:], AESGCM(material[:32])


def _context(shop_id: int, purpose: Purpose) -> bytes:
    return f"v1|{purpose}|shop:{shop_id}".encode()


def _refusal(what: str) -> Permanent:
    return Permanent(
        f"The shop's stored credential {what}.",
        action="Put its key back into TOKEN_KEYS (or the key file), or give the shop its token again: shop token.",
    )
