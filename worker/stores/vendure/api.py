"""Calls to a Vendure Admin API, and what its errors mean.

Vendure answers HTTP 200 to almost everything and puts the error's class into ``errors[].extensions.code``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import msgspec

from worker.errors import Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores.contract import StoreConfig
from worker.stores.http import Answer, StoreHttp, display, refuse
from worker.stores.payload import decode
from worker.stores.vendure.queries import BARE

_REFUSED = frozenset({"FORBIDDEN", "UNAUTHENTICATED", "UNAUTHORIZED"})
_OUR_FAULT = frozenset({
    "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "BAD_USER_INPUT", "USER_INPUT_ERROR",
})  # fmt: skip


class _SpoiltRow(Transient):
    """Vendure gives nothing of a list, because of a row in it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a Vendure list: the items in the order asked for, and how many the whole list has."""

    items: Sequence[dict[str, Any]]
    total: int


class Api:
    """One shop's Admin API.

    Args:
        config: ``url`` is the Admin API's address, ``secret`` the API key.
        transport: Takes the place of the network in tests.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self._remedy = "Vendure 3 or newer is needed, with an adminListQueryLimit of 100 or more."
        if field := config.options.get("compare_at_field"):
            self._remedy += f" Its product variants need the custom field {field}."
        headers = {"vendure-api-key": config.secret or ""}
        if channel := config.options.get("channel"):
            headers["vendure-token"] = channel
        self._http = StoreHttp(config.allowed_networks, headers=headers, transport=transport)

    def close(self) -> None:
        self._http.close()

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], datetime | None]:
        """The ``data`` of one query, and the store's clock.

        Raises ``StoreRefused`` for a key or channel that the store does not accept, ``Permanent`` for a query that
        this Vendure does not understand, ``StoreIncomplete`` for an answer that is not GraphQL's, else ``Transient``.
        """
        answer = self._http.post(self._url, msgspec.json.encode({"query": query, "variables": dict(variables or {})}))
        if answer.status in (401, 403, 429) or answer.status >= 500:
            refuse(answer)
        data = self._envelope(answer)
        return data, answer.date

    def listing(self, query: str, name: str, options: Mapping[str, Any]) -> Listing:
        """One page of the list ``name``. Raises as ``ask`` does."""
        data, _ = self.ask(query, {"options": options})
        found = data.get(name)
        items, total = (found.get("items"), found.get("totalItems")) if isinstance(found, dict) else (None, None)
        if not isinstance(items, list) or not isinstance(total, int) or not all(_has_id(item) for item in items):
            raise StoreIncomplete(f"{display(self._url)} answers without a list of {name}.")
        return Listing(items, total)

    def products(self, query: str, options: Mapping[str, Any]) -> Listing:
        """One page of the products. Raises as ``ask`` does.

        One variant without a price in this channel makes Vendure answer a list with an error and no data. Its product
        is looked for by halves, and comes with its id and those of its variants alone.
        """
        try:
            return self.listing(query, "products", options)
        except _SpoiltRow:
            skip, take = options.get("skip", 0), options["take"]
            if take == 1:
                return self.listing(BARE, "products", options)
            half = take // 2
            first = self.products(query, {**options, "skip": skip, "take": half})
            rest = self.products(query, {**options, "skip": skip + half, "take": take - half})
            if first.total != rest.total:
                raise Transient("The products changed while we read them.") from None
            return Listing([*first.items, *rest.items], rest.total)

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
                f"{place} answers with something that is not Vendure's Admin API.",
                action="Give the address of the Admin API, such as https://shop.example/admin-api.",
            )
        if errors := envelope.get("errors"):
            self._raise(errors, place)
        data = envelope.get("data")
        if not isinstance(data, dict):
            raise Transient(f"{place} gives neither data nor an error.")
        return data

    def _raise(self, errors: Any, place: str) -> None:
        codes = {_code(error) for error in errors} if isinstance(errors, list) else set()
        if codes & _REFUSED:
            raise StoreRefused(
                f"{place} refuses our API key.",
                action="Give a key whose role has the permissions ReadCatalog and ReadProduct.",
            )
        if "CHANNEL_NOT_FOUND" in codes:
            raise unknown_channel(place)
        named = ", ".join(sorted(codes - {""})) or "no code"
        if codes & _OUR_FAULT:
            raise Permanent(f"{place} does not accept our query ({named}).", action=self._remedy)
        spoilt = isinstance(errors, list) and all(map(_within_a_row, errors))
        raise (_SpoiltRow if spoilt else Transient)(f"{place} reports an error ({named}).")


def unknown_channel(place: str) -> StoreRefused:
    return StoreRefused(f"{place} knows no such channel.", action="Correct the shop's option channel.")


def _has_id(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str | int) and not isinstance(item["id"], bool)


def _within_a_row(error: Any) -> bool:
    """Whether the error is one of a single row: its path is such as ``products items 3 variants 0 price``."""
    path = error.get("path") if isinstance(error, dict) else None
    return isinstance(path, list) and len(path) > 3 and path[1] == "items"


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    code = extensions.get("code") if isinstance(extensions, dict) else None
    # Only what looks like a code goes into a message; anything else could be a body.
    return code if isinstance(code, str) and re.fullmatch(r"[A-Z_]{1,40}", code) else ""
