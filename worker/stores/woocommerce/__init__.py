"""WooCommerce shops: their REST API v3, read with an API key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.http import check_url, display
from worker.stores.woocommerce.store import WooCommerce

__all__ = ["KIND", "WooCommerce"]

_API = "/wp-json/wc/v3"
_ONE_OF = {"prices": ("as_stored", "with_tax"), "condition": ("new", "refurbished", "used")}


class WooCommerceKind:
    """How to open a WooCommerce shop; see ``worker.stores.contract.Kind``."""

    name = "woocommerce"
    summary = "a WooCommerce 5.8 shop or newer, read through its REST API with a key ck_…:cs_… that may read"
    needs_secret = True
    options: Sequence[Option] = (
        Option("currency", "ISO code of the prices; without it what the shop's own settings say"),
        Option(
            "prices",
            "as_stored: as they were entered, nothing is computed; with_tax: the same, and refuse a shop whose "
            "settings say that they were entered without tax",
            default="as_stored",
        ),
        Option("brand_attributes", "names or slugs of attributes that stand in for a missing brand", default="brand"),
        Option("color_attributes", "names or slugs of attributes that mean color", default="color,colour"),
        Option("size_attributes", "names or slugs of attributes that mean size", default="size"),
        Option("condition", "condition of everything this shop sells; WooCommerce itself has none", default="new"),
    )

    def canonical_url(self, url: str) -> str:
        """The API's address: that of the site, or of any part of its REST API, gets the path of version 3."""
        parts = urlsplit(check_url(url.strip()))
        if parts.query:
            raise BadInput(
                f"The address {display(url)} has a query.",
                action="Give the site's address; WordPress needs permalinks other than plain ones.",
            )
        site = re.sub(r"(/wp-json(/wc(/v\d)?)?)?/*$", "", parts.path)
        return urlunsplit((parts.scheme, parts.netloc, site + _API, "", ""))

    def check(self, config: StoreConfig) -> None:
        check_url(config.url)
        for name, values in _ONE_OF.items():
            if config.options.get(name, values[0]) not in values:
                raise BadInput(f"The option {name} is {', '.join(values[:-1])} or {values[-1]}.")
        if not re.fullmatch(r"[A-Z]{3}", config.options.get("currency", "USD")):
            raise BadInput("The option currency is not an ISO code such as USD.")
        if config.secret is not None and not re.fullmatch(r"ck_[\x21-\x39\x3b-\x7e]+:cs_[\x21-\x7e]+", config.secret):
            raise BadInput(
                "The API key is not of the form ck_…:cs_….",
                action="Create one in WooCommerce under Settings, Advanced, REST API, and give both parts.",
            )

    def open(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> WooCommerce:
        """The shop; ``transport`` takes the place of the network in tests."""
        return WooCommerce(config.with_defaults(self.options), transport)


KIND = WooCommerceKind()
