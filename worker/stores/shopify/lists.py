"""Read lists in pages as large as Shopify affords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from worker.errors import Permanent
from worker.stores.shopify.api import Api, Connection, TooCostly

R = TypeVar("R")


class Lists:
    """The lists of one shop.

    Shopify prices a query before it runs, by what could come: one that asks for too many rows is refused. What it
    counts is not all documented and differs by version, so the size of a page is found out: halved until it passes.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._divisor = 1

    def page(self, document: str, name: str, query: str | None, first: int, after: str | None) -> Connection:
        """At most ``first`` rows of the list ``name`` behind the cursor ``after``; ``query`` filters them."""

        def ask(size: int) -> Connection:
            variables: dict[str, Any] = {"first": size, "after": after}
            if query is not None:
                variables["query"] = query
            return self._api.connection(document, name, variables)

        return self._affordable(first, ask)

    def nested(
        self, document: str, names: tuple[str, str], query: str, first: int, after: str | None, behind: str | None
    ) -> tuple[Connection, str | None]:
        """At most ``first`` rows of the list within the first row of another, and the cursor behind that row.

        Args:
            names: Of the outer list and the inner one.
            after: Where the inner list goes on.
            behind: The cursor of the outer list before the row in question.
        """

        def ask(size: int) -> tuple[Connection, str | None]:
            variables = {"query": query, "first": size, "after": after, "behind": behind}
            return self._api.nested(document, names, variables)

        return self._affordable(first, ask)

    def nodes(self, document: str, ids: Sequence[str], first: int) -> list[dict[str, Any]]:
        """Those of ``ids`` that exist now, read ``first`` at a time."""
        found: list[dict[str, Any]] = []
        rest = list(ids)
        while rest:
            some, nodes = self._affordable(first, lambda size: (rest[:size], self._api.nodes(document, rest[:size])))  # noqa: B023 - called at once
            found += nodes
            rest = rest[len(some) :]
        return found

    def _affordable(self, first: int, ask: Callable[[int], R]) -> R:
        while True:
            size = max(first // self._divisor, 1)
            try:
                return ask(size)
            except TooCostly:
                if size == 1:
                    raise Permanent(
                        "Shopify finds our query too costly even for a single row.",
                        action="Set the shop's option api_version to another one.",
                    ) from None
                self._divisor *= 2
