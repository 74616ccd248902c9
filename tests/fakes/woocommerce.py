"""A WooCommerce REST API v3 in memory: products, variations and settings, answering as recorded from WooCommerce 11."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx

CLOCK = "Sat, 21 Nov 2026 12:00:00 GMT"
OLD = "2026-11-01T00:00:00"


def product(number: int, **changes: Any) -> dict[str, Any]:
    """A simple product; one with ``variations`` (see ``variation``) is variable."""
    found = {
        "id": number,
        "name": f"Product {number}",
        "slug": f"product-{number}",
        "permalink": f"https://shop.example/product/product-{number}/",
        "date_modified_gmt": OLD,
        "type": "simple",
        "status": "publish",
        "catalog_visibility": "visible",
        "description": f"<p>About product {number}</p>\n",
        "short_description": "",
        "post_password": "",
        "global_unique_id": "",
        "brands": [],
        "images": [{"id": 7, "date_modified": OLD, "src": f"https://img.example/{number}.jpg"}],
        "attributes": [],
        "variations": [],
        **_sold(number),
        **changes,
    }
    if found["variations"]:
        found["type"] = "variable" if found["type"] == "simple" else found["type"]
        found |= {"price": "10", "regular_price": ""}
    return found


def variation(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "variation",
        "permalink": f"https://shop.example/product/p/?attribute_size={number}",
        "date_modified_gmt": OLD,
        "status": "publish",
        "description": "",
        "global_unique_id": "",
        "image": None,
        "attributes": [],
        "name": "not what it is called",
        **_sold(number),
        **changes,
    }


def _sold(number: int) -> dict[str, Any]:
    return {
        "sku": f"S{number}",
        "price": "10",
        "regular_price": "10",
        "sale_price": "",
        "date_on_sale_from_gmt": None,
        "date_on_sale_to_gmt": None,
        "manage_stock": False,
        "stock_quantity": None,
        "stock_status": "instock",
        "backorders": "no",
    }


class FakeWooCommerce(httpx.BaseTransport):
    """Answers like WooCommerce, and misbehaves when told to.

    Attributes:
        products: As ``product`` makes them; ``variations`` holds them whole, WooCommerce shows their ids.
        orphans: Variations whose product is gone or not variable any more.
        before_10_3: There is no list of all variations.
        ignores_fields, ignores_offset: A plugin circumvents these parameters.
        unseen: Ids that are counted and not shown, like a product that WooCommerce cannot open.
        override: Takes the place of every answer while it is set.
        asked: Path and parameters of each request.
    """

    def __init__(self, products: list[dict[str, Any]] | None = None, secret: str = "cs_test") -> None:
        self.products = list(products or [])
        self.orphans: list[dict[str, Any]] = []
        self.key, self.secret = "ck_test", secret
        self.settings = {"general/woocommerce_currency": "USD", "tax/woocommerce_prices_include_tax": "yes"}
        self.before_10_3 = False
        self.ignores_fields = self.ignores_offset = False
        self.may_read_settings = True
        self.unseen: set[int] = set()
        self.nonces: set[str] = set()
        self.override: httpx.Response | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.override is not None:
            return self.override
        query = request.url.query.decode()
        params = dict(parse_qsl(query, keep_blank_values=True))
        path = request.url.path.partition("/wp-json/wc/v3/")[2]
        self.asked.append((path, params))
        if not self._known(request, params):
            return _error(401, "woocommerce_rest_cannot_view")
        if path.startswith("settings/"):
            return self._setting(path.removeprefix("settings/"))
        if path == "products":
            rows = [{**one, "variations": [own["id"] for own in one["variations"]]} for one in self.products]
            return self._list(rows, params)
        if path == "variations" and not self.before_10_3:
            owned = [{**own, "parent_id": one["id"]} for one in self.products for own in one["variations"]]
            return self._list([*owned, *self.orphans], params)
        if match := re.fullmatch(r"products/(\d+)/variations", path):
            owner = next((one for one in self.products if one["id"] == int(match[1])), {"variations": []})
            return self._list([{**own, "parent_id": owner["id"]} for own in owner["variations"]], params)
        return _error(404, "rest_no_route")

    def _setting(self, path: str) -> httpx.Response:
        if not self.may_read_settings:
            return _error(403, "woocommerce_rest_cannot_view")
        if path not in self.settings:
            return _error(404, "rest_setting_setting_invalid")
        group, _, name = path.partition("/")
        return _json({"id": name, "value": self.settings[path], "default": "USD", "group_id": group})

    def _list(self, rows: list[dict[str, Any]], params: dict[str, str]) -> httpx.Response:
        count = int(params.get("per_page", "10"))
        if not 1 <= count <= 100:
            return _error(400, "rest_invalid_param")
        status = params.get("status", "any")
        rows = [row for row in rows if (row["status"] != "trash" if status == "any" else row["status"] == status)]
        if "type" in params:
            rows = [row for row in rows if row["type"] == params["type"]]
        if "include" in params:
            rows = [row for row in rows if str(row["id"]) in params["include"].split(",")]
        if "modified_after" in params:
            assert params["dates_are_gmt"] == "true"
            # WordPress: "after" leaves out the second itself.
            rows = [row for row in rows if row["date_modified_gmt"] > params["modified_after"]]
        rows = sorted(rows, key=lambda row: row["id"], reverse=params.get("order", "desc") == "desc")
        start = 0 if self.ignores_offset else int(params.get("offset", "0"))
        part = rows[start : start + count]
        shown = [self._shown(row, params) for row in part if row["id"] not in self.unseen]
        # WP_Query does not count what it finds nothing of.
        total = len(rows) if part else 0
        return _json(shown, {"x-wp-total": str(total), "x-wp-totalpages": str(-(-total // count))})

    def _shown(self, row: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
        if "_fields" not in params or self.ignores_fields:
            return row
        return {name: value for name, value in row.items() if name in params["_fields"].split(",")}

    def _known(self, request: httpx.Request, params: dict[str, str]) -> bool:
        header = request.headers.get("authorization", "")
        if request.url.scheme == "https":
            return header == "Basic " + base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        oauth = {name: unquote(value) for name, value in re.findall(r'(oauth_[a-z_]+)="([^"]*)"', header)}
        signature = oauth.pop("oauth_signature", "")
        if not header.startswith("OAuth ") or oauth["oauth_consumer_key"] != self.key:
            return False
        if oauth["oauth_nonce"] in self.nonces:
            return False
        self.nonces.add(oauth["oauth_nonce"])
        # As WC_REST_Authentication builds it: every pair is encoded, joined, and encoded again.
        pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in {**params, **oauth}.items())
        joined = "%26".join(quote(f"{name}={value}", safe="") for name, value in pairs)
        address = str(request.url).partition("?")[0]
        text = f"GET&{quote(address, safe='')}&{joined}"
        digest = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha256).digest()
        return signature == base64.b64encode(digest).decode()


def _error(status: int, code: str) -> httpx.Response:
    return _json({"code": code, "message": "Sorry, body-canary.", "data": {"status": status}}, status=status)


def _json(value: Any, headers: dict[str, str] | None = None, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status,
        headers={"content-type": "application/json; charset=UTF-8", "date": CLOCK, **(headers or {})},
        stream=httpx.ByteStream(json.dumps(value).encode()),
    )
