"""Saleor as a store: every pull reads all variants of the channel.

Observed on Saleor 3.24: neither a price, nor stock, nor publishing moves any date, deleted rows vanish, and a page has
at most 100 rows whatever is asked of them. A list by ``updatedAt`` would miss what matters most, and a sweep of the
rest takes as many calls as reading it whole. So ``changed`` is the same list as ``full``, from which deletions are
concluded, and ``volatile`` asks of it only what decides price and availability.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import msgspec

from worker.errors import Permanent, StoreIncomplete, StoreRefused
from worker.stores.contract import (
    CursorExpired,
    Fields,
    Notice,
    Page,
    Record,
    StoreConfig,
    UnreadableRecord,
    VolatileRecord,
)
from worker.stores.http import display
from worker.stores.payload import decode
from worker.stores.saleor.api import Api, UnknownField, is_variant
from worker.stores.saleor.item import Options, dicts, item_fields, offered, sold_fields
from worker.stores.saleor.queries import START, Documents

FIRST = 100
"""What Saleor gives at most in one page."""

T = TypeVar("T")


class Saleor:
    """One channel of a Saleor shop. See ``worker.stores.contract.Store``.

    Args:
        transport: Takes the place of the network in tests.
    """

    version = 1
    one_export = False
    ids_unique = True

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self._channel = config.options["channel"]
        self._price = config.options.get("price")
        self._language = config.options.get("language")
        self._options = Options.of(config)
        self._api = Api(config, transport)
        # What prices are read and which fields there are is known only once Saleor was asked.
        self._documents: Documents | None = None

    def full(self, cursor: str | None) -> Page[Record]:
        watermark = self._begin(cursor)
        nodes, following = self._list(cursor, lambda documents: documents.variants)
        return Page([self._record(node) for node in nodes], following, following is None, watermark)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        return self.full(cursor)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        self._begin(cursor)
        nodes, following = self._list(cursor, lambda documents: documents.sold)
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for node in nodes:
            name = str(node["id"])
            try:
                records.append(VolatileRecord(name, sold_fields(self._product(node), node, self._options)))
            except UnreadableRecord as error:
                notices.append(Notice(name, "record.unreadable", str(error), "Correct this variant in Saleor."))
        return Page(records, following, following is None, notices=notices)

    def fields(self, record: Record) -> Fields:
        try:
            product, variant = (decode(part) for part in record.raw.split(b"\n"))
        except ValueError as error:
            raise UnreadableRecord("The variant cannot be read.") from error
        return item_fields(product, variant, self._options)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        if self._documents is None:
            self._begin(None)
        # Saleor refuses a whole query for one id that is none.
        ids = [one for one in retailer_ids if is_variant(one)]
        return [record for start in range(0, len(ids), FIRST) for record in self._by_id(ids[start : start + FIRST])]

    def close(self) -> None:
        self._api.close()

    def _begin(self, cursor: str | None) -> str | None:
        """Learn what applies to all variants; on a pull's first page also the store's clock, before anything else."""
        if cursor is not None and self._documents is not None:
            return None
        data = self._understood(lambda: self._api.ask(START, {"channel": self._channel}))
        place, channel = display(self._url), data.get("channel")
        if not isinstance(channel, dict):
            raise StoreRefused(f"{place} knows no such channel.", action="Correct the shop's option channel.")
        if channel.get("isActive") is not True:
            raise StoreRefused(
                f"The channel at {place} is not active, so nothing is sold there.",
                action="Activate it in Saleor, or pause the shop.",
            )
        warehouses = {str(one.get("slug")).lower() for one in dicts(channel.get("warehouses"))}
        if self._options.warehouses - warehouses:
            raise StoreRefused(
                f"The channel at {place} does not sell from a warehouse of the option warehouse.",
                action="Correct the shop's option warehouse, or assign that warehouse to the channel.",
            )
        tax = channel.get("taxConfiguration")
        displayed = isinstance(tax, dict) and tax.get("displayGrossPrices") is not False
        language = self._language.upper().replace("-", "_") if self._language else None
        gross = displayed if self._price is None else self._price == "with_tax"
        known = self._documents is None or self._documents.preorder
        self._documents = Documents(gross, language, preorder=known)
        return _text(self._api.clock) if self._api.clock and cursor is None else None

    def _list(
        self, cursor: str | None, document: Callable[[Documents], str]
    ) -> tuple[Sequence[dict[str, Any]], str | None]:
        """One page, and the cursor behind it. The last one tells whether as many rows came as there are."""
        after, seen = _place(cursor)
        variables = {"channel": self._channel, "first": FIRST, "after": after}
        found = self._ask(lambda documents: self._api.connection(document(documents), variables))
        seen += len(found.nodes)
        # What changes while we read comes again, so more than there are is no wonder, but not twice as many.
        if (seen < found.total and found.after is None) or seen > 2 * found.total + FIRST:
            raise StoreIncomplete(f"{display(self._url)} counts {found.total} variants and gives {seen} of them.")
        if found.after is not None:
            return found.nodes, json.dumps([found.after, seen])
        return found.nodes, None

    def _by_id(self, ids: Sequence[str]) -> list[Record]:
        variables = {"channel": self._channel, "first": FIRST, "ids": ids}
        nodes = self._ask(lambda documents: self._api.nodes(documents.variants_by_id, variables))
        return [self._record(node) for node in nodes]

    def _ask(self, question: Callable[[Documents], T]) -> T:
        """Ask without preorders from the moment on when this Saleor turns out to have none any more."""
        documents = self._documents or Documents(gross=True)
        try:
            return question(documents)
        except UnknownField as error:
            if error.name != "preorder":
                raise _not_understood(self._url) from None
        self._documents = fewer = replace(documents, preorder=False)
        return self._understood(lambda: question(fewer))

    def _understood(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except UnknownField:
            raise _not_understood(self._url) from None

    def _record(self, node: dict[str, Any]) -> Record:
        """Product and variant as JSON, one per line."""
        product = self._product(node)
        variant = {name: value for name, value in node.items() if name != "product"}
        parts = (msgspec.json.encode(part, order="sorted") for part in (product, variant))
        return Record(str(node["id"]), b"\n".join(parts))

    def _product(self, node: dict[str, Any]) -> dict[str, Any]:
        """The product with what our channel does with it, in place of what every channel does."""
        product = node.get("product")
        product = product if isinstance(product, dict) else {}
        now = self._api.clock or datetime.now(UTC)
        kept = {name: value for name, value in product.items() if name != "channelListings"}
        return {**kept, **offered(product, self._channel, now)}


def _not_understood(url: str) -> Permanent:
    return Permanent(f"{display(url)} does not accept our query.", action="Saleor 3.22 or newer is needed.")


def _place(cursor: str | None) -> tuple[str | None, int]:
    """Saleor's cursor, and how many rows came before it. Raises ``CursorExpired`` for a text that is not ours."""
    if cursor is None:
        return None, 0
    try:
        after, seen = json.loads(cursor)
        return str(after), int(seen)
    except (ValueError, TypeError) as error:
        raise CursorExpired from error


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
