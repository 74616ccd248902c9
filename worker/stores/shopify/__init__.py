"""Shopify shops: their GraphQL Admin API, read with an app's access token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import httpx

from worker.errors import BadInput
from worker.stores.contract import Option, StoreConfig
from worker.stores.http import check_url, display
from worker.stores.shopify.queries import Documents
from worker.stores.shopify.store import Shopify

__all__ = ["KIND", "Shopify"]

API_VERSIONS = ("2026-10", "2026-07")
"""Newest first. Shopify keeps each for a year; these are the ones that our documents are checked against."""

_PATH = re.compile(r"(?:/admin(?:/api(?:/(?P<version>[^/]+)(?:/graphql\.json)?)?)?)?")
_PLACEHOLDERS = frozenset({"handle", "product_id", "variant_id", "sku"})


class ShopifyKind:
    """How to open a Shopify shop; see ``worker.stores.contract.Kind``."""

    name = "shopify"
    summary = "a Shopify shop, read through its GraphQL Admin API with an app's access token"
    needs_secret = True
    options: Sequence[Option] = (
        Option(
            "api_version",
            f"version of the Admin API, {' or '.join(API_VERSIONS)}; without it the one in the address, "
            f"else {API_VERSIONS[0]}",
        ),
        Option(
            "storefront_url",
            "where a customer finds a variant if not in the online store, such as https://shop.example/p/{handle}; "
            "takes {handle}, {product_id}, {variant_id} and {sku}",
        ),
        Option(
            "publication",
            "number of the publication (sales channel) that decides what is shown; without it the online store",
        ),
        Option("country", "two-letter code of the country whose prices are read; without it the shop's own prices"),
        Option(
            "stock_location",
            "number of the one location whose stock counts, for which the app needs the scope read_inventory, too; "
            "without it all locations that fulfil online orders",
        ),
        Option(
            "language",
            "language whose translations are read where the shop has them, such as fr or pt-BR; without it its own",
        ),
        Option("color_options", "names of product options that mean color", default="color,colour"),
        Option("size_options", "names of product options that mean size", default="size"),
        Option("condition", "condition of everything this shop sells; Shopify itself has none", default="new"),
    )

    def canonical_url(self, url: str) -> str:
        """The GraphQL endpoint, of ``example.myshopify.com``, of the admin's address or of the API's."""
        text = url.strip()
        parts = urlsplit(check_url(text if "://" in text else f"https://{text}"))
        host, path = parts.netloc, parts.path.rstrip("/")
        if parts.hostname == "admin.shopify.com" and (named := re.fullmatch(r"/store/([a-z0-9-]+)(?:/.*)?", path)):
            host, path = f"{named[1]}.myshopify.com", ""
        found = _PATH.fullmatch(path)
        if found is None:
            raise BadInput(
                f"{display(url)} is not the address of a Shopify shop.",
                action="Give it like example.myshopify.com.",
            )
        return urlunsplit((parts.scheme, host, _path(found["version"] or API_VERSIONS[0]), "", ""))

    def check(self, config: StoreConfig) -> None:
        version = _version(self._endpoint(config))
        if version not in API_VERSIONS:
            raise BadInput(
                f"The version {version} of Shopify's Admin API is not one that we know.",
                action=f"Set the option api_version to {' or '.join(API_VERSIONS)}.",
            )
        storefront = config.options.get("storefront_url")
        if storefront is not None:
            check_url(re.sub(r"\{\w+\}", "x", storefront))
            unknown = set(re.findall(r"\{(.*?)\}", storefront)) - _PLACEHOLDERS
            if unknown:
                raise BadInput(
                    f"The option storefront_url has an unknown placeholder {{{min(unknown)}}}.",
                    action="It takes {handle}, {product_id}, {variant_id} and {sku}.",
                )
        if not re.fullmatch(r"\d+", config.options.get("publication", "0")):
            raise BadInput("The option publication is not the number of a publication.")
        if not re.fullmatch(r"\d+", config.options.get("stock_location", "0")):
            raise BadInput("The option stock_location is not the number of a location.")
        if not re.fullmatch(r"[A-Z]{2}", config.options.get("country", "XX")):
            raise BadInput("The option country is not a two-letter country code such as CA.")
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", config.options.get("language", "en")):
            raise BadInput("The option language is not a language code such as fr or pt-BR.")
        if config.options.get("condition", "new") not in ("new", "refurbished", "used"):
            raise BadInput("The option condition is new, refurbished or used.")
        if config.secret is not None and not re.fullmatch(r"[\x21-\x7e]+", config.secret):
            raise BadInput(
                "The access token is empty or has characters that no token has.",
                action="Give the Admin API access token of the app, which begins with shpat_.",
            )

    def open(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> Shopify:
        """The shop; ``transport`` takes the place of the network in tests."""
        publication, location = config.options.get("publication"), config.options.get("stock_location")
        documents = Documents(
            config.options.get("country"),
            publication and f"gid://shopify/Publication/{publication}",
            config.options.get("language"),
            location and f"gid://shopify/Location/{location}",
        )
        config = replace(config.with_defaults(self.options), url=self._endpoint(config))
        return Shopify(config, documents, transport)

    def _endpoint(self, config: StoreConfig) -> str:
        """The address with the version that counts: the option's before the address's own."""
        url = self.canonical_url(config.url)
        version = config.options.get("api_version")
        return url if version is None else urlunsplit((*urlsplit(url)[:2], _path(version), "", ""))


def _path(version: str) -> str:
    return f"/admin/api/{version}/graphql.json"


def _version(url: str) -> str:
    return urlsplit(url).path.split("/")[3]


KIND = ShopifyKind()
