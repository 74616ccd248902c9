"""Product feeds: a file at an http(s) or sftp address or a local path, in the Meta / Google Merchant format."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.feed.columns import VOLATILE
from worker.stores.feed.sftp_address import check_host_key, check_library, check_secret, is_sftp, place_of
from worker.stores.feed.spool import is_remote, local_path
from worker.stores.feed.store import Feed, volatile_fields
from worker.stores.http import check_url

__all__ = ["KIND", "Feed"]


class FeedKind:
    """How to open a feed; see ``worker.stores.contract.Kind``."""

    name = "feed"
    summary = "a product feed (CSV, TSV, NDJSON, RSS or Atom, plain, .gz or .zip) at an http(s) or sftp address or path"
    needs_secret = False
    options: Sequence[Option] = (
        Option(
            "root", "directory that a local path must lie in, symbolic links resolved; without it any path may be read"
        ),
        Option(
            "auth",
            "basic or bearer: how the store's credential (--store-secret-env) is sent, as NAME:PASSWORD or as a token; "
            "never to another origin, be it of a redirect or of volatile_url",
        ),
        Option(
            "host_key",
            "needed for sftp://USER@HOST/PATH: the fingerprint of the server's host key, SHA256:...; the store's "
            "credential (--store-secret-env) is the password or a private key",
        ),
        Option(
            "volatile_url",
            "a second feed, in any of the formats, that volatile runs read instead of the whole one: in each row "
            "an id and every field of volatile_fields, empty where there is none; a row that lacks one is refused",
        ),
        Option(
            "volatile_fields",
            "with volatile_url: the fields of price and stock that both feeds give, such as "
            "price,sale_price,availability; others of them are ignored in both",
        ),
        Option(
            "country",
            "two letters; rows that name another country (target_country, country or feed_label) are skipped",
        ),
    )

    def canonical_url(self, url: str) -> str:
        """Local paths become absolute: a worker may run in another directory than the command."""
        if is_remote(url):
            return url.strip()
        if not url.strip():
            raise BadInput("The feed's address is empty.", action="Give http(s), sftp or a local path.")
        if "://" in url and not url.startswith("file://"):
            raise BadInput(
                f"{url.partition('://')[0]}:// is no address of a feed.", action="Give http(s), sftp or a local path."
            )
        return os.path.abspath(Path(local_path(url)).expanduser())  # noqa: PTH100 - resolve() would follow links, which may change later

    def check(self, config: StoreConfig) -> None:
        options = config.options
        urls = [config.url]
        if "volatile_url" in options:
            urls.append(options["volatile_url"])
        _check_volatile(options)
        _check_auth(config)
        _check_sftp(config)
        if not re.fullmatch(r"(?:[A-Za-z]{2})?", options.get("country", "")):
            raise BadInput("The option country is a code of two letters, such as DE.")
        if "root" in options and all(is_remote(url) for url in urls):
            raise BadInput("The option root bounds local paths; this feed has none.")
        for url in urls:
            if is_sftp(url):
                place_of(url)
            elif is_remote(url):
                check_url(url)
            else:
                _check_path(self.canonical_url(url), options.get("root"))

    def open(self, config: StoreConfig) -> Feed:
        return Feed(config)


def _check_path(path: str, root: str | None) -> None:
    if root is None:
        return
    if not Path(root).is_absolute():
        raise BadInput(f"The option root must be an absolute path, not {root}.")
    if os.path.commonpath([os.path.realpath(root), os.path.realpath(path)]) != os.path.realpath(root):
        raise BadInput(f"The feed {path} lies outside of {root}.", action="Move it below or change the option root.")


def _check_volatile(options: Mapping[str, str]) -> None:
    url, names = options.get("volatile_url"), volatile_fields(options)
    if url is None and not names:
        return
    if url is None or not names:
        raise BadInput(
            "The options volatile_url and volatile_fields need each other.",
            action="Give both, such as volatile_fields=price,sale_price,availability.",
        )
    if unknown := names - VOLATILE:
        raise BadInput(
            f"The option volatile_fields names {min(unknown)}, which is none of these fields.",
            action=f"Use some of {', '.join(sorted(VOLATILE))}.",
        )
    if "price" not in names or not names & {"availability", "quantity_to_sell_on_facebook"}:
        raise BadInput(
            "The option volatile_fields needs price, and availability or quantity_to_sell_on_facebook.",
            action="Without them an item cannot be kept up to date.",
        )
    if not is_remote(url) and not Path(local_path(url)).is_absolute():
        raise BadInput("The option volatile_url is an address or an absolute path.")


def _check_auth(config: StoreConfig) -> None:
    scheme = config.options.get("auth")
    if scheme is None:
        return
    if scheme not in ("basic", "bearer"):
        raise BadInput("The option auth is either basic or bearer.")
    if not is_remote(config.url) or is_sftp(config.url):
        raise BadInput("The option auth is for http(s) addresses; this feed has another.")
    if config.secret is None:
        return
    if scheme == "basic" and not re.fullmatch(r"[^:\x00-\x1f\x7f]+:[^\x00-\x1f\x7f]*", config.secret):
        raise BadInput("The credential of a feed with auth=basic is not of the form NAME:PASSWORD.")
    if scheme == "bearer" and not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", config.secret):
        raise BadInput("The credential of a feed with auth=bearer is empty or has characters that no token has.")


def _check_sftp(config: StoreConfig) -> None:
    prices = config.options.get("volatile_url", "")
    if not is_sftp(config.url):
        if is_sftp(prices):
            raise BadInput("The option volatile_url is for sftp only where the feed itself is.")
        if "host_key" in config.options:
            raise BadInput("The option host_key is for sftp addresses; this feed has another.")
        return
    own = place_of(config.url)
    if is_sftp(prices) and replace(place_of(prices), path=own.path) != own:
        raise BadInput("The option volatile_url names another user or server than the feed's own sftp address.")
    check_host_key(config.options.get("host_key"))
    check_secret(config.secret)
    check_library()


KIND = FeedKind()
