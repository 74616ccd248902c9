"""The cursors of a Shopify pull."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import msgspec

from worker.stores.contract import CursorExpired


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page starts.

    Attributes:
        phase: "start", "wait" and "file" of an export; "sold"; "products", "owned", "variants", "stock" and
            "levels" of a delta.
        export: The export's number.
        count: How often we asked in vain; in a file, the number of the last root read.
        after: Shopify's cursor within the list.
        ids: The products whose variants are listed ("owned").
        then: The cursor of the products behind these, or of the locations before this one; None: there are none.
    """

    phase: str
    export: str = ""
    count: int = 0
    after: str | None = None
    ids: tuple[str, ...] = ()
    then: str | None = None

    def text(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def read(cls, cursor: str, phases: Iterable[str]) -> Place:
        """Raises ``CursorExpired`` for a text that ``text`` has not made for one of ``phases``."""
        try:
            place = msgspec.json.decode(cursor, type=cls)
        except msgspec.DecodeError as error:
            raise CursorExpired from error
        numbers = (*place.ids, *([place.export] if place.export else []))
        if place.phase not in phases or not all(number.isascii() and number.isdigit() for number in numbers):
            raise CursorExpired
        return place
