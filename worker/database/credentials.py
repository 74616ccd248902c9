"""Merchants' tokens at rest: AES-256-GCM, each ciphertext bound to its shop and purpose.

A blob is version (1 byte), key id (4), nonce (12), ciphertext with tag. A blob that is moved to another shop's row,
or from one column to another, does not decrypt. There is no mode without encryption, and no fallback.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from worker.database import key_file
from worker.database.engine import sqlite_path
from worker.database.key_file import KEY_LENGTH
from worker.errors import BadInput, SecretUnreadable

Purpose = Literal["meta_token", "store_secret"]

_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12


class Keyring:
    """The keys of ``TOKEN_KEYS``, newest first: the first one encrypts, each of them decrypts.

    Args:
        reread: Gives the keys anew, for a secret of an unknown one: while this process runs, ``keys rotate`` may have
            made a newer one.

    Raises:
        BadInput: There is no key, or one is shorter than 32 characters.
    """

    def __init__(self, keys: Sequence[str], reread: Callable[[], Sequence[str]] | None = None) -> None:
        self._reread = reread
        self._take(keys)

    def _take(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < KEY_LENGTH for key in keys):
            raise BadInput(f"TOKEN_KEYS needs at least one key, each of {KEY_LENGTH} characters or more.")
        derived = [_derive(key) for key in keys]
        self._primary = derived[0][0]
        self._ciphers = dict(reversed(derived))

    @property
    def ids(self) -> tuple[str, ...]:
        """The public names of the keys, newest first: derived from them, and nothing about them can be learned."""
        return tuple(key_id.hex() for key_id in reversed(self._ciphers))

    def encrypt(self, secret: str, *, shop_id: int, purpose: Purpose) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._primary].encrypt(nonce, secret.encode(), _context(shop_id, purpose))
        return _VERSION + self._primary + nonce + sealed

    def decrypt(self, blob: bytes, *, shop_id: int, purpose: Purpose) -> str:
        """Raises ``SecretUnreadable`` when no key fits, or the blob belongs to another shop or purpose."""
        version, rest = blob[:1], blob[1:]
        key_id, rest = rest[:_ID_BYTES], rest[_ID_BYTES:]
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        if key_id not in self._ciphers and self._reread is not None:
            with suppress(BadInput):  # a file that is no use adds no key: what is missing is said below
                self._take(self._reread())
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
    path = key_file.path_for(database_url)
    if path is None:
        raise BadInput(
            "TOKEN_KEYS is not set, and it is required when DATABASE_URL is not a SQLite file.",
            action="Set it to a secret text of 32 characters or more, such as the output of: openssl rand -hex 32.",
        )
    return Keyring(key_file.read(path, sqlite_path(database_url)), partial(key_file.read, path))


def key_of(blob: bytes) -> str:
    """The public name of the key that a ciphertext was made with."""
    return blob[len(_VERSION) :][:_ID_BYTES].hex()


def _derive(key: str) -> tuple[bytes, AESGCM]:
    """The encryption key and its public id, both derived from any text."""
    material = HKDF(hashes.SHA256(), length=32 + _ID_BYTES, salt=None, info=b"shelfbeat tokens v1").derive(key.encode())
    return material[32:], AESGCM(material[:32])


def _context(shop_id: int, purpose: Purpose) -> bytes:
    return f"v1|{purpose}|shop:{shop_id}".encode()


def _refusal(what: str) -> SecretUnreadable:
    return SecretUnreadable(
        f"The shop's stored credential {what}.",
        action="Put its key back into TOKEN_KEYS (or the key file) and use 'shop resume', or give the shop its"
        " credentials again with 'shop token'.",
    )
