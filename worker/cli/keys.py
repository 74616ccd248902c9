"""``celery -A worker keys``: the keys that encrypt stored credentials. Keys themselves are never shown."""

from __future__ import annotations

from typing import Any

import click

from worker.cli.output import AnsweringGroup, answers_json, database, show_json, show_table
from worker.cli.refusal import one_sentence
from worker.cli.shop import actor
from worker.errors import BadInput


@click.group(cls=AnsweringGroup)
def keys() -> None:
    """Look after the keys that encrypt tokens and store credentials.

    \b
    To replace the key of TOKEN_KEYS:
      1. put a new key before it: TOKEN_KEYS=NEW,OLD, and restart workers and beats
      2. celery -A worker keys rotate
      3. celery -A worker keys status, and once nothing needs OLD, take it out
    The key file beside a SQLite database needs step 2 alone.
    """


@keys.command()
@answers_json
def status(*, as_json: bool) -> None:
    """Show which keys there are, by their ids, and how many credentials need each.

    Exits with 1 when a credential does not decrypt.
    """
    with database() as engine:
        found = _status(engine)
    if as_json:
        show_json(found)
    else:
        show_table(
            ["key", "", "credentials"],
            [[row["id"], "newest" if row["newest"] else "", row["credentials"]] for row in found["keys"]]
            + [[row["id"], "missing", row["credentials"]] for row in found["missing"]],
        )
        for row in found["unreadable"]:
            click.echo(f"{row['shop']}: its {row['credential'].replace('_', ' ')} does not decrypt.")
    if found["unreadable"]:
        raise SystemExit(1)


@keys.command()
@one_sentence
def rotate() -> None:
    """Encrypt every credential with the newest key. Repeat it as often as you like; cut short, it goes on.

    With TOKEN_KEYS, put the new key first before; what is stored is encrypted with that. A key file gets a new key by
    itself and loses the old one once nothing needs it.
    """
    from worker.database import key_file, rotation, shops
    from worker.database.credentials import load_keyring
    from worker.database.engine import database_now, reading, writing
    from worker.settings import read_settings

    settings = read_settings()
    path = None if settings.keys else key_file.path_for(settings.database_url)
    with database() as engine:
        if path is not None:
            load_keyring(settings.keys, settings.database_url)
            rotation.renew_key_file(path)
        keyring = load_keyring(settings.keys, settings.database_url)
        changed = rotation.reencrypt(engine, keyring)
        with writing(engine) as connection:
            detail = {"credentials": changed, "newest": keyring.ids[0]}
            now = database_now(connection)
            shops.log_event(connection, None, actor=actor(), event="keys.rotated", detail=detail, now=now)
        if path is not None:
            rotation.drop_old_keys(engine, path)
        with reading(engine) as connection:
            unreadable = rotation.uses(connection, keyring).unreadable
    have = "1 credential has" if changed == 1 else f"{changed} credentials have"
    click.echo(f"{have} the newest key now ({keyring.ids[0]}).")
    if unreadable:
        slugs = ", ".join(sorted({slug for slug, _ in unreadable}))
        raise BadInput(
            f"No key at hand decrypts the credentials of {slugs}; they are as they were.",
            action="Put their key back, or use 'shop token'.",
        )


def _status(engine: Any) -> dict[str, Any]:
    from worker.database import rotation
    from worker.database.credentials import load_keyring
    from worker.database.engine import reading
    from worker.settings import read_settings

    settings = read_settings()
    keyring = load_keyring(settings.keys, settings.database_url)
    with reading(engine) as connection:
        found = rotation.uses(connection, keyring)
    ids = keyring.ids
    return {
        "source": "TOKEN_KEYS" if settings.keys else "key file",
        "keys": [{"id": key, "newest": key == ids[0], "credentials": found.by_key[key]} for key in ids],
        "missing": [{"id": key, "credentials": found.by_key[key]} for key in sorted(found.by_key.keys() - set(ids))],
        "unreadable": [{"shop": slug, "credential": purpose} for slug, purpose in found.unreadable],
    }
