"""Changing a shop's mapping: reading the document, checking all of it, and only then writing."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine

from worker.database import shops
from worker.database.engine import database_now, reading, writing
from worker.database.locks import lock_shop
from worker.errors import BadInput
from worker.items.mapping import parse
from worker.settings import read_settings
from worker.stores import Kind, StoreConfig, kinds

_ORDER: Final = ("id", "store", "stock", "images", "category", "include", "exclude")
_MOST_BYTES: Final = 1 << 20

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What a shop would have, or has now: ``before`` and ``after`` are whole documents."""

    before: Document
    after: Document
    mapping: Document
    store_options: Mapping[str, str]

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the shop's row with their new values."""
        return {"mapping": dict(self.mapping), "store_options": dict(self.store_options)}


def read_document(path: str) -> Document:
    """The document of a file, ``-`` for standard input: JSON if it is called so or begins like it, else TOML."""
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"The file {path} cannot be read: {error.strerror}.") from None
    if len(raw) > _MOST_BYTES:
        raise BadInput(f"The mapping in {path} is larger than {_MOST_BYTES >> 20} MB.", action="Use fewer rules.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"The mapping in {path} is not UTF-8.", action="Save it in that encoding.") from None
    form = "JSON" if path.lower().endswith(".json") or text.lstrip().startswith("{") else "TOML"
    try:
        document = json.loads(text) if form == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The mapping in {path} is no {form}: {error}.") from None
    if not isinstance(document, dict):
        raise BadInput(f"The mapping in {path} is no document of tables.", action="See docs/mapping.md.")
    return document


def document_of(mapping: Document, store_options: Mapping[str, str]) -> Document:
    """One document, in the order of the manual; without tables that would be empty."""
    whole = {**mapping, "store": dict(store_options)}
    return {name: whole[name] for name in _ORDER if whole.get(name)}


def current(engine: Engine, slug: str) -> Document:
    with reading(engine) as connection:
        shop = shops.by_slug(connection, slug)
    return document_of(shop.mapping, shop.store_options)


def check(engine: Engine, slug: str, document: Document) -> Change:
    """What this document would change. Raises ``BadInput`` with all that is wrong with it; writes nothing."""
    with reading(engine) as connection:
        shop = shops.by_slug(connection, slug)
        synced = shops.has_items(connection, shop.id)
    return _change(shop, document, synced=synced)


def change(engine: Engine, slug: str, document: Document, actor: str) -> Change:
    """Check a document and make it the shop's."""
    with writing(engine) as connection:
        shop = shops.by_slug(connection, slug)
        lock_shop(connection, shop.id)  # from here on no pull adds the item that would fix the ids
        shop = shops.by_slug(connection, slug)
        found = _change(shop, document, synced=shops.has_items(connection, shop.id))
        if found.before != found.after:
            _write(connection, shop, found, actor)
    return found


def _write(connection: Connection, shop: shops.Shop, found: Change, actor: str) -> None:
    shops.set_mapping(connection, shop.id, found.mapping, found.store_options)
    detail = {"from": found.before, "to": found.after}
    now = database_now(connection)
    shops.log_event(connection, shop, actor=actor, event="shop.mapped", detail=detail, now=now)


def _change(shop: shops.Shop, document: Document, *, synced: bool) -> Change:
    kind = kinds().get(shop.store_kind)
    if kind is None:
        raise BadInput(f"There is no kind of store {shop.store_kind!r}.", action="See: celery -A worker shop kinds.")
    mapping, given = split(kind, document)
    options = shop.store_options if given is None else given
    for option in kind.options:
        if option.required and option.name not in options:
            raise BadInput(
                f"[store] lacks {option.name}, which the kind of store {kind.name} needs.",
                action=f"Give it there: {option.help}.",
            )
    settings = read_settings()
    kind.check(StoreConfig(shop.store_url, options, shop.currency, None, "", settings.allowed_networks))
    if synced and parse(mapping).template != parse(shop.mapping).template:
        raise BadInput(
            f"The ids of {shop.slug} are fixed since its first sync: with others, Meta would have every item twice.",
            action='Keep [id] as it is, or move to a new catalog as docs/mapping.md says under "Changing the ids".',
        )
    before = document_of(shop.mapping, shop.store_options)
    return Change(before, document_of(mapping, options), mapping, options)


def split(kind: Kind, document: Document) -> tuple[Document, Mapping[str, str] | None]:
    """A document's mapping, as it is kept, and the store options that it gives; None: it gives none.

    Raises ``BadInput`` with all that is wrong.
    """
    checked = parse(document, [option.name for option in kind.options])
    return {name: document[name] for name in _ORDER if name in document and name != "store"}, checked.options
