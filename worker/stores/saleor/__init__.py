"""Saleor shops: one channel of their GraphQL API, read with an app's token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.http import check_url
from worker.stores.saleor.store import Saleor

__all__ = ["KIND", "Saleor"]

_PLACEHOLDERS = frozenset({"slug", "product_id", "variant_id", "sku"})


class SaleorKind:
    """How to open a Saleor shop; see ``worker.stores.contract.Kind``."""

    name = "saleor"
    summary = "one channel of a Saleor 3.22+ shop, read through its GraphQL API with an app's token"
    needs_secret = True
    options: Sequence[Option] = (
        Option("channel", "slug of the channel whose products, prices and stock are read", required=True),
        Option(
            "storefront_url",
            "where a customer finds a variant, such as https://shop.example/products/{slug}?variant={variant_id}; "
            "takes {slug}, {product_id}, {variant_id} and {sku}",
            required=True,
        ),
        Option("warehouse", "slugs of the warehouses whose stock counts; without it all that the channel sells from"),
        Option("language", "code of the language of texts, such as DE or PT_BR; without it the shop's own texts"),
        Option("price", "with_tax or without_tax; without it the price that the channel displays"),
        Option("brand_attributes", "slugs of attributes that name the brand", default="brand"),
        Option("color_attributes", "slugs of attributes that mean color", default="color,colour"),
        Option("size_attributes", "slugs of attributes that mean size", default="size"),
        Option("condition", "condition of what has no attribute of that name", default="new"),
    )

    def canonical_url(self, url: str) -> str:
        """The API's address, of the shop's or the dashboard's. Saleor answers only with the slash at its end."""
        parts = urlsplit(check_url(url.strip()))
        path = parts.path.rstrip("/").removesuffix("/dashboard")
        return urlunsplit((parts.scheme, parts.netloc, f"{path or '/graphql'}/", parts.query, ""))

    def check(self, config: StoreConfig) -> None:
        check_url(config.url)
        _check_storefront(config.options.get("storefront_url", ""))
        if not re.fullmatch(r"[\w-]+", config.options.get("channel", "")):
            raise BadInput("The option channel is not the slug of a channel, such as default-channel.")
        if not all(re.fullmatch(r"\s*[\w-]+\s*", slug) for slug in config.options.get("warehouse", "x").split(",")):
            raise BadInput("The option warehouse is no list of slugs such as main,outlet.")
        if not re.fullmatch(r"[A-Za-z]{2,3}([_-][A-Za-z]{2,4})*", config.options.get("language", "en")):
            raise BadInput("The option language is not the code of a language such as DE or PT_BR.")
        if config.options.get("price", "with_tax") not in ("with_tax", "without_tax"):
            raise BadInput("The option price is either with_tax or without_tax.")
        if config.options.get("condition", "new") not in ("new", "refurbished", "used"):
            raise BadInput("The option condition is new, refurbished or used.")
        if config.secret is not None and not re.fullmatch(r"[\x21-\x7e]+", config.secret):
            raise BadInput(
                "The token is empty or has characters that no token has.",
                action="Create an app in Saleor's dashboard and give the token of that app.",
            )

    def open(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> Saleor:
        """The shop; ``transport`` takes the place of the network in tests."""
        return Saleor(config.with_defaults(self.options), transport)


def _check_storefront(template: str) -> None:
    check_url(re.sub(r"\{\w+\}", "x", template))
    unknown = set(re.findall(r"\{(.*?)\}", template)) - _PLACEHOLDERS
    if unknown:
        raise BadInput(
            f"The option storefront_url has an unknown placeholder {{{min(unknown)}}}.",
            action="It takes {slug}, {product_id}, {variant_id} and {sku}.",
        )


KIND = SaleorKind()
