"""Product feeds: a file at an http(s) address or a local path, in the Meta / Google Merchant format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.feed.spool import is_remote, local_path
from worker.stores.feed.store import Feed
from worker.stores.http import check_url

__all__ = ["KIND", "Feed"]


class FeedKind:
    """How to open a feed; see ``worker.stores.contract.Kind``."""

    name = "feed"
    summary = "a product feed (CSV, TSV or NDJSON, plain or .gz) at an http(s) address or a local path"
    needs_secret = False
    options: Sequence[Option] = (
        Option(
            "root", "directory that a local path must lie in, symbolic links resolved; without it any path may be read"
        ),
    )

    def canonical_url(self, url: str) -> str:
        """Local paths become absolute: a worker may run in another directory than the command."""
        if is_remote(url):
            return url.strip()
        if not url.strip():
            raise BadInput("The feed's address is empty.", action="Give http(s) or a local path.")
        if "://" in url and not url.startswith("file://"):
            raise BadInput(
                f"{url.partition('://')[0]}:// is no address of a feed.", action="Give http(s) or a local path."
            )
        return os.path.abspath(Path(local_path(url)).expanduser())  # noqa: PTH100 - resolve() would follow links, which may change later

    def check(self, config: StoreConfig) -> None:
        if is_remote(config.url):
            check_url(config.url)
            if "root" in config.options:
                raise BadInput("The option root bounds local paths; this feed has an http(s) address.")
            return
        path = self.canonical_url(config.url)
        if path.removesuffix(".gz").lower().endswith((".xml", ".rss", ".atom")):
            raise BadInput("RSS and Atom feeds are not supported yet.", action="Use a CSV, TSV or NDJSON feed.")
        root = config.options.get("root")
        if root is None:
            return
        if not Path(root).is_absolute():
            raise BadInput(f"The option root must be an absolute path, not {root}.")
        if os.path.commonpath([os.path.realpath(root), os.path.realpath(path)]) != os.path.realpath(root):
            raise BadInput(
                f"The feed {path} lies outside of {root}.", action="Move it below or change the option root."
            )

    def open(self, config: StoreConfig) -> Feed:
        return Feed(config)


KIND = FeedKind()
