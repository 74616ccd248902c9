"""Vendure shops: their GraphQL Admin API, read with an API key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.http import check_url
from worker.stores.vendure.store import Vendure

__all__ = ["KIND", "Vendure"]

_PLACEHOLDERS = frozenset({"slug", "product_id", "variant_id", "sku"})


class VendureKind:
    """How to open a Vendure shop; see ``worker.stores.contract.Kind``."""

    name = "vendure"
    summary = "a Vendure 3 shop, read through its Admin API with an API key"
    needs_secret = True
    options: Sequence[Option] = (
        Option(
            "storefront_url",
            "where a customer finds a product, such as https://shop.example/products/{slug}; "
            "takes {slug}, {product_id}, {variant_id} and {sku}",
            required=True,
        ),
        Option("channel", "token of the sales channel; without it the shop's default channel"),
        Option("price", "with_tax or without_tax: which of the two prices customers see", default="with_tax"),
        Option(
            "compare_at_field",
            "name of the variants' custom field with the price before a reduction, a whole number like the price",
        ),
        Option("stock_location", "id of the one stock location that counts; without it all of them"),
        Option("brand_facet", "code of the facet that names the brand", default="brand"),
        Option("color_options", "codes or names of option groups that mean color", default="color,colour"),
        Option("size_options", "codes or names of option groups that mean size", default="size"),
        Option("condition", "condition of everything this shop sells; Vendure itself has none", default="new"),
    )

    def canonical_url(self, url: str) -> str:
        """The Admin API's address: a bare shop address gets Vendure's default path."""
        parts = urlsplit(check_url(url.strip()))
        path = parts.path.rstrip("/") or "/admin-api"
        return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

    def check(self, config: StoreConfig) -> None:
        check_url(config.url)
        storefront = config.options.get("storefront_url", "")
        check_url(re.sub(r"\{\w+\}", "x", storefront))
        unknown = set(re.findall(r"\{(.*?)\}", storefront)) - _PLACEHOLDERS
        if unknown:
            raise BadInput(
                f"The option storefront_url has an unknown placeholder {{{min(unknown)}}}.",
                action="It takes {slug}, {product_id}, {variant_id} and {sku}.",
            )
        if config.options.get("price", "with_tax") not in ("with_tax", "without_tax"):
            raise BadInput("The option price is either with_tax or without_tax.")
        if not re.fullmatch(r"[A-Za-z]\w*", config.options.get("compare_at_field", "x"), re.ASCII):
            raise BadInput("The option compare_at_field is not the name of a custom field.")
        if not re.fullmatch(r"[\w-]+", config.options.get("stock_location", "1"), re.ASCII):
            raise BadInput("The option stock_location is not the id of a stock location.")
        if config.options.get("condition", "new") not in ("new", "refurbished", "used"):
            raise BadInput("The option condition is new, refurbished or used.")
        if config.secret is not None and not re.fullmatch(r"[\x21-\x7e]+", config.secret):
            raise BadInput("The API key is empty or has characters that no key has.", action="Create one in Vendure.")
        if not re.fullmatch(r"[\x21-\x7e]*", config.options.get("channel", "")):
            raise BadInput("The option channel is not a channel token.")

    def open(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> Vendure:
        """The shop; ``transport`` takes the place of the network in tests."""
        return Vendure(config.with_defaults(self.options), transport)


KIND = VendureKind()
