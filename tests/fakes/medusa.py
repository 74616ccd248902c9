"""A Medusa Admin API in memory, answering as recorded from Medusa 2.21: lists by offset, fields that were asked for."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx

CLOCK = "Sat, 21 Nov 2026 12:00:00 GMT"
OLD = "2026-11-01T00:00:00.000Z"
CHANNEL, LOCATION, REGION = "sc_01", "sloc_01", "reg_01"

Row = dict[str, Any]


def product(number: int, variants: list[Row] | None = None, **changes: Any) -> Row:
    """One product; its variant is numbered 1000 x ``number`` unless others are given."""
    return {
        "id": f"prod_{number:06d}",
        "title": f"Product {number}",
        "handle": f"product-{number}",
        "description": f"About product {number}",
        "status": "published",
        "thumbnail": None,
        "material": None,
        "metadata": None,
        "updated_at": OLD,
        "deleted_at": None,
        "images": [image(f"https://img.example/{number}.jpg")],
        "sales_channels": [{"id": CHANNEL}],
        "collection": None,
        "type": None,
        "tags": [],
        "categories": [],
        "variants": [variant(1000 * number)] if variants is None else variants,
        **changes,
    }


def variant(number: int, **changes: Any) -> Row:
    return {
        "id": str(number),
        "title": f"Variant {number}",
        "sku": f"S{number}",
        "ean": None,
        "upc": None,
        "barcode": None,
        "thumbnail": None,
        "material": None,
        "allow_backorder": False,
        "manage_inventory": True,
        "updated_at": OLD,
        "deleted_at": None,
        "images": [],
        "options": [],
        "prices": [price(12), price(11, "eur")],
        "inventory_items": [part(f"iitem_{number}", level(7, 2))],
        **changes,
    }


def price(amount: Any, currency: str = "usd", **changes: Any) -> Row:
    return {"amount": amount, "currency_code": currency, "min_quantity": None, "rules": {}, **changes}


def image(url: str, rank: int = 0) -> Row:
    return {"url": url, "rank": rank}


def option(title: str, value: str) -> Row:
    return {"value": value, "option": {"title": title}}


def part(item: str, *levels: Row, required: int = 1) -> Row:
    """One inventory item of a variant."""
    return {"required_quantity": required, "inventory": {"id": item, "location_levels": list(levels)}}


def level(stocked: Any, reserved: Any = 0, location: str = LOCATION, moved: str = OLD) -> Row:
    return {
        "location_id": location,
        "stocked_quantity": stocked,
        "reserved_quantity": reserved,
        "updated_at": moved,
    }


def price_list(number: int, prices: Mapping[str, Any], kind: str = "sale", **changes: Any) -> Row:
    """``prices``: an amount in dollars, or a whole row, by variant id."""
    rows = [
        {
            "id": f"price_{number}_{place:04d}",
            "currency_code": "usd",
            "min_quantity": None,
            "price_rules": [],
            "price_set": {"variant": {"id": name}},
            **(given if isinstance(given, dict) else {"amount": given}),
        }
        for place, (name, given) in enumerate(prices.items())
    ]
    return {
        "id": f"plist_{number:02d}",
        "type": kind,
        "status": "active",
        "starts_at": None,
        "ends_at": None,
        "rules": {},
        "prices": rows,
        **changes,
    }


class FakeMedusa(httpx.BaseTransport):
    """Answers like Medusa 2.21, and misbehaves when told to.

    Attributes:
        products: As ``product`` makes them; what has a ``deleted_at`` is listed with ``with_deleted`` only.
        ignored: Parameters that this version does not know, so answers as if they had not been sent.
        override: Takes the place of every answer while it is set.
        asked: Path and parameters of each request.
    """

    def __init__(self, products: list[Row] | None = None, key: str = "sk_test") -> None:
        self.products = list(products or [])
        self.price_lists: list[Row] = []
        self.key = key
        self.currencies = {"eur": False, "usd": True}
        self.regions = {REGION: "usd"}
        self.channels = {CHANNEL: [LOCATION]}
        self.locations = [LOCATION]
        self.ignored: frozenset[str] = frozenset()
        self.override: httpx.Response | None = None
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.override is not None:
            return self.override
        params = parse_qsl(request.url.query.decode(), keep_blank_values=True)
        path = request.url.path.partition("/admin/")[2]
        self.asked.append((path, params))
        expected = "Basic " + base64.b64encode(f"{self.key}:".encode()).decode()
        if request.headers.get("authorization") != expected:
            return _json({"message": "Unauthorized"}, 401)
        params = [pair for pair in params if pair[0] not in self.ignored]
        if match := re.fullmatch(r"price-lists/(\w+)/prices", path):
            found = next((one for one in self.price_lists if one["id"] == match[1]), {"prices": []})
            return self._list("prices", found["prices"], params)
        kind, _, name = path.partition("/")
        read = getattr(self, f"_{kind.replace('-', '_')}", None)
        if read is None:
            page = httpx.ByteStream(b"<!DOCTYPE html><pre>Cannot GET body-canary</pre>")
            return httpx.Response(404, headers={"content-type": "text/html"}, stream=page)
        return read(name, params)

    def _stores(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        rows = [{"currency_code": code, "is_default": default} for code, default in self.currencies.items()]
        return self._list("stores", [{"id": "store_01", "supported_currencies": rows}], params)

    def _regions(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        return _one("region", name, self.regions, lambda code: {"currency_code": code})

    def _sales_channels(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        return _one("sales_channel", name, self.channels, lambda own: {"stock_locations": [{"id": one} for one in own]})

    def _stock_locations(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        return _one("stock_location", name, dict.fromkeys(self.locations), lambda _: {})

    def _price_lists(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        states = [value for key, value in params if key == "status[]"]
        rows = [one for one in self.price_lists if not states or one["status"] in states]
        names = dict(params)["fields"].split(",")
        # ``rules`` are put together from the rows of price_list_rules, if these were asked for.
        shown = [{**one, "rules": one["rules"] if "price_list_rules.attribute" in names else {}} for one in rows]
        return self._list("price_lists", [{**one, "prices": []} for one in shown], params, made=("rules",))

    def _products(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        rows = self.products
        if ("with_deleted", "true") not in params:
            rows = [{**row, "variants": _alive(row["variants"])} for row in _alive(rows)]
        if since := dict(params).get("variants[deleted_at][$gte]"):
            rows = [row for row in rows if any(_from(one["deleted_at"], since) for one in row["variants"])]
        return self._list("products", rows, params)

    def _product_variants(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        # Deleted ones are never in this list, whatever ``with_deleted`` says.
        owned = [{**one, "product": row} for row in _alive(self.products) for one in _alive(row["variants"])]
        names = dict(params)["fields"].split(",")
        if "prices.price_rules.attribute" not in names:
            owned = [{**one, "prices": [{**price, "rules": {}} for price in one["prices"]]} for one in owned]
        return self._list("variants", owned, params, made=("prices.rules",))

    def _inventory_items(self, name: str, params: list[tuple[str, str]]) -> httpx.Response:
        if any(key.startswith("updated_at") for key, _ in params):
            return _json({"type": "invalid_data", "message": "body-canary"}, 400)
        rows: dict[str, Row] = {}
        for owner in _alive(self.products):
            for one in _alive(owner["variants"]):
                for own in one["inventory_items"] or ():
                    stock = own["inventory"]
                    rows.setdefault(stock["id"], {**stock, "variants": []})["variants"].append(one)
        return self._list("inventory_items", list(rows.values()), params)

    def _list(
        self, name: str, rows: list[Row], params: list[tuple[str, str]], made: tuple[str, ...] = ()
    ) -> httpx.Response:
        """``made``: members that come without being asked for by name."""
        values = dict(params)
        if since := values.get("updated_at[$gte]"):
            try:
                rows = [row for row in rows if _from(row["updated_at"], since)]
            except ValueError:
                return _json({"code": "unknown_error", "type": "unknown_error", "message": "body-canary"}, 500)
        if ids := {value for key, value in params if key == "id[]"}:
            rows = [row for row in rows if row["id"] in ids]
        rows = sorted(rows, key=lambda row: (len(row["id"]), row["id"]))
        offset, limit = int(values.get("offset", "0")), int(values.get("limit", "50"))
        names = {*values["fields"].split(","), *made}
        shown = [_shown(row, names) for row in rows[offset : offset + limit]]
        return _json({name: shown, "count": len(rows), "offset": offset, "limit": limit})


def _from(moved: str | None, since: str) -> bool:
    return moved is not None and datetime.fromisoformat(moved) >= datetime.fromisoformat(since)


def _alive(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["deleted_at"] is None]


def _shown(row: Row, names: set[str]) -> Row:
    """The members that were asked for, of what is inside each other by dotted names; an id always comes along."""
    found: Row = {}
    for name, value in row.items():
        inner = {one.partition(".")[2] for one in names if one.startswith(f"{name}.")}
        if inner and isinstance(value, list):
            found[name] = [_shown(one, inner) if isinstance(one, dict) else one for one in value]
        elif inner:
            found[name] = _shown(value, inner) if isinstance(value, dict) else value
        elif name in names or name == "id":
            found[name] = value
    return found


def _one(kind: str, name: str, known: Mapping[str, Any], row: Any) -> httpx.Response:
    if name not in known:
        return _json({"type": "not_found", "message": f"body-canary {name}"}, 404)
    return _json({kind: {"id": name, **row(known[name])}})


def _json(value: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status,
        headers={"content-type": "application/json; charset=utf-8", "date": CLOCK},
        stream=httpx.ByteStream(json.dumps(value).encode()),
    )
