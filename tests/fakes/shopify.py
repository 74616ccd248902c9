"""A Shopify shop in memory: it executes our documents, as sent, against the part of Shopify's schema that they use."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from graphql import GraphQLError, OperationDefinitionNode, execute, get_named_type, parse, validate

from tests.fakes.shopify_schema import pruned

CLOCK = "Sat, 21 Nov 2026 12:00:00 GMT"
OLD = "2026-11-01T00:00:00Z"
FILES = "https://files.example/exports/"
MAX_COST = 1_000


def product(number: int, variants: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """One product; its variants are numbered from 1000 x ``number`` on."""
    return {
        "id": f"gid://shopify/Product/{number}",
        "title": f"Product {number}",
        "descriptionHtml": f"<p>About product {number}</p>",
        "handle": f"product-{number}",
        "vendor": "Acme",
        "productType": "Shirts",
        "status": "ACTIVE",
        "onlineStoreUrl": f"https://shop.example/products/product-{number}",
        "publishedOnPublication": True,
        "category": {"id": "gid://shopify/TaxonomyCategory/aa-1-13", "fullName": "Apparel > Clothing > Shirts"},
        "updatedAt": OLD,
        "media": [picture(number)],
        "translations": [],
        "variants": [variant(1000 * number)] if variants is None else variants,
        **changes,
    }


def variant(number: int, **changes: Any) -> dict[str, Any]:
    tracked = changes.pop("tracked", True)
    stock_updated = changes.pop("stockUpdatedAt", OLD)
    return {
        "id": f"gid://shopify/ProductVariant/{number}",
        "title": "Default Title",
        "sku": f"S{number}",
        "barcode": None,
        "price": "12.00",
        "compareAtPrice": None,
        "contextualPricing": {"price": {"amount": "15.0", "currencyCode": "CAD"}, "compareAtPrice": None},
        "availableForSale": True,
        "inventoryPolicy": "DENY",
        "sellableOnlineQuantity": 5,
        "inventoryItem": {
            "id": f"gid://shopify/InventoryItem/{number}", "tracked": tracked, "updatedAt": stock_updated,
        },
        "selectedOptions": [{"name": "Title", "value": "Default Title"}],
        "updatedAt": OLD,
        "media": [],
        **changes,
    }  # fmt: skip


def level(variant_number: int, **changes: Any) -> dict[str, Any]:
    """The stock of a variant at a location."""
    return {
        "id": f"gid://shopify/InventoryLevel/{variant_number}", "variant": variant_number, "updatedAt": OLD,
        "quantities": [{"name": "available", "quantity": 3}], **changes,
    }  # fmt: skip


def picture(number: int) -> dict[str, Any]:
    return {"id": f"gid://shopify/MediaImage/{number}", "image": {"url": f"https://img.example/{number}.jpg"}}


def video(number: int) -> dict[str, Any]:
    return {"id": f"gid://shopify/Video/{number}"}


class FakeShopify(httpx.BaseTransport):
    """Answers as Shopify documents it, and misbehaves when told to.

    Attributes:
        override: Takes the place of every answer while it is set.
        answer: Takes the place of every answer to a document while it is set, with its status.
        asked: Operation name and variables of every call.
        points: What the bucket holds; None: always full.
        exports: Bulk operations by number; a new one is finished when it was asked for ``polls`` times.
        max_exports: How many may run at once.
        denied: Fields that answer ACCESS_DENIED, with the scope that they need.
        scopes: What the app may do.
        locations: Each with its ``inventoryLevels``; see ``level``.
    """

    def __init__(self, products: list[dict[str, Any]] | None = None, token: str = "test-token") -> None:
        self.products = list(products or [])
        self.token = token
        self.currency = "USD"
        self.override: httpx.Response | None = None
        self.answer: tuple[int, dict[str, Any]] | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.urls: list[str] = []
        self.points: float | None = None
        self.polls = 2
        self.max_exports = 5
        self.exports: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.denied: dict[str, str] = {}
        self.scopes = ["read_products"]
        self.locations: list[dict[str, Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        if self.override is not None:
            return self.override
        if request.method == "GET":
            assert "x-shopify-access-token" not in request.headers, "the token went to another origin"
            body = self.files.get(str(request.url))
            return httpx.Response(404 if body is None else 200, stream=httpx.ByteStream(body or b""))
        if self.answer is not None:
            return _json(self.answer[1], self.answer[0])
        if request.headers.get("x-shopify-access-token") != self.token:
            return _json({"errors": "[API] Invalid API key or access token (unrecognized login)"}, 401)
        sent = json.loads(request.read())
        return _json(self._answer(sent["query"], sent["variables"]))

    def _answer(self, text: str, variables: dict[str, Any]) -> dict[str, Any]:
        document = parse(text)
        operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
        self.asked.append((operation.name.value if operation.name else "", variables))
        if errors := validate(pruned(), document):
            return {"errors": [{"message": one.message, "extensions": {"code": "undefinedField"}} for one in errors]}
        cost = _cost(operation.selection_set, variables)
        if cost > MAX_COST:
            return _error("MAX_COST_EXCEEDED", "Query cost exceeds the single query max cost limit")
        status = {"maximumAvailable": 2000.0, "currentlyAvailable": self.points or 0.0, "restoreRate": 100.0}
        extensions = {"cost": {"requestedQueryCost": cost, "actualQueryCost": cost, "throttleStatus": status}}
        if self.points is None:
            status["currentlyAvailable"] = 2000.0
        elif cost > self.points:
            extensions["cost"]["actualQueryCost"] = None
            return {**_error("THROTTLED", "Throttled"), "extensions": extensions}
        else:
            self.points -= cost
            status["currentlyAvailable"] = self.points
        result = self._execute(document, variables)
        return {**result, "extensions": extensions}

    def _execute(self, document: Any, variables: dict[str, Any]) -> dict[str, Any]:
        result = execute(
            pruned(),
            document,
            variable_values=variables,
            field_resolver=self._resolve,
            type_resolver=lambda value, *_: value["id"].split("/")[3],
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [{"message": one.message, "extensions": one.extensions or {}} for one in result.errors]
        return answer

    def _resolve(self, source: Any, info: Any, **arguments: Any) -> Any:
        name = info.field_name
        if name in self.denied:
            scope = f"`{self.denied[name]}` access scope."
            raise GraphQLError("Access denied", extensions={"code": "ACCESS_DENIED", "requiredAccess": scope})
        if source is None:
            return getattr(self, f"_{name}")(**arguments)
        if name == "inventoryLevel":
            return self._level(source, **arguments)
        value = source.get(name)
        if get_named_type(info.return_type).name.endswith("Connection"):
            terms = _terms(arguments.pop("query", None))
            return _connection([one for one in value or [] if _changed(one, terms)], **arguments)
        return value

    def _location(self, id: str) -> dict[str, Any] | None:  # noqa: A002 - Shopify's name
        return next((place for place in self.locations if place["id"] == id), None)

    def _level(self, item: dict[str, Any], locationId: str) -> dict[str, Any] | None:  # noqa: N803 - Shopify's name
        place = self._location(locationId) or {"inventoryLevels": []}
        levels = (one for one in place["inventoryLevels"] if item["id"].endswith(f"/{one['variant']}"))
        return next(levels, None)

    def _shop(self) -> dict[str, Any]:
        return {"currencyCode": self.currency}

    def _currentAppInstallation(self) -> dict[str, Any]:  # noqa: N802 - Shopify's name
        return {"accessScopes": [{"handle": scope} for scope in self.scopes]}

    def _locations(self, **paging: Any) -> dict[str, Any]:
        items = {one["inventoryItem"]["id"]: {**one["inventoryItem"], "variants": [one]} for one in self._variants()}
        found = []
        for place in self.locations:
            levels = [
                {**one, "item": items[f"gid://shopify/InventoryItem/{one['variant']}"]}
                for one in place["inventoryLevels"]
            ]
            found.append({**place, "inventoryLevels": levels})
        return _connection(found, **paging)

    def _productVariantsCount(self, limit: int | None = None, query: str | None = None) -> dict[str, Any]:  # noqa: N802 - Shopify's name
        return {"count": min(len(self._variants()), limit or 10_000)}

    def _products(self, query: str | None = None, **paging: Any) -> dict[str, Any]:
        terms = _terms(query)
        statuses = terms.get("status", "active").upper().split(",")
        found = [one for one in self.products if one["status"] in statuses and _changed(one, terms)]
        return _connection(found, **paging)

    def _productVariants(self, query: str | None = None, **paging: Any) -> dict[str, Any]:  # noqa: N802 - Shopify's name
        terms = _terms(query)
        wanted = terms.get("product_ids", "").split(",") if "product_ids" in terms else None
        found = [
            one
            for one in self._variants()
            if _changed(one, terms) and (wanted is None or one["product"]["id"].rpartition("/")[2] in wanted)
        ]
        return _connection(found, **paging)

    def _inventoryItems(self, query: str | None = None, **paging: Any) -> dict[str, Any]:  # noqa: N802 - Shopify's name
        items = [{**one["inventoryItem"], "variants": [one]} for one in self._variants()]
        return _connection([one for one in items if _changed(one, _terms(query))], **paging)

    def _nodes(self, ids: list[str]) -> list[dict[str, Any] | None]:
        known = {one["id"]: one for one in (*self.products, *self._variants())}
        return [known.get(one) for one in ids]

    def _bulkOperationRunQuery(self, query: str, groupObjects: bool) -> dict[str, Any]:  # noqa: N802, N803 - Shopify's names
        running = [one for one in self.exports.values() if one["status"] in ("CREATED", "RUNNING")]
        if len(running) >= self.max_exports:
            error = {"code": "LIMIT_REACHED", "field": None, "message": "Limit reached."}
            return {"bulkOperation": None, "userErrors": [error]}
        document = parse(query)
        if errors := [*(one.message for one in validate(pruned(), document)), *_bulk_errors(query)]:
            return {
                "bulkOperation": None,
                "userErrors": [{"code": "INVALID", "field": ["query"], "message": errors[0]}],
            }
        lines, roots = _lines(self._execute(document, {})["data"])
        number = str(7_000 + len(self.exports))
        url = f"{FILES}{number}.jsonl?signature=canary"
        self.files[url] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.exports[number] = {
            "id": f"gid://shopify/BulkOperation/{number}",
            "status": "CREATED",
            "errorCode": None,
            "createdAt": "2026-11-21T12:00:00Z",
            "objectCount": str(len(lines)),
            "rootObjectCount": str(roots),
            "url": url if lines else None,
            "polls": self.polls,
        }
        return {"bulkOperation": self.exports[number], "userErrors": []}

    def _bulkOperation(self, id: str) -> dict[str, Any] | None:  # noqa: A002, N802 - Shopify's names
        export = self.exports.get(id.rpartition("/")[2])
        if export is not None and export["status"] in ("CREATED", "RUNNING"):
            export["polls"] -= 1
            export["status"] = "RUNNING" if export["polls"] > 0 else "COMPLETED"
        return export if export is None or export["status"] == "COMPLETED" else {**export, "url": None}

    def _variants(self) -> list[dict[str, Any]]:
        found = [{**one, "product": owner} for owner in self.products for one in owner["variants"]]
        return sorted(found, key=lambda one: int(one["id"].rpartition("/")[2]))


def _connection(rows: list[Any], first: int | None = None, after: str | None = None, **_: Any) -> dict[str, Any]:
    # A cursor of Shopify's names the last row, not its place, so what goes before it moves nothing.
    last = int(after.removeprefix("after-")) if after else -1
    rest = rows if after is None else [row for row in rows if _number(row) > last]
    part = rest if first is None else rest[:first]
    info = {"hasNextPage": len(part) < len(rest), "endCursor": f"after-{_number(part[-1])}" if part else None}
    return {"nodes": part, "edges": [{"node": one} for one in part], "pageInfo": info}


def _number(row: dict[str, Any]) -> int:
    return int(row["id"].rpartition("/")[2])


def _terms(query: str | None) -> dict[str, str]:
    return dict(term.split(":", 1) for term in (query or "").split())


def _changed(row: dict[str, Any], terms: dict[str, str]) -> bool:
    since = terms.get("updated_at")
    if since is None:
        return True
    bound = re.fullmatch(r">='(.+)'", since)
    assert bound, f"{since} is not how Shopify's search compares dates"
    return row["updatedAt"] >= bound[1]


def _cost(selections: Any, variables: dict[str, Any]) -> int:
    """Points by Shopify's rule: an object 1, a connection 2 and its rows, a scalar nothing."""
    total = 0
    for one in selections.selections if selections else ():
        if one.kind == "inline_fragment":
            total += _cost(one.selection_set, variables)
        elif one.selection_set is not None:
            given = {argument.name.value: argument.value for argument in one.arguments or ()}
            inner = _cost(one.selection_set, variables)
            if "ids" in given:
                total += len(variables["ids"]) * (1 + inner)
            elif "first" in given:
                first = given["first"]
                rows = variables[first.name.value] if first.kind == "variable" else int(first.value)
                total += 2 + rows * inner
            else:
                total += (0 if one.name.value == "pageInfo" else 1) + inner
    return total


def _bulk_errors(query: str) -> list[str]:
    """What Shopify's guide demands of a bulk query beyond the schema."""
    connections, deepest = query.count("edges"), 0
    depth, opened = 0, []
    for word in re.findall(r"edges|\{|\}", query):
        if word == "edges":
            depth += 1
            opened.append("edges")
        elif word == "{":
            opened.append("{")
        else:
            opened.pop()
            if opened and opened[-1] == "edges":
                opened.pop()
                depth -= 1
        deepest = max(deepest, depth)
    if "first:" in query or "nodes" in query or "pageInfo" in query:
        return ["Bulk queries take no paging."]
    if not 1 <= connections <= 5:
        return ["Bulk queries have one to five connections."]
    return ["Connections nest too deep."] if deepest > 3 else []


def _lines(data: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The objects of all connections; children somewhere behind their parents, not next to them."""
    (root,) = data.values()
    level: list[dict[str, Any]] = [edge["node"] for edge in root["edges"]]
    lines: list[dict[str, Any]] = []
    roots = len(level)
    while level:
        below: list[dict[str, Any]] = []
        for node in level:
            own = {}
            for name, value in node.items():
                if isinstance(value, dict) and "edges" in value:
                    below += [{**edge["node"], "__parentId": node["id"]} for edge in value["edges"]]
                else:
                    own[name] = value
            lines.append(own)
        level = below
    return lines, roots


def _error(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def _json(value: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status,
        headers={"content-type": "application/json", "date": CLOCK},
        stream=httpx.ByteStream(json.dumps(value).encode()),
    )
