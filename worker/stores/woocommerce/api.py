"""Calls to WooCommerce's REST API v3, and what its errors mean.

WordPress answers an error as ``{"code": …, "message": …, "data": {"status": …}}``; the code is what counts. Lists are
bare arrays; how long they are stands in the header ``X-WP-Total``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from worker.errors import Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores.contract import StoreConfig
from worker.stores.http import Answer, StoreHttp, display, refuse
from worker.stores.payload import decode
from worker.stores.woocommerce.signing import Key, Signer

MOST = 100
"""Rows of one answer; WooCommerce refuses a larger ``per_page`` (400 ``rest_invalid_param``)."""

_NO_ROUTE = "rest_no_route"
_MAY_NOT = "woocommerce_rest_cannot_view"
"""Also what WooCommerce answers to a key that it does not know, and to none."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a list in the order asked for, and how many rows the whole list has."""

    rows: Sequence[dict[str, Any]]
    total: int


class Api:
    """One shop's REST API.

    Attributes:
        clock: The store's own time in the first answer since this was last set to None.

    Args:
        config: ``url`` ends in ``/wp-json/wc/v3``, ``secret`` is ``ck_…:cs_…``.
        transport: Takes the place of the network in tests.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self.clock: datetime | None = None
        key = Key.of(config.secret or "")
        # WooCommerce believes Basic only over https (``is_ssl``), and a signature wherever it gets one.
        plain = urlsplit(config.url).scheme == "http"
        self._signer = Signer(key) if plain else None
        headers = {} if plain else {"authorization": key.basic()}
        self._http = StoreHttp(config.allowed_networks, headers=headers, transport=transport)

    def close(self) -> None:
        self._http.close()

    def listing(self, path: str, params: Mapping[str, str]) -> Listing:
        """A part of the list at ``path``, which every WooCommerce has.

        Raises ``StoreRefused`` for a key or address that the store does not accept, ``Permanent`` for a query that
        this WooCommerce does not understand, ``StoreIncomplete`` for an answer that is no list, else ``Transient``.
        """
        found = self.listing_if_there(path, params)
        if found is None:
            raise self._no_woocommerce()
        return found

    def listing_if_there(self, path: str, params: Mapping[str, str]) -> Listing | None:
        """The same; None where this WooCommerce has no such list."""
        answer = self._get(path, params)
        rows, code = self._decoded(answer)
        if code == _NO_ROUTE:
            return None
        if code:
            self._refuse(answer, code)
        total = answer.headers.get("x-wp-total", "")
        if not isinstance(rows, list) or not (total.isascii() and total.isdigit()) or not all(map(_has_id, rows)):
            raise StoreIncomplete(
                f"{display(self._url)}/{path} answers without a list and its length.",
                action="Check that nothing between us and WordPress removes the header X-WP-Total.",
            )
        return Listing(rows, int(total[:18]))

    def setting(self, path: str) -> str | None:
        """The value of one of the shop's settings; None where the key's user may not read them."""
        answer = self._get(f"settings/{path}", {})
        found, code = self._decoded(answer)
        if code == _MAY_NOT:
            return None
        if code:
            self._refuse(answer, code)
        value = found.get("value") if isinstance(found, dict) else None
        return value if isinstance(value, str) and value else None

    def _get(self, path: str, params: Mapping[str, str]) -> Answer:
        url = f"{self._url}/{path}"
        headers = {"authorization": self._signer.header(url, params)} if self._signer else {}
        answer = self._http.get(url, params, headers)
        self.clock = self.clock or answer.date
        return answer

    def _decoded(self, answer: Answer) -> tuple[Any, str]:
        """The decoded answer and "", or None and the code of WordPress's error."""
        if answer.status == 429 or answer.status >= 500:
            refuse(answer)
        try:
            value = decode(answer.body)
        except ValueError:
            if answer.status != 200:
                refuse(answer)
            place = display(self._url)
            if "json" in answer.headers.get("content-type", ""):
                raise Transient(f"{place} broke off its answer.") from None
            raise StoreIncomplete(
                f"{place} answers with something that is not WooCommerce's REST API.",
                action="Check that the site shows no login, maintenance or security page to programs.",
            ) from None
        return (value, "") if answer.status == 200 else (None, _code(value) or str(answer.status))

    def _refuse(self, answer: Answer, code: str) -> NoReturn:
        place = display(self._url)
        if code == _NO_ROUTE:
            raise self._no_woocommerce()
        if answer.status in (401, 403):
            raise StoreRefused(
                f"{place} refuses our API key ({code}).",
                action="Give a key with read permission of a user who may manage the shop, as ck_…:cs_…. If it is "
                "one, the web server drops the header Authorization, the site's address in WordPress is another "
                "one, or its clock is wrong.",
            )
        if answer.status == 400:
            raise Permanent(
                f"{place} does not accept our query ({code}).",
                action="WooCommerce 5.8 or newer is needed.",
            )
        refuse(answer)

    def _no_woocommerce(self) -> StoreRefused:
        return StoreRefused(
            f"{display(self._url)} has no WooCommerce REST API v3.",
            action="Activate WooCommerce, and give the address of the site itself.",
        )


def _has_id(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), int) and not isinstance(row["id"], bool)


def _code(value: Any) -> str:
    code = value.get("code") if isinstance(value, dict) else None
    # Only what looks like a code goes into a message; anything else could be a body.
    return code if isinstance(code, str) and re.fullmatch(r"[a-z][a-z0-9_]{1,60}", code) else ""
