"""Calls to Medusa's Admin API, and what its answers mean.

Medusa ignores a query parameter that it does not know and answers with everything, so an answer is held against what
was asked. Errors are ``{"type": …, "message": …}``; a filter that it cannot read is a 500 ``unknown_error``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import httpx

from worker.errors import Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores.contract import StoreConfig
from worker.stores.http import Answer, StoreHttp, display, refuse
from worker.stores.payload import decode

IDS_TAKE = 100
"""Ids of one request: Node reads 16 kB of headers, and Medusa's own ids are 34 characters long."""

Json = dict[str, Any]
Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a list in the order asked for, and how many rows the whole list has."""

    rows: Sequence[Json]
    total: int


class Api:
    """One shop's Admin API.

    Attributes:
        clock: The store's own time in the first answer since this was last set to None.

    Args:
        config: ``url`` ends in ``/admin``, ``secret`` is ``sk_…``.
        transport: Takes the place of the network in tests.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self.clock: datetime | None = None
        # The key is the user name of Basic authentication; its password is empty.
        token = base64.b64encode(f"{config.secret or ''}:".encode()).decode()
        headers = {"authorization": f"Basic {token}"}
        self._http = StoreHttp(config.allowed_networks, headers=headers, transport=transport)

    def close(self) -> None:
        self._http.close()

    def listing(self, path: str, params: Params, offset: int, count: int) -> Listing:
        """Rows ``offset`` to ``offset + count`` of the list at ``path``, sorted by id.

        Raises ``StoreRefused`` for a key or address that the store does not accept, ``Permanent`` for a query that
        this Medusa does not understand, ``StoreIncomplete`` for an answer that is not what was asked, else
        ``Transient``.
        """
        asked = {"order": "id", "offset": str(offset), "limit": str(count)}
        found = self._get(path, [*params, *asked.items()])
        if found is None:
            raise self._no_medusa()
        name = path.rpartition("/")[2].removeprefix("product-").replace("-", "_")
        rows, total = found.get(name), found.get("count")
        if not isinstance(rows, list) or not isinstance(total, int) or not all(map(_has_id, rows)):
            raise StoreIncomplete(f"{self._place(path)} answers without a list and its count.")
        if (found.get("offset"), found.get("limit")) != (offset, count) or len(rows) > count:
            raise StoreIncomplete(f"{self._place(path)} answers with another part of its list than was asked for.")
        return Listing(rows, total)

    def whole(self, path: str, params: Params, count: int) -> Iterator[Json]:
        """Every row of a list that changes rarely. Raises ``Transient`` where it changes while it is read."""
        offset, total = 0, 1
        while offset < total:
            part = self.listing(path, params, offset, count)
            if offset and part.total != total:
                raise Transient(f"{self._place(path)} changed while we read it.")
            if len(part.rows) != min(count, part.total - offset):
                raise StoreIncomplete(f"{self._place(path)} gives fewer rows than it counts.")
            yield from part.rows
            offset, total = offset + count, part.total

    def by_id(self, path: str, params: Params, ids: Sequence[str]) -> Iterator[Json]:
        """The rows of these different ids, as far as they exist."""
        for start in range(0, len(ids), IDS_TAKE):
            some = ids[start : start + IDS_TAKE]
            found = self.listing(path, [*params, *(("id[]", name) for name in some)], 0, len(some))
            names = {row["id"] for row in found.rows}
            if not names <= set(some) or found.total != len(names):
                raise StoreIncomplete(f"{self._place(path)} answers with other rows than those that were asked for.")
            yield from found.rows

    def one(self, path: str, params: Params) -> Json | None:
        """The one thing at ``path``; None if the store has none there."""
        found = self._get(path, params)
        if found is None:
            return None
        inner = next(iter(found.values()), None)
        if not isinstance(inner, dict) or not _has_id(inner):
            raise StoreIncomplete(f"{self._place(path)} answers with something else than was asked for.")
        return inner

    def _get(self, path: str, params: Params) -> Json | None:
        query = urlencode(params, quote_via=quote, safe="")
        answer = self._http.get(f"{self._url}/{path}?{query}")
        self.clock = self.clock or answer.date
        if answer.status in (401, 403):
            raise StoreRefused(
                f"{display(self._url)} refuses our API key ({answer.status}).",
                action="Give a secret API key (sk_…) that is not revoked; a publishable one (pk_…) reads nothing here.",
            )
        if answer.status == 429 or answer.status >= 500:
            refuse(answer)
        try:
            value = decode(answer.body)
        except ValueError:
            value = self._no_json(answer)
        if not isinstance(value, dict):
            raise StoreIncomplete(f"{self._place(path)} answers with something that is not Medusa's Admin API.")
        if answer.status == 200:
            return value
        if value.get("type") != "not_found":
            self._refuse(answer, value)
        return None

    def _refuse(self, answer: Answer, value: Json) -> NoReturn:
        kind = value.get("type")
        # Only what looks like a type goes into a message; anything else could be a body.
        named = kind if isinstance(kind, str) and re.fullmatch(r"[a-z_]{1,40}", kind) else "no type"
        if answer.status == 400:
            raise Permanent(
                f"{display(answer.url)} does not accept our query ({named}).",
                action="Medusa 2 is needed, kept up to date.",
            )
        refuse(answer)

    def _no_json(self, answer: Answer) -> NoReturn:
        if answer.status == 404:
            raise self._no_medusa()
        if answer.status != 200:
            refuse(answer)
        if "json" in answer.headers.get("content-type", ""):
            raise Transient(f"{display(answer.url)} broke off its answer.")
        raise StoreIncomplete(
            f"{display(answer.url)} answers with something that is not Medusa's Admin API.",
            action="Give the address of the Medusa server, such as https://api.shop.example, not the storefront's.",
        )

    def _no_medusa(self) -> StoreRefused:
        return StoreRefused(
            f"{display(self._url)} is no Admin API of Medusa 2.",
            action="Give the address of the Medusa server, such as https://api.shop.example, not the storefront's.",
        )

    def _place(self, path: str) -> str:
        return display(f"{self._url}/{path}")


def _has_id(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str) and bool(row["id"])
