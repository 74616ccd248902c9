"""Page through a list that knows only offsets, without losing what shifts.

Rows are sorted by id, so new ones come at the end, and only a deletion moves what follows. Each request therefore
overlaps the page before by a few rows: if these are not where they were, the list has moved, and we look for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.errors import StoreIncomplete
from worker.stores.contract import CursorExpired

ANCHORS = 3
"""By how many rows a request overlaps the page before."""

Read = Callable[[int, int], tuple[Sequence[dict[str, Any]], int]]
"""(offset, count) -> the rows there, sorted by their ``id``, and how many rows the whole list has."""


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
    """The rows of one page, and where the next one starts; None behind the last.

    ``unseen``: on the last page, how many rows the list counts that no page brought.
    """

    rows: Sequence[dict[str, Any]]
    following: Position | None
    unseen: int = 0


def next_rows(
    read: Read, name: str, position: Position, take: int, *, whole: bool = True, most: int | None = None
) -> Rows:
    """One page of about ``take`` rows.

    Args:
        name: What the rows are, for messages.
        whole: The rows have to come out as counted. A filtered list may grow in front of us while we read, and some
            platforms count what they do not show.
        most: Rows that one request may ask for; at least ``take`` and ``ANCHORS`` together. None: as many as we like.

    Raises ``CursorExpired`` if the rows before it have gone, and ``StoreIncomplete`` if the store gives fewer
    rows than it counts or the same ones again.
    """
    overlap = len(position.anchors)
    start = position.skip - overlap
    rows, total = read(start, take + overlap)
    if overlap:
        found = _behind(rows, position.anchors)
        if found is None:
            start = max(0, position.skip - take)
            rows, total = read(start, min(2 * take, most or 2 * take))
            found = _behind(rows, position.anchors)
        if found is None:
            raise CursorExpired
        start, rows = start + found, rows[found:]
    end, seen = start + len(rows), position.seen + len(rows)
    if (not rows and end != total) or (end >= total > seen and whole):
        raise StoreIncomplete(f"The store counts {total} {name} and gives {seen} of them.")
    if end >= total:
        return Rows(rows, None, max(0, total - seen))
    anchors = (*position.anchors, *(str(row["id"]) for row in rows))[-ANCHORS:]
    return Rows(rows, Position(end, anchors, seen, position.phase))


def _behind(rows: Sequence[Mapping[str, Any]], anchors: Sequence[str]) -> int | None:
    """Index of the first row behind the last anchor among ``rows``; None without any of them."""
    known = set(anchors)
    places = [index for index, row in enumerate(rows) if str(row["id"]) in known]
    return places[-1] + 1 if places else None
