"""NDJSON: one JSON object per line, no header, blank lines mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from worker.errors import StoreIncomplete
from worker.stores.contract import Fields, UnreadableRecord
from worker.stores.feed.columns import (
    LONGEST_NAMES,
    MOST_COLUMNS,
    VOLATILE_AND_SKU,
    column_paths,
    place,
    settle,
    with_status,
)
from worker.stores.feed.encoding import is_utf8
from worker.stores.payload import decode

LONGEST_LINE = 8 << 20
_BLANK = b" \t\r\n\xef\xbb\xbf"
_SALVAGE = re.compile(rb'"(?:g:)?id"\s*:\s*(?:"((?:[^"\\\x00-\x1f]){1,200})"|([0-9]{1,18})\b)')


class _Named(msgspec.Struct):
    id: str | int | None = None


_named = msgspec.json.Decoder(_Named)


class Ndjson:
    """The lines of one NDJSON file."""

    start = 0

    @classmethod
    def recognise(cls, file: IO[bytes]) -> Ndjson | None:
        """None if the first line with anything in it is not an object that names its item."""
        for raw in _lines(file, 0):
            if not raw.strip(_BLANK):
                continue
            try:
                fields = cls().fields(raw.strip(_BLANK))
            except UnreadableRecord:
                return None
            return cls() if "id" in fields else None
        return cls()

    def check(self, file: IO[bytes]) -> None:
        """Read the file to its end once. Raises ``StoreIncomplete`` unless it ends after a whole object."""
        last = b""
        for raw in _lines(file, 0):
            if raw.strip(_BLANK):
                last = raw
        if not last:
            return
        try:
            self.fields(last.strip(_BLANK))
        except UnreadableRecord:
            raise StoreIncomplete(
                "The feed is not complete: its last line is not a whole JSON object.",
                action="Check what writes or uploads the file.",
            ) from None

    def records(self, file: IO[bytes], offset: int) -> Iterator[tuple[str, bytes, int]]:
        """Id ("" where there is none), raw bytes and end offset of each line that is not blank."""
        for line in _lines(file, offset):
            offset += len(line)
            raw = line.strip(_BLANK)
            if raw:
                yield self._id(raw), raw, offset

    def _id(self, raw: bytes) -> str:
        try:
            name = _named.decode(raw).id
            if name is None:
                name = self.fields(raw).get("id")
        except (msgspec.DecodeError, UnicodeDecodeError, UnreadableRecord, RecursionError):
            # A broken line stays tied to its item, so that the item is reported and not taken for gone.
            found = _SALVAGE.search(raw)
            name = (found[1] or found[2]).decode("utf-8", "replace") if found else None
        return str(name).strip() if isinstance(name, str | int) and not isinstance(name, bool) else ""

    def fields(self, raw: bytes) -> Fields:
        """One line as an item. Raises ``UnreadableRecord`` for one that is no JSON object."""
        found = _object(raw)
        fields: dict[str, Any] = {}
        nested = False
        for path, value in zip(column_paths(tuple(found)), found.values(), strict=True):
            if path is None or value is None or value == "":
                continue
            if len(path) == 1:
                fields[str(path[0])] = value
            else:
                place(fields, path, value)
                nested = True
        return with_status(settle(fields) if nested else fields)

    def volatile(self, raw: bytes) -> Fields:
        return {name: value for name, value in self.fields(raw).items() if name in VOLATILE_AND_SKU}

    def named(self, raw: bytes) -> set[str]:
        return {str(path[0]) for path in column_paths(tuple(_object(raw))) if path}

    def is_intact(self, raw: bytes) -> bool:
        return is_utf8(raw)

    def repaired(self, raw: bytes) -> list[str]:
        """Names of the members in which bytes had to be replaced."""
        text = raw.decode("utf-8", "surrogateescape")
        bad = re.compile("[\udc80-\udcff]")
        marked = bad.sub("\ufffd", text).encode()
        return [name for name, value in self.fields(marked).items() if "\ufffd" in str(value)]


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = decode(raw)
    except ValueError as error:
        raise UnreadableRecord("The line is not valid JSON.") from error
    if not isinstance(found, dict):
        raise UnreadableRecord("The line is not a JSON object.")
    if len(found) > MOST_COLUMNS or (len(raw) > LONGEST_NAMES and sum(map(len, found)) > LONGEST_NAMES):
        raise UnreadableRecord(f"The line has more than {MOST_COLUMNS:,} members, or names of enormous length.")
    return found


def _lines(file: IO[bytes], offset: int) -> Iterator[bytes]:
    file.seek(offset)
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise StoreIncomplete(
                f"The feed is not complete: a line is longer than {LONGEST_LINE >> 20} MB.",
                action="Write one JSON object per line.",
            )
        yield line
