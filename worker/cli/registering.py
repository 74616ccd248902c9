"""Adding a shop and changing its credentials: what is checked, in which order, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import click
from sqlalchemy import Engine

from worker.broker import ensure_broker
from worker.cli.remapping import split
from worker.cli.secrets import read_secret
from worker.database import schedules, shops
from worker.database.credentials import load_keyring
from worker.database.engine import database_now, reading, writing
from worker.database.locks import lock_shop
from worker.errors import BadInput, ShelfbeatError, TokenRefused
from worker.graph import Catalog, Graph
from worker.items.money import MINOR_DIGITS
from worker.settings import read_settings
from worker.stores import Kind, StoreConfig, kinds
from worker.sync.waking import wake_lane
from worker.tasks.messages import enqueue
from worker.wiring import graph_config, process_context


@dataclass(frozen=True, slots=True)
class NewShop:
    """What was typed, not checked yet."""

    slug: str
    kind_name: str
    store_url: str
    catalog_id: str
    currency: str | None
    options: Mapping[str, str]
    document: Mapping[str, Any] = field(default_factory=dict)


def register(engine: Engine, new: NewShop, token_env: str | None, secret_env: str | None, actor: str) -> Catalog:
    """Check everything, read the catalog once, then write the shop with its schedules.

    Raises ``ShelfbeatError`` with nothing written. Nothing is sent to the store.
    """
    settings = read_settings()
    load_keyring(settings.keys, settings.database_url)  # a fault in the keys shows before anything is asked
    kind = _kind(new.kind_name)
    mapping, mapped_options = split(kind, new.document)
    options = _together(new.options, mapped_options)
    _check_options(kind, options)
    currency = _currency(new.currency)
    with reading(engine) as connection:
        shops.check_new(connection, slug=new.slug, catalog_id=new.catalog_id)
    store_url = kind.canonical_url(new.store_url)
    # Checked without the secret first: nobody should type one for an address that cannot be right.
    config = StoreConfig(
        url=store_url,
        options=options,
        currency=currency,
        secret=None,
        spool_dir="",
        allowed_networks=settings.allowed_networks,
    )
    kind.check(config)
    token = read_secret("Meta token", token_env)
    secret = read_secret("store's credential", secret_env) if kind.needs_secret or secret_env else None
    kind.check(replace(config, secret=secret))
    catalog = _read_catalog(token, new.catalog_id)
    with writing(engine) as connection:
        now = database_now(connection)
        shop_id = shops.add(
            connection,
            slug=new.slug,
            store_kind=kind.name,
            store_url=store_url,
            store_options=options,
            mapping=mapping,
            catalog_id=new.catalog_id,
            currency=currency,
            now=now,
        )
        # Read anew: a rotation may have gone on while somebody typed, and ended before this transaction began.
        keyring = load_keyring(settings.keys, settings.database_url)
        shops.set_secrets(connection, keyring, shop_id, meta_token=token, store_secret=secret)
        schedules.create_defaults(connection, shop_id, new.slug, now)
        shop = shops.by_slug(connection, new.slug)
        detail = {"store": kind.name, "store_url": store_url, "catalog": new.catalog_id}
        shops.log_event(connection, shop, actor=actor, event="shop.added", detail=detail, now=now)
    return catalog


def replace_secrets(engine: Engine, slug: str, token_env: str | None, secret_env: str | None, actor: str) -> None:
    """Store new credentials and make the shop active. A token is tried with one read of the catalog first."""
    settings = read_settings()
    load_keyring(settings.keys, settings.database_url)
    with reading(engine) as connection:
        shop = shops.by_slug(connection, slug)
    secret = None if secret_env is None else read_secret("store's credential", secret_env)
    kind = _kind(shop.store_kind)
    kind.check(StoreConfig(shop.store_url, shop.store_options, shop.currency, secret, "", settings.allowed_networks))
    token = None
    if secret_env is None or token_env is not None:
        token = read_secret("Meta token", token_env)
        _read_catalog(token, shop.catalog_id)
    with writing(engine) as connection:
        # By its slug again: somebody may have removed it meanwhile.
        shop = shops.by_slug(connection, slug)
        keyring = load_keyring(settings.keys, settings.database_url)
        shops.set_secrets(connection, keyring, shop.id, meta_token=token, store_secret=secret)
        shops.set_state(connection, shop.id, "active")
        changed = [name for name, given in (("meta_token", token), ("store_secret", secret)) if given is not None]
        now = database_now(connection)
        shops.log_event(
            connection, shop, actor=actor, event="shop.credentials_changed", detail={"changed": changed}, now=now
        )
    wake(shop.id)


def check_refused_token(engine: Engine, slug: str) -> None:
    """Try the token of a shop that waits for a new one, which it may not need any more. Other shops are not asked for.

    Raises:
        TokenRefused: It is as bad as it was; the shop stays as it is.
    """
    with reading(engine) as connection:
        shop = shops.by_slug(connection, slug)
    if shop.state != "needs_token":
        return
    settings = read_settings()
    keyring = load_keyring(settings.keys, settings.database_url)
    try:
        if shop.meta_token is None:
            raise TokenRefused(f"The shop {slug} has no token.")
        _read_catalog(keyring.decrypt(shop.meta_token, shop_id=shop.id, purpose="meta_token"), shop.catalog_id)
    except TokenRefused as error:
        raise TokenRefused(error.message, action=f"Give it a new one: celery -A worker shop token {slug}.") from None


def wake(shop_id: int) -> None:
    """Send what a shop has pending now, if it has any; without a broker the sweeper sees to it later."""
    context = process_context()
    with writing(context.engine) as connection:
        shop_row = lock_shop(connection, shop_id)
        wakes = [] if shop_row is None else wake_lane(context, connection, shop_row)
    if not wakes:
        return
    try:
        ensure_broker(read_settings())
    except ShelfbeatError as error:
        click.echo(f"Nothing is sent yet: {error}", err=True)
        return
    enqueue(wakes)


def _kind(name: str) -> Kind:
    kind = kinds().get(name)
    if kind is None:
        raise BadInput(f"There is no kind of store {name!r}.", action=f"Use one of: {', '.join(kinds())}.")
    return kind


def _check_options(kind: Kind, options: Mapping[str, str]) -> None:
    known = {option.name for option in kind.options}
    for name in options:
        if name not in known:
            offer = f"It has: {', '.join(sorted(known))}." if known else "It has none."
            raise BadInput(f"The kind of store {kind.name} has no option {name!r}.", action=offer)
    for option in kind.options:
        if option.required and option.name not in options:
            raise BadInput(
                f"The kind of store {kind.name} needs the option {option.name}.",
                action=f"Add: --store-option {option.name}=… ({option.help}).",
            )


def _together(typed: Mapping[str, str], mapped: Mapping[str, str] | None) -> Mapping[str, str]:
    """The options of the command line and of the mapping's [store]."""
    for name in typed:
        if name in (mapped or {}):
            raise BadInput(f"The store option {name} is given twice.", action="Give it here or in the mapping.")
    return {**(mapped or {}), **typed}


def _currency(text: str | None) -> str | None:
    if text is None:
        return None
    code = text.strip().upper()
    if code not in MINOR_DIGITS:
        raise BadInput(f"{text!r} is no currency.", action="Use an ISO 4217 code such as USD or EUR.")
    return code


def _read_catalog(token: str, catalog_id: str) -> Catalog:
    """The cheapest proof that the token, its permission and the catalog fit together."""
    graph = Graph(graph_config(read_settings()), token)
    try:
        catalog = graph.catalog(catalog_id)
    finally:
        graph.close()
    if catalog.vertical != "commerce":
        raise BadInput(
            f"The catalog {catalog_id} is one for {catalog.vertical}, not for products.",
            action="Use a catalog of the type e-commerce.",
        )
    return catalog
