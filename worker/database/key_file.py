"""The key file beside a SQLite database: one key for tokens at rest per line, newest first.

It is only ever replaced as a whole: a crash leaves the old file or the new one, and a key goes from it last of all.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from worker.database.engine import make_private_directory, sqlite_path
from worker.errors import BadInput

KEY_LENGTH = 32
"""Characters that a key has at least: below that it can be guessed."""


def path_for(database_url: str) -> Path | None:
    """None when the database is no SQLite file."""
    database = sqlite_path(database_url)
    return None if database is None else database.with_suffix(".key")


def read(path: Path, database: Path | None = None) -> list[str]:
    """The keys, newest first. Raises ``BadInput`` for a file that is no use.

    Args:
        database: Beside it a missing file is made, with one key, unless credentials are waiting there for the old one.
            None: a missing file is no use.
    """
    try:
        if not path.exists():
            if database is None or _holds_credentials(database):
                raise BadInput(
                    f"The key file {path} is missing, and stored credentials were encrypted with it.",
                    action="Restore it from a backup. If it is lost, put a new random text of 32 characters or more"
                    " there, and give every shop its credentials again with 'shop token'.",
                )
            _make(path)
        keys = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The key file {path} cannot be used ({error}).", action="Repair it, or set TOKEN_KEYS."
        ) from error
    if not keys or any(len(key) < KEY_LENGTH for key in keys):
        raise BadInput(
            f"The key file {path} holds no key of {KEY_LENGTH} characters or more.",
            action="Restore it from a backup, or remove it and give every shop its token again.",
        )
    return keys


def _holds_credentials(database: Path) -> bool:
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            found = connection.execute(
                "SELECT 1 FROM shop WHERE meta_token IS NOT NULL OR store_secret IS NOT NULL LIMIT 1"
            )
            return found.fetchone() is not None
        except sqlite3.DatabaseError:
            return False  # no tables yet, or no database: whoever opens it says so


def new_key() -> str:
    return secrets.token_hex(32)


def write(path: Path, keys: Sequence[str]) -> None:
    """Replace the file. When this returns, the new one is on the disk."""
    draft = _draft(path, keys)
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _make(path: Path) -> None:
    """Several processes may start at once: a link appears whole or not at all, and only the first one wins."""
    make_private_directory(path.parent)
    draft = _draft(path, [new_key()])
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(path: Path, keys: Sequence[str]) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return draft
