"""A Saleor shop in memory: it executes our documents, as sent, against the part of Saleor's schema that they use.

As observed on Saleor 3.24: texts move a date, while prices, stock and publishing move none; a token that it does not
know is ignored, and the answer is what the public may see; a page has at most 100 rows.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from operator import itemgetter
from typing import Any

import httpx
from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, execute, parse, validate

from tests.fakes.saleor_schema import pruned

CLOCK = "Sat, 21 Nov 2026 12:00:00 GMT"
OLD = "2026-11-01T00:00:00+00:00"
CHANNEL = "default-channel"
MOST_ROWS = 100
_GUARDED = ("taxConfiguration", "warehouses", "channelListings", "stocks")


def gid(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


@cache
def number_of(global_id: str) -> int:
    return int(base64.b64decode(global_id).decode().rpartition(":")[2])


def product(number: int, variants: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """One product; its variant is numbered 1000 x ``number``."""
    return {
        "id": gid("Product", number),
        "name": f"Product {number}",
        "slug": f"product-{number}",
        "description": json.dumps({"blocks": [{"type": "paragraph", "data": {"text": f"About product {number}"}}]}),
        "translations": {},
        "category": category("Shirts", category("Apparel")),
        "assignedAttributes": [choice("brand", "Acme")],
        "media": [picture(number)],
        "channelListings": [listing()],
        "variants": [variant(1000 * number)] if variants is None else variants,
        **changes,
    }


def variant(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": gid("ProductVariant", number),
        "sku": f"S{number}",
        "trackInventory": True,
        "preorder": None,
        "pricing": {CHANNEL: pricing(12.0)},
        "stocks": [stock(5)],
        "assignedAttributes": [],
        "media": [],
        "updatedAt": OLD,
        **changes,
    }


def listing(channel: str = CHANNEL, **changes: Any) -> dict[str, Any]:
    return {
        "channel": {"slug": channel}, "isPublished": True, "publishedAt": "2026-10-01T00:00:00+00:00",
        "visibleInListings": True, "isAvailableForPurchase": True, **changes,
    }  # fmt: skip


def pricing(amount: float, undiscounted: float | None = None, currency: str = "USD") -> dict[str, Any]:
    """Net amounts are a quarter of the gross ones, so that nobody takes one for the other."""

    def taxed(gross: float) -> dict[str, Any]:
        return {"gross": {"amount": gross, "currency": currency}, "net": {"amount": gross / 4, "currency": currency}}

    return {"price": taxed(amount), "priceUndiscounted": taxed(amount if undiscounted is None else undiscounted)}


def stock(quantity: int, allocated: int = 0, warehouse: str = "main") -> dict[str, Any]:
    return {"quantity": quantity, "quantityAllocated": allocated, "warehouse": {"slug": warehouse}}


def choice(slug: str, name: str, kind: str = "AssignedSingleChoiceAttribute", **translations: str) -> dict[str, Any]:
    return attribute(slug, kind, {"name": name, "translations": translations})


def attribute(slug: str, kind: str, value: Any) -> dict[str, Any]:
    return {"kind": kind, "attribute": {"slug": slug, "name": slug.capitalize()}, "value": value, "translations": {}}


def category(name: str, parent: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "parent": parent, "translations": {}}


def picture(number: int) -> dict[str, Any]:
    return {"type": "IMAGE", "url": f"https://img.example/{number}.jpg"}


class FakeSaleor(httpx.BaseTransport):
    """Answers as Saleor does, and misbehaves when told to.

    Attributes:
        override: Takes the place of every answer while it is set.
        answer: Takes the place of every answer to a document while it is set, with its status.
        asked: Operation name and variables of every call.
        app: The app of the token; None: the token is that of a member of the staff.
        channels: By slug.
        lacking: Fields that this version does not have.
    """

    def __init__(self, products: list[dict[str, Any]] | None = None, token: str = "test-token") -> None:
        self.products = list(products or [])
        self.token = token
        self.override: httpx.Response | None = None
        self.answer: tuple[int, dict[str, Any]] | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.app: dict[str, Any] | None = {"permissions": [{"code": "MANAGE_PRODUCTS"}]}
        self.channels: dict[str, dict[str, Any]] = {
            CHANNEL: {
                "isActive": True,
                "taxConfiguration": {"displayGrossPrices": True},
                "warehouses": [{"slug": "main"}, {"slug": "outlet"}],
            },
        }
        self.lacking: set[str] = set()
        self._known = True
        self._moves = 0

    def edit(self, row: dict[str, Any], **texts: Any) -> None:
        """Change texts, which moves a date: of a product, those of its variants here, since lists are of variants."""
        row.update(texts)
        for one in row.get("variants", [row]):
            self._moves += 1
            one["updatedAt"] = f"2026-11-21T11:{self._moves // 60:02}:{self._moves % 60:02}+00:00"

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.override is not None:
            return self.override
        if not request.url.path.endswith("/"):
            return httpx.Response(404, stream=httpx.ByteStream(b"Not Found"))
        if self.answer is not None:
            return _json(self.answer[1], self.answer[0])
        self._known = request.headers.get("authorization") == f"Bearer {self.token}"
        sent = json.loads(request.read())
        return self._answer(sent["query"], sent["variables"])

    def _answer(self, text: str, variables: dict[str, Any]) -> httpx.Response:
        document, found = _parsed(text)
        operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
        self.asked.append((operation.name.value if operation.name else "", variables))
        wrong = [
            *found,
            *(f'Cannot query field "{name}" on type "X".' for name in sorted(self.lacking) if name in text),
        ]
        if wrong:
            return _json({"errors": [_error(message) for message in wrong]}, 400)
        result = execute(
            pruned(),
            document,
            variable_values=variables,
            field_resolver=self._resolve,
            type_resolver=lambda value, *_: value["kind"],
        )
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [_error(one.message, (one.extensions or {}).get("code")) for one in result.errors]
        return _json(answer)

    def _resolve(self, source: Any, info: Any, **arguments: Any) -> Any:
        name = info.field_name
        if source is None:
            return getattr(self, f"_{name}")(**arguments)
        if name == "translation":
            return source["translations"].get(arguments["languageCode"])
        if name in _GUARDED and not self._known:
            raise _denied()
        value = source[name]
        return value[: arguments["limit"]] if "limit" in arguments else value

    def _app(self) -> dict[str, Any] | None:
        if not self._known:
            raise _denied()
        return self.app

    def _channel(self, slug: str) -> dict[str, Any] | None:
        return self.channels.get(slug)

    def _productVariants(  # noqa: N802 - Saleor's name
        self,
        channel: str,
        first: int,
        after: str | None = None,
        ids: list[str] | None = None,
        sortBy: dict[str, Any] | None = None,  # noqa: N803 - Saleor's name
    ) -> dict[str, Any]:
        if first > MOST_ROWS:
            raise GraphQLError(f"Requesting {first} records exceeds the `first` limit of {MOST_ROWS} records.")
        if ids and not all(_is_id(one) for one in ids):
            raise GraphQLError("Invalid ID: canary. Expected: ProductVariant.")
        rows = [
            (_key(one), one, owner)
            for owner in self.products
            if self._visible(owner, channel)
            for one in owner["variants"]
            if ids is None or one["id"] in ids
        ]
        # Without a sort key that tells all of them apart, older versions skip variants that have no SKU.
        assert sortBy is not None or ids is not None, "the order of variants without a sort key skips some of them"
        rows.sort(key=itemgetter(0))
        rest = rows if after is None else [row for row in rows if row[0] > _position(after)]
        info = {"hasNextPage": len(rest) > first, "endCursor": _cursor(rest[:first][-1][0]) if rest else None}
        edges = [{"node": self._seen(one, owner, channel)} for _, one, owner in rest[:first]]
        return {"totalCount": len(rows), "pageInfo": info, "edges": edges}

    def _visible(self, owner: dict[str, Any], channel: str) -> bool:
        listings = [one for one in owner["channelListings"] if one["channel"]["slug"] == channel]
        return bool(listings) and (self._known or listings[0]["isPublished"])

    def _seen(self, one: dict[str, Any], owner: dict[str, Any], channel: str) -> dict[str, Any]:
        """A variant as the channel sees it."""
        warehouses = {place["slug"] for place in self.channels[channel]["warehouses"]}
        stocks = [place for place in one["stocks"] if place["warehouse"]["slug"] in warehouses]
        return {**one, "product": owner, "pricing": one["pricing"].get(channel), "stocks": stocks}


def _key(row: dict[str, Any]) -> tuple[str, int]:
    return row["updatedAt"], number_of(row["id"])


def _cursor(key: tuple[str, int]) -> str:
    return base64.b64encode(json.dumps(key).encode()).decode()


@cache
def _position(cursor: str) -> tuple[str, int]:
    try:
        updated_at, number = json.loads(base64.b64decode(cursor))
        return updated_at, number
    except ValueError:
        raise GraphQLError("Received cursor is invalid.") from None


def _is_id(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(b"ProductVariant:")
    except ValueError:
        return False


@cache
def _parsed(text: str) -> tuple[DocumentNode, tuple[str, ...]]:
    """The document, and what is wrong with it."""
    document = parse(text)
    return document, tuple(one.message for one in validate(pruned(), document))


def _denied() -> GraphQLError:
    message = "To access this path, you need one of the following permissions: AUTHENTICATED_APP"
    return GraphQLError(message, extensions={"code": "PermissionDenied"})


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"message": message, "extensions": {"exception": {"code": code or "GraphQLError"}}}


def _json(value: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status,
        headers={"content-type": "application/json", "date": CLOCK},
        stream=httpx.ByteStream(json.dumps(value).encode()),
    )
