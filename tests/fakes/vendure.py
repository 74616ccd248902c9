"""A Vendure Admin API in memory: the three lists and the settings that the adapter asks for, by operation name."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

CLOCK = "Sat, 21 Nov 2026 12:00:00 GMT"


def product(number: int, variants: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """One product; its variants are numbered from 1000 x ``number`` on."""
    return {
        "id": str(number),
        "slug": f"product-{number}",
        "name": f"Product {number}",
        "description": f"<p>About product {number}</p>",
        "enabled": True,
        "updatedAt": "2026-11-01T00:00:00.000Z",
        "featuredAsset": {"preview": f"https://img.example/{number}.jpg"},
        "assets": [],
        "facetValues": [{"name": "Acme", "facet": {"code": "brand"}}],
        "variants": [variant(1000 * number)] if variants is None else variants,
        **changes,
    }


def variant(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "name": f"Variant {number}",
        "sku": f"S{number}",
        "enabled": True,
        "updatedAt": "2026-11-01T00:00:00.000Z",
        "price": 1000,
        "priceWithTax": 1200,
        "currencyCode": "USD",
        "trackInventory": "INHERIT",
        "outOfStockThreshold": 0,
        "useGlobalOutOfStockThreshold": True,
        "stockLevels": [{"stockOnHand": 7, "stockAllocated": 2, "stockLocationId": "1"}],
        "featuredAsset": None,
        "assets": [],
        "facetValues": [],
        "options": [],
        **changes,
    }


class FakeVendure(httpx.BaseTransport):
    """Answers like Vendure 3.7, and misbehaves when told to.

    Attributes:
        override: Takes the place of every answer while it is set.
        priceless: Ids of variants without a price in this channel.
        locations: Ids of the stock locations of this channel.
        most: Vendure's ``adminListQueryLimit``.
        asked: Operation name and options of every call.
        documents: The text of every call.
    """

    def __init__(self, products: list[dict[str, Any]] | None = None, key: str = "test-key") -> None:
        self.products = list(products or [])
        self.key = key
        self.token = "default-channel"
        self.settings = {
            "trackInventory": True,
            "outOfStockThreshold": 0,
            "serverConfig": {"moneyStrategyPrecision": 2},
        }
        self.locations = {"1", "2"}
        self.most = 1000
        self.priceless: set[str] = set()
        self.override: httpx.Response | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.documents: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.override is not None:
            return self.override
        body = json.loads(request.read())
        operation = re.match(r"query (\w+)", body["query"])[1]
        options = body["variables"].get("options", {})
        self.asked.append((operation, options))
        self.documents.append(body["query"])
        if request.headers.get("vendure-api-key") != self.key:
            return _json({"errors": [{"message": "not authorized", "extensions": {"code": "FORBIDDEN"}}], "data": None})
        if options.get("take", 0) > self.most:
            return _json(
                {"errors": [{"message": "too many", "extensions": {"code": "USER_INPUT_ERROR"}}], "data": None}
            )
        data = getattr(self, f"_{operation.lower()}")(options)
        if errors := self._priceless(data) if operation in ("Products", "Sold") else []:
            return _json({"errors": errors, "data": None})
        return _json({"data": data})

    def _settings(self, options: dict[str, Any]) -> dict[str, Any]:
        channel = {"token": self.token, "defaultCurrencyCode": "USD"}
        asked = re.search(r'stockLocation\(id: "(\w+)"\)', self.documents[-1])
        there = {"stockLocation": {"id": asked[1]} if asked[1] in self.locations else None} if asked else {}
        return {"globalSettings": self.settings, "activeChannel": channel, **there}

    def _products(self, options: dict[str, Any]) -> dict[str, Any]:
        found = self._list(self.products, options)
        return {"products": {**found, "items": [_as_asked(row) for row in found["items"]]}}

    _sold = _products

    def _bare(self, options: dict[str, Any]) -> dict[str, Any]:
        found = self._products(options)["products"]
        bare = [{"id": one["id"], "variants": [{"id": own["id"]} for own in one["variants"]]} for one in found["items"]]
        return {"products": {**found, "items": bare}}

    def _priceless(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """What Vendure 3.7.3 answers in place of a list with a variant without a price in this channel."""
        return [
            {
                "message": "No price information was found for ProductVariant",
                "path": ["products", "items", row, "variants", place, "price"],
                "extensions": {"code": "INTERNAL_SERVER_ERROR"},
            }
            for row, product in enumerate(data["products"]["items"])
            for place, own in enumerate(product["variants"])
            if own["id"] in self.priceless
        ]

    def _variants(self, options: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {
                "id": one["id"],
                "productId": owner["id"],
                "updatedAt": one["updatedAt"],
                "product": {"updatedAt": owner["updatedAt"]},
            }
            for owner in self.products
            for one in owner["variants"]
        ]
        return {"productVariants": self._list(rows, options)}

    def _list(self, rows: list[dict[str, Any]], options: dict[str, Any]) -> dict[str, Any]:
        filters = options.get("filter", {})
        if "id" in filters:
            rows = [row for row in rows if row["id"] in filters["id"]["in"]]
        if "updatedAt" in filters:
            rows = [row for row in rows if row["updatedAt"] > filters["updatedAt"]["after"]]
        rows = sorted(rows, key=lambda row: int(row["id"]))
        skip = options.get("skip", 0)
        return {"totalItems": len(rows), "items": rows[skip : skip + options["take"]]}


def _as_asked(product: dict[str, Any]) -> dict[str, Any]:
    """Without change times: our documents do not ask for them, and GraphQL gives no more than is asked for."""
    variants = [{name: value for name, value in one.items() if name != "updatedAt"} for one in product["variants"]]
    return {**{name: value for name, value in product.items() if name != "updatedAt"}, "variants": variants}


def _json(value: Any) -> httpx.Response:
    return httpx.Response(
        200,
        headers={"content-type": "application/json", "date": CLOCK},
        stream=httpx.ByteStream(json.dumps(value).encode()),
    )
