"""Page through a Vendure list, which knows only offsets, without losing what shifts.

Rows are sorted by id, so new ones come at the end, and only a deletion moves what follows. Each request therefore
overlaps the page before by a few rows: if these are not where they were, the list has moved, and we look for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.errors import StoreIncomplete
from worker.stores.contract import CursorExpired
from worker.stores.vendure.api import Api

_ANCHORS = 3


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page starts.

    Attributes:
        skip: Offset of its first row.
        anchors: The last ids before it.
        seen: How many rows the pull has had from this list.
        phase: Which list it is, when a pull reads several.
    """

    skip: int = 0
    anchors: tuple[str, ...] = ()
    seen: int = 0
    phase: str = ""

    def text(self) -> str:
        return json.dumps([self.skip, self.anchors, self.seen, self.phase])

    @classmethod
    def read(cls, cursor: str | None, phase: str = "") -> Position:
        """Raises ``CursorExpired`` for a text that ``text`` has not made."""
        if cursor is None:
            return cls(phase=phase)
        try:
            skip, anchors, seen, phase = json.loads(cursor)
            return cls(int(skip), tuple(str(anchor) for anchor in anchors), int(seen), str(phase))
        except (ValueError, TypeError) as error:
            raise CursorExpired from error


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one page, and where the next one starts; None behind the last."""

    rows: Sequence[dict[str, Any]]
    following: Position | None


def next_rows(
    api: Api, query: str, name: str, position: Position, take: int, filters: Mapping[str, Any] | None = None
) -> Rows:
    """One page of about ``take`` rows.

    Raises ``CursorExpired`` if the rows before it have gone, and ``StoreIncomplete`` if the store gives fewer
    rows than it counts or the same ones again.
    """

    def read(skip: int, count: int) -> tuple[list[dict[str, Any]], int]:
        options = {"skip": skip, "take": count, "sort": {"id": "ASC"}, "filter": dict(filters or {})}
        listing = api.listing(query, name, options)
        return list(listing.items), listing.total

    overlap = len(position.anchors)
    start = position.skip - overlap
    rows, total = read(start, take + overlap)
    if overlap:
        found = _behind(rows, position.anchors)
        if found is None:
            start = max(0, position.skip - take)
            rows, total = read(start, 2 * take)
            found = _behind(rows, position.anchors)
        if found is None:
            raise CursorExpired
        start, rows = start + found, rows[found:]
    end, seen = start + len(rows), position.seen + len(rows)
    # A filtered list may grow in front of us while we read, so only a whole one has to come out even.
    if (not rows and end != total) or (end >= total > seen and not filters):
        raise StoreIncomplete(f"The store counts {total} {name} and gives {seen} of them.")
    if end >= total:
        return Rows(rows, None)
    anchors = (*position.anchors, *(str(row["id"]) for row in rows))[-_ANCHORS:]
    return Rows(rows, Position(end, anchors, seen, position.phase))


def _behind(rows: Sequence[Mapping[str, Any]], anchors: Sequence[str]) -> int | None:
    """Index of the first row behind the last anchor among ``rows``; None without any of them."""
    known = set(anchors)
    places = [index for index, row in enumerate(rows) if str(row["id"]) in known]
    return places[-1] + 1 if places else None
