"""Medusa shops: their Admin API, version 2, read with a secret API key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.http import check_url, display
from worker.stores.medusa.store import Medusa

__all__ = ["KIND", "Medusa"]

_PLACEHOLDERS = frozenset({"handle", "product_id", "variant_id", "sku"})
_IDS = {"region": "reg_", "sales_channel": "sc_", "stock_location": "sloc_"}


class MedusaKind:
    """How to open a Medusa shop; see ``worker.stores.contract.Kind``."""

    name = "medusa"
    summary = "a Medusa 2 shop, read through its Admin API with a secret API key sk_…"
    needs_secret = True
    options: Sequence[Option] = (
        Option(
            "storefront_url",
            "where a customer finds a product, such as https://shop.example/products/{handle}; "
            "takes {handle}, {product_id}, {variant_id} and {sku}",
            required=True,
        ),
        Option("currency", "ISO code of the prices to read; without it the region's, or the shop's default currency"),
        Option("region", "id of the region whose prices and sales count too; without it those for every region"),
        Option("sales_channel", "id of the sales channel; what is not in it is hidden. Without it any channel will do"),
        Option("stock_location", "id of the one location whose stock counts; without it the sales channel's, or all"),
        Option("brand_metadata", "key in the product's metadata that names the brand", default="brand"),
        Option("color_options", "titles of product options that mean color", default="color,colour"),
        Option("size_options", "titles of product options that mean size", default="size"),
        Option("condition", "condition of everything this shop sells; Medusa itself has none", default="new"),
    )

    def canonical_url(self, url: str) -> str:
        """The Admin API's address: that of the server, its dashboard or any part of the API gets Medusa's path."""
        parts = urlsplit(check_url(url.strip()))
        if parts.query:
            raise BadInput(
                f"The address {display(url)} has a query.",
                action="Give the address of the Medusa server, such as https://api.shop.example.",
            )
        server = re.sub(r"/+(?:(?:admin|app)(?:/.*)?)?$", "", parts.path)
        return urlunsplit((parts.scheme, parts.netloc, f"{server}/admin", "", ""))

    def check(self, config: StoreConfig) -> None:
        check_url(config.url)
        storefront = config.options.get("storefront_url", "")
        check_url(re.sub(r"\{\w+\}", "x", storefront))
        unknown = set(re.findall(r"\{(.*?)\}", storefront)) - _PLACEHOLDERS
        if unknown:
            raise BadInput(
                f"The option storefront_url has an unknown placeholder {{{min(unknown)}}}.",
                action="It takes {handle}, {product_id}, {variant_id} and {sku}.",
            )
        if not re.fullmatch(r"[A-Za-z]{3}", config.options.get("currency", "USD")):
            raise BadInput("The option currency is not an ISO code such as USD.")
        for name, prefix in _IDS.items():
            # Ids go into the path of a request.
            if not re.fullmatch(r"[\w-]+", config.options.get(name, prefix), re.ASCII):
                raise BadInput(f"The option {name} is not an id of Medusa such as {prefix}01ABC.")
        if config.options.get("condition", "new") not in ("new", "refurbished", "used"):
            raise BadInput("The option condition is new, refurbished or used.")
        if config.secret is not None and not re.fullmatch(r"sk_[\x21-\x39\x3b-\x7e]+", config.secret):
            raise BadInput(
                "The API key is not of the form sk_….",
                action="Create a secret API key in Medusa under Settings, Secret API Keys.",
            )

    def open(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> Medusa:
        """The shop; ``transport`` takes the place of the network in tests."""
        return Medusa(config.with_defaults(self.options), transport)


KIND = MedusaKind()
