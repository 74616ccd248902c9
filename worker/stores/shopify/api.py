"""Calls to a Shopify Admin API, and what its errors mean.

Shopify answers HTTP 200 to most of what fails and puts the error's class into ``errors[].extensions.code``; what the
gateway refuses (401, 402, 404, 423) has a text in place of the list. A call costs points of a bucket that fills by
``restoreRate`` a second (shopify.dev, "API rate limits").
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import msgspec

from worker.errors import Permanent, StoreIncomplete, StoreRefused, Throttled, Transient
from worker.stores.contract import StoreConfig
from worker.stores.http import Answer, StoreHttp, display, refuse
from worker.stores.payload import decode

_LONGEST_WAIT_S = 60.0
_MOST_POINTS = 1e9
"""No bucket holds as many; a number beyond it is none that we count with."""
_SCOPE = re.compile(r"\b(?:read|write)_[a-z_]{2,40}\b")


class TooCostly(Exception):
    """One query may cost 1,000 points; this one asks for more. Fewer rows would do."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One page of a list, and the cursor behind it; None behind the last."""

    nodes: Sequence[dict[str, Any]]
    after: str | None


class Api:
    """One shop's Admin API.

    Args:
        config: ``url`` is the GraphQL endpoint with its version, ``secret`` the Admin API access token.
        transport: Takes the place of the network in tests.

    Attributes:
        clock: Shopify's clock at the last answer; None before the first.
        pause_s: Seconds until the bucket affords what the last query asked for once more.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        headers = {"x-shopify-access-token": config.secret or ""}
        self._http = StoreHttp(config.allowed_networks, headers=headers, transport=transport)
        self.clock: datetime | None = None
        self.pause_s = 0.0

    def close(self) -> None:
        self._http.close()

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of one document.

        Raises ``StoreRefused`` for a token, a scope or a shop that Shopify does not accept, ``Throttled`` for an empty
        bucket, ``TooCostly`` for a query beyond the limit of a single one, ``Permanent`` for one that this version does
        not understand, ``StoreIncomplete`` for an answer that is not GraphQL's, else ``Transient``.
        """
        answer = self._http.post(self._url, msgspec.json.encode({"query": query, "variables": dict(variables or {})}))
        place = display(self._url)
        _refuse_shop(answer, place)
        try:
            envelope = decode(answer.body)
        except ValueError:
            if "json" in answer.headers.get("content-type", ""):
                raise Transient(f"{place} broke off its answer.") from None
            envelope = None
        if answer.status != 200:
            refuse(answer)
        if not isinstance(envelope, dict) or not ("data" in envelope or "errors" in envelope):
            raise StoreIncomplete(
                f"{place} answers with something that is not Shopify's Admin API.",
                action="Give the shop's address, such as example.myshopify.com.",
            )
        self.clock = answer.date or self.clock
        self.pause_s = _wait_s(envelope)
        if errors := envelope.get("errors"):
            _raise(errors, place, self.pause_s)
        data = envelope.get("data")
        if not isinstance(data, dict):
            raise Transient(f"{place} gives neither data nor an error.")
        return data

    def connection(self, query: str, name: str, variables: Mapping[str, Any]) -> Connection:
        """One page of the list ``name``. Raises as ``ask`` does."""
        return self._connection(self.ask(query, variables).get(name), name, variables.get("after"))

    def nested(self, query: str, names: tuple[str, str], variables: Mapping[str, Any]) -> tuple[Connection, str | None]:
        """One page of a list within the one row of another, and the cursor behind that row. Raises as ``ask`` does."""
        rows = self._connection(self.ask(query, variables).get(names[0]), names[0], variables.get("behind"))
        if not rows.nodes:
            return Connection((), None), None
        return self._connection(rows.nodes[0].get(names[1]), names[1], variables.get("after")), rows.after

    def _connection(self, found: Any, name: str, before: Any) -> Connection:
        info = found.get("pageInfo") if isinstance(found, dict) else None
        nodes = found.get("nodes") if isinstance(found, dict) else None
        if not isinstance(nodes, list) or not isinstance(info, dict) or not all(isinstance(one, dict) for one in nodes):
            raise StoreIncomplete(f"{display(self._url)} answers without a list of {name}.")
        after = info.get("endCursor")
        if not info.get("hasNextPage"):
            return Connection(nodes, None)
        if not isinstance(after, str) or after == before:
            raise StoreIncomplete(f"{display(self._url)} has more {name} and does not say where they begin.")
        return Connection(nodes, after)

    def nodes(self, query: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Those of ``ids`` that exist now, in no order to rely on. Raises as ``ask`` does."""
        found = self.ask(query, {"ids": ids}).get("nodes")
        if not isinstance(found, list) or len(found) != len(ids):
            raise StoreIncomplete(f"{display(self._url)} does not answer for every id it was asked for.")
        return [node for node in found if isinstance(node, dict) and isinstance(node.get("id"), str)]


def _refuse_shop(answer: Answer, place: str) -> None:
    # Shopify's own meanings of these statuses (shopify.dev, "API response status codes").
    if answer.status == 402:
        raise StoreRefused(f"{place} is frozen (402).", action="The shop's owner has to settle Shopify's bill.")
    if answer.status == 423:
        raise StoreRefused(f"{place} is locked (423).", action="The shop's owner has to ask Shopify's support why.")
    if answer.status == 430:
        raise StoreRefused(f"{place} takes our calls for an attack (430).", action="Ask Shopify's support why.")


def _wait_s(envelope: Mapping[str, Any]) -> float:
    """Seconds until the bucket holds what the query asked for; 0 where it does, or nothing is said of it."""
    extensions = envelope.get("extensions")
    cost = extensions.get("cost") if isinstance(extensions, dict) else None
    status = cost.get("throttleStatus") if isinstance(cost, dict) else None
    if not isinstance(cost, dict) or not isinstance(status, dict):
        return 0.0
    values = cost.get("requestedQueryCost"), status.get("currentlyAvailable"), status.get("restoreRate")
    numbers = [value for value in values if isinstance(value, int | float) and abs(value) < _MOST_POINTS]
    if len(numbers) < 3:
        return 0.0
    wanted, available, rate = numbers
    if wanted <= available:
        return 0.0
    return min(float(math.ceil((wanted - available) / rate)), _LONGEST_WAIT_S) if rate > 0 else _LONGEST_WAIT_S


def _raise(errors: Any, place: str, wait_s: float) -> None:
    rows = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    codes = {_code(error) for error in rows}
    if "THROTTLED" in codes:
        raise Throttled(f"{place} asks for fewer calls.", scope="store", retry_after_s=max(wait_s, 1.0))
    if "MAX_COST_EXCEEDED" in codes:
        raise TooCostly
    if "ACCESS_DENIED" in codes:
        scopes = sorted({scope for error in rows for scope in _scopes(error)})
        lacking = f" the scope {' or '.join(scopes)}" if scopes else " an access scope that this needs"
        raise StoreRefused(
            f"Our access to {place} lacks{lacking}.",
            action="Give the app that scope; what we read needs read_products.",
        )
    if "SHOP_INACTIVE" in codes:
        raise StoreRefused(f"{place} is a shop that is not active.", action="The shop's owner has to reopen it.")
    named = ", ".join(sorted(codes - {""})) or "no code"
    # Validation errors have names such as undefinedField, those of execution are in capitals.
    if any(code and not code.isupper() for code in codes):
        raise Permanent(
            f"{place} does not accept our query ({named}).", action="Set the shop's option api_version to one it has."
        )
    raise Transient(f"{place} reports an error ({named}).")


def _scopes(error: Mapping[str, Any]) -> list[str]:
    extensions = error.get("extensions")
    said = extensions.get("requiredAccess") if isinstance(extensions, dict) else None
    return _SCOPE.findall(said if isinstance(said, str) else str(error.get("message", "")))


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    # Only what looks like a code goes into a message; anything else could be a body.
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z_]{1,40}", code) else ""
