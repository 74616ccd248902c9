"""Calls to a Saleor API, and what its errors mean.

Saleor answers HTTP 400 to a query that it does not understand or finds too costly, and 200 to most of what fails after
that; the class of the error is in ``errors[].extensions.exception.code``. An unknown token is no error at all: it is
ignored, and the answer is what the public may see.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import msgspec

from worker.errors import Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores.contract import CursorExpired, StoreConfig
from worker.stores.http import Answer, StoreHttp, display, refuse
from worker.stores.payload import decode
from worker.stores.saleor.item import dicts

# What Saleor, and PyJWT for it, raise for a requestor who is not who or what is needed.
_REFUSED = frozenset({
    "PermissionDenied", "ChannelNotDefined", "NoDefaultChannel", "InvalidTokenError", "InvalidSignatureError",
    "ExpiredSignatureError", "DecodeError",
})  # fmt: skip


class UnknownField(Exception):
    """This Saleor has no field of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Connection:
    """One page of a list, the cursor behind it (None behind the last), and how many rows the whole list has."""

    nodes: Sequence[dict[str, Any]]
    after: str | None
    total: int


class Api:
    """One shop's API.

    Args:
        config: ``url`` is the API's address, ``secret`` the app's token.
        transport: Takes the place of the network in tests.

    Attributes:
        clock: Saleor's clock at the last answer; None before the first.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        headers = {"authorization": f"Bearer {config.secret or ''}"}
        self._http = StoreHttp(config.allowed_networks, headers=headers, transport=transport)
        self.clock: datetime | None = None

    def close(self) -> None:
        self._http.close()

    def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The ``data`` of one document, which asks for our app, too.

        Raises ``StoreRefused`` for a token that Saleor does not accept for this, ``UnknownField`` or ``Permanent`` for
        a query that it does not understand, ``CursorExpired`` for a cursor that is none of its own,
        ``StoreIncomplete`` for an answer that is not GraphQL's, else ``Transient``.
        """
        answer = self._http.post(self._url, msgspec.json.encode({"query": query, "variables": dict(variables)}))
        if answer.status not in (200, 400):
            refuse(answer)
        envelope = self._envelope(answer)
        self.clock = answer.date or self.clock
        if errors := envelope.get("errors"):
            _raise(errors, display(self._url))
        data = envelope.get("data")
        if not isinstance(data, dict):
            raise Transient(f"{display(self._url)} gives neither data nor an error.")
        if not _may_read(data.get("app")):
            raise _unaccepted(display(self._url))
        return data

    def nodes(self, query: str, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The variants of an answer that is not paged. Raises as ``ask`` does."""
        return self._nodes(self.ask(query, variables).get("productVariants"))

    def connection(self, query: str, variables: Mapping[str, Any]) -> Connection:
        """One page of variants. Raises as ``ask`` does."""
        found = self.ask(query, variables).get("productVariants")
        nodes = self._nodes(found)
        info, total = (found.get("pageInfo"), found.get("totalCount")) if isinstance(found, dict) else (None, None)
        if not isinstance(info, dict) or not isinstance(total, int):
            raise self._no_list()
        if not info.get("hasNextPage"):
            return Connection(nodes, None, total)
        after = info.get("endCursor")
        if not isinstance(after, str) or not after or after == variables.get("after"):
            raise StoreIncomplete(f"{display(self._url)} has more variants and does not say where they begin.")
        return Connection(nodes, after, total)

    def _nodes(self, found: Any) -> list[dict[str, Any]]:
        edges = found.get("edges") if isinstance(found, dict) else None
        nodes = [edge["node"] for edge in dicts(edges) if isinstance(edge.get("node"), dict)]
        if (
            not isinstance(edges, list)
            or len(nodes) < len(edges)
            or not all(is_variant(one.get("id")) for one in nodes)
        ):
            raise self._no_list()
        return nodes

    def _no_list(self) -> StoreIncomplete:
        return StoreIncomplete(f"{display(self._url)} answers without a list of variants.")

    def _envelope(self, answer: Answer) -> dict[str, Any]:
        place = display(self._url)
        try:
            envelope = decode(answer.body)
        except ValueError:
            if "json" in answer.headers.get("content-type", ""):
                raise Transient(f"{place} broke off its answer.") from None
            envelope = None
        if not isinstance(envelope, dict) or not ("data" in envelope or "errors" in envelope):
            if answer.status != 200:
                refuse(answer)
            raise StoreIncomplete(
                f"{place} answers with something that is not Saleor's API.",
                action="Give the API's address, such as https://shop.example/graphql/.",
            )
        return envelope


def _raise(errors: Any, place: str) -> None:
    rows = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    codes = {_code(error) for error in rows}
    said = " ".join(str(error.get("message", "")) for error in rows)
    if codes & _REFUSED:
        raise _unaccepted(place)
    if "QueryCostError" in codes:
        raise Permanent(
            f"{place} finds our query too costly.",
            action="Set GRAPHQL_QUERY_MAX_COMPLEXITY of the Saleor to 50000 or more.",
            owner="merchant",
        )
    # What is wrong with a query has no code of its own; these words are those of graphql-core, on which Saleor stands.
    if unknown := re.search(r'Cannot query field "(\w{1,60})"', said):
        raise UnknownField(unknown[1])
    if "LanguageCodeEnum" in said or "languageCode" in said:
        raise StoreRefused(f"{place} knows no such language.", action="Correct the shop's option language.")
    if "cursor is invalid" in said:
        raise CursorExpired
    named = ", ".join(sorted(codes - {""})) or "no code"
    raise Transient(f"{place} reports an error ({named}).")


def is_variant(value: Any) -> bool:
    """Whether this is the form of a variant's id: ``ProductVariant:`` and its key, in base64."""
    try:
        kind, _, key = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except (TypeError, ValueError):
        return False
    return isinstance(value, str) and kind == "ProductVariant" and key.isdigit()


def _may_read(app: Any) -> bool:
    """Whether Saleor knows us as an app that sees all products and not only those that the public does."""
    permissions = dicts(app.get("permissions")) if isinstance(app, dict) else ()
    return any(one.get("code") == "MANAGE_PRODUCTS" for one in permissions)


def _unaccepted(place: str) -> StoreRefused:
    return StoreRefused(
        f"{place} does not accept our token for reading products.",
        action="Give the token of an active app that has the permission MANAGE_PRODUCTS.",
    )


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    exception = extensions.get("exception") if isinstance(extensions, dict) else None
    code = exception.get("code") if isinstance(exception, dict) else None
    # Only what looks like a code goes into a message; anything else could be a body.
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z_]{1,60}", code) else ""
