"""WooCommerce's lists: read by offset, by product or by id, and cut down to the fields that are asked for.

A list is counted before the rows that WooCommerce cannot open, or that a plugin hides, are taken out of it
(``WC_REST_CRUD_Controller::get_items``). So fewer rows than counted are told as *unseen*, which proves nothing about
what is absent, rather than refused for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.errors import Transient
from worker.stores.offsets import Position, Rows, next_rows
from worker.stores.woocommerce.api import MOST, Api

Json = dict[str, Any]


class NoSuchList(Exception):
    """WooCommerce before 10.3 has no list of all variations."""


class Lists:
    """The lists of one shop. What goes wrong is raised as ``Api.listing`` says."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def rows(self, path: str, position: Position, take: int, filters: Mapping[str, str], names: Sequence[str]) -> Rows:
        """The next rows of a list by their ids. Raises ``NoSuchList``."""
        params = {"status": "any", "orderby": "id", "order": "asc", **filters, "_fields": ",".join(names)}
        # Every WooCommerce has products: one without has another trouble, which ``listing`` names.
        ask = self._api.listing if path == "products" else self._api.listing_if_there

        def read(offset: int, count: int) -> tuple[Sequence[Json], int]:
            listing = ask(path, {**params, "offset": str(offset), "per_page": str(count)})
            if listing is None:
                raise NoSuchList
            return [_slim(row, names) for row in listing.rows], listing.total

        return next_rows(read, path, position, take, whole=False, most=MOST)

    def variations_of(self, product: Json, names: Sequence[str], status: str = "any") -> tuple[list[Json], int]:
        """All variations of one product, and how many are unseen.

        Raises ``Transient`` where they change while they are read.
        """
        path = f"products/{product['id']}/variations"
        params = {"status": status, "orderby": "id", "order": "asc", "_fields": ",".join(names)}
        rows: list[Json] = []
        offset, total = 0, 1
        while offset < total:
            listing = self._api.listing(path, {**params, "per_page": str(MOST), "offset": str(offset)})
            if offset and listing.total != total:
                raise Transient(f"The variations of product {product['id']} changed while we read them.")
            rows.extend({**_slim(row, names), "parent_id": product["id"]} for row in listing.rows)
            offset, total = offset + MOST, listing.total
        return rows, total - len({row["id"] for row in rows})

    def by_id(self, path: str, names: Sequence[str], wanted: set[str]) -> tuple[list[Json], int]:
        """The rows of these ids that exist and are not in the trash, and how many are unseen. Raises ``NoSuchList``."""
        rows: list[Json] = []
        unseen = 0
        ids = sorted((name for name in wanted if name.isascii() and name.isdigit()), key=int)
        for start in range(0, len(ids), MOST):
            # One value with commas: names with brackets would have to be signed the way PHP takes them apart.
            params = {"include": ",".join(ids[start : start + MOST]), "status": "any", "per_page": str(MOST)}
            listing = self._api.listing_if_there(path, {**params, "_fields": ",".join(names)})
            if listing is None:
                raise NoSuchList
            found = [_slim(row, names) for row in listing.rows if str(row["id"]) in wanted]
            rows.extend(found)
            unseen += max(0, listing.total - len(found))
        return rows, unseen


def _slim(row: Json, names: Sequence[str]) -> Json:
    # ``_fields`` is WordPress's own filter, which plugins circumvent; images come with dates of their own.
    kept = {name: row[name] for name in names if name in row}
    for name in ("image", "images"):
        if isinstance(kept.get(name), dict):
            kept[name] = {"src": kept[name].get("src")}
        elif isinstance(kept.get(name), list):
            kept[name] = [{"src": one.get("src")} for one in kept[name] if isinstance(one, dict)]
    return kept
