"""Puts the parts together: from the settings to the context that every use case is given.

The one place where concrete stores, the Graph client, the engine and the keys meet. Nothing is made before the first
use in a process, so a forked pool process shares no connection with its parent.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from worker import failpoints
from worker.database.credentials import Keyring, Purpose, load_keyring
from worker.database.engine import make_engine
from worker.errors import BadInput, TokenRefused
from worker.graph import Graph, GraphConfig
from worker.items import source_seed
from worker.items.mapping import parse
from worker.settings import Settings, read_settings
from worker.stores import Kind, Store, StoreConfig, kinds, mapped
from worker.sync.context import Context, Limits

_CACHED_CLIENTS = 1000

_contexts: dict[int, Context] = {}


def process_context() -> Context:
    """The context of this process, made on first use. Raises ``BadInput`` for settings that cannot work."""
    process = os.getpid()
    if process not in _contexts:
        # What a parent made before the fork must not be used here.
        _contexts.clear()
        settings = read_settings()
        failpoints.arm(failpoints.parse(settings.failpoints))
        _contexts[process] = open_context(settings)
    return _contexts[process]


def open_context(settings: Settings) -> Context:
    """A new context. Opens no connection yet; makes the key file beside an SQLite database if there is none."""
    keyring = load_keyring(settings.keys, settings.database_url)
    spool_dir = _spool_dir()
    return Context(
        engine=make_engine(settings.database_url),
        open_store=partial(_open_store, keyring, settings.allowed_networks, spool_dir),
        sender=_senders(graph_config(settings), keyring),
        seed=_seed,
        monotonic=time.monotonic,
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        is_dead=_is_dead,
        limits=Limits(drain_s=settings.meta_drain_s),
    )


def _is_dead(owner: str) -> bool:
    """Whether a process of this host has ended; a number that was given out again keeps its lease until it expires."""
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it lives, as another user's
    return False


def graph_config(settings: Settings) -> GraphConfig:
    """Where and how Meta is called."""
    secret = settings.meta_app_secret
    return GraphConfig(
        base_url=settings.meta_graph_url,
        version=settings.meta_graph_version,
        app_id=settings.meta_app_id,
        app_secret=secret.get_secret_value() if secret else None,
    )


def _open_store(keyring: Keyring, allowed_networks: tuple[str, ...], spool_dir: str, shop: Row[Any]) -> Store:
    mapping = parse(shop.mapping)
    store = _kind(shop.store_kind).open(
        StoreConfig(
            url=shop.store_url,
            options=shop.store_options,
            currency=shop.currency,
            secret=_decrypted(keyring, shop, "store_secret"),
            spool_dir=spool_dir,
            allowed_networks=allowed_networks,
        )
    )
    return mapped(store, mapping)


def _senders(config: GraphConfig, keyring: Keyring) -> Callable[[Row[Any]], Graph]:
    @lru_cache(maxsize=_CACHED_CLIENTS)
    def client(shop_id: int, sealed: bytes) -> Graph:
        return Graph(config, keyring.decrypt(sealed, shop_id=shop_id, purpose="meta_token"))

    def sender(shop: Row[Any]) -> Graph:
        if shop.meta_token is None:
            raise TokenRefused(f"The shop {shop.slug} has no token.", action=f"Give it one: shop token {shop.slug}.")
        return client(shop.id, shop.meta_token)

    return sender


def _seed(shop: Row[Any], store: Store) -> int:
    return source_seed(shop.store_kind, store.version, shop.store_options, shop.mapping, shop.currency)


def _kind(name: str) -> Kind:
    kind = kinds().get(name)
    if kind is None:
        raise BadInput(f"There is no kind of store {name!r}.", action="See: celery -A worker shop kinds.")
    return kind


def _decrypted(keyring: Keyring, shop: Row[Any], purpose: Purpose) -> str | None:
    sealed: bytes | None = getattr(shop, purpose)
    return None if sealed is None else keyring.decrypt(sealed, shop_id=shop.id, purpose=purpose)


def _spool_dir() -> str:
    directory = Path.cwd() / "var" / "spool"
    try:
        directory.parent.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        # A container that may write nowhere but /tmp.
        return tempfile.mkdtemp(prefix="shelfbeat-")
    return str(directory)
