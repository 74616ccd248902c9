"""CSV and TSV: find the record boundaries quickly, look into a record only when somebody asks.

Boundaries are found on latin-1 text, which is byte for byte the file: UTF-8 leaves delimiters, quotes and line
ends alone, and bytes that are no UTF-8 cannot stop the scan.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

import xxhash

from worker.errors import StoreIncomplete
from worker.stores.contract import Fields, UnreadableRecord
from worker.stores.feed.columns import (
    LONGEST_NAMES,
    MOST_COLUMNS,
    VOLATILE_AND_SKU,
    Path,
    column_paths,
    is_header,
    place,
    settle,
    with_status,
)
from worker.stores.feed.encoding import is_utf8

LONGEST_RECORD = 8 << 20
"""Bytes; Meta itself refuses lines above 5,242,880 (Product Feed reference)."""
_HEADER_WITHIN = 5
_DELIMITERS = (",", "\t", ";", "|")
_RETURN_ALONE = re.compile(rb"\r(?!\n)")
_OPEN_QUOTE = "a quote is opened and never closed"

# The module's own limit of 128 kB per field is global to the process; a long description must not end a feed.
csv.field_size_limit(LONGEST_RECORD)

Scanned = tuple[bytes, list[str] | None]
"""A record's bytes, and its cells (as latin-1 text) where finding its end meant parsing it."""


class _Lines:
    """The lines of a file from an offset on; as an iterator, what ``csv.reader`` takes for one record."""

    def __init__(self, file: IO[bytes], offset: int) -> None:
        file.seek(offset)
        self._readline = file.readline
        self._pushed: bytes | None = None
        self.taken: list[bytes] = []
        self.size = 0
        self.ended = False

    def read(self) -> bytes:
        line = self._readline(LONGEST_RECORD)
        if len(line) == LONGEST_RECORD and not line.endswith(b"\n"):
            raise _incomplete(f"a line is longer than {LONGEST_RECORD >> 20} MB")
        return line

    def push(self, line: bytes) -> None:
        self._pushed, self.taken, self.size = line, [], 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.read() if self._pushed is None else self._pushed
        self._pushed = None
        if not line:
            self.ended = True
            raise StopIteration
        self.taken.append(line)
        self.size += len(line)
        if self.size > LONGEST_RECORD:
            raise _incomplete(_OPEN_QUOTE)
        return _text(line.decode("latin-1"))


def _text(text: str) -> str:
    # csv takes a lone carriage return for the end of a record, and raises.
    return text.replace("\r\n", "\n").replace("\r", " ") if "\r" in text else text


def _scan(file: IO[bytes], offset: int, delimiter: str) -> Iterator[Scanned]:
    """The records from ``offset`` on, blank lines included. Only lines with a quote are parsed."""
    lines = _Lines(file, offset)
    reader = csv.reader(lines, delimiter=delimiter)
    while line := lines.read():
        if b'"' not in line:
            yield line, None
            continue
        lines.push(line)
        try:
            cells = next(reader)
        except csv.Error as error:
            raise _incomplete(_OPEN_QUOTE) from error
        if lines.ended:
            raise _incomplete(_OPEN_QUOTE)
        yield (line if len(lines.taken) == 1 else b"".join(lines.taken)), cells


def _incomplete(what: str) -> StoreIncomplete:
    return StoreIncomplete(f"The feed is not complete: {what}.", action="Check what writes or uploads the file.")


class Delimited:
    """One CSV or TSV file whose header has been found.

    Attributes:
        start: Offset of the first record behind the header.
    """

    def __init__(self, delimiter: str, names: Sequence[str], start: int) -> None:
        self.start = start
        self._delimiter = delimiter
        self._byte = delimiter.encode()
        self._blank = b' \t\r\n"' + self._byte
        self._paths: list[Path | None] = column_paths(tuple(names))
        self._id = self._paths.index(("id",))
        paths = enumerate(self._paths)
        self._volatile = [(at, path[0]) for at, path in paths if path and path[0] in VOLATILE_AND_SKU]
        # In front of every record, so that equal lines under another header are not taken for the same item.
        self._layout = xxhash.xxh3_64_digest("\x1f".join([delimiter, *names]).encode())

    @classmethod
    def recognise(cls, file: IO[bytes], preferred: str) -> Delimited | None:
        """The layout of ``file``, or None if none of its first lines is a header.

        Meta's templates have lines that begin with ``#`` above or below it.

        Args:
            preferred: The delimiter that the file's name promises; others are tried when it makes no header.

        Raises ``StoreIncomplete`` for a header that ends with a carriage return alone: a file with line feeds too.
        """
        for delimiter in dict.fromkeys((preferred, *_DELIMITERS)):
            found = _header(file, delimiter)
            if found is not None:
                names, end = found
                return cls(delimiter, names, end + _comment_size(file, end, delimiter))
        return None

    def check(self, file: IO[bytes]) -> None:
        """Read the file to its end once. Raises ``StoreIncomplete`` unless it ends after a whole record."""
        last: Scanned | None = None
        width = len(self._paths)
        for raw, cells in _scan(file, self.start, self._delimiter):
            if not raw.strip(self._blank):
                continue
            last = raw, cells
            # A quote that is opened by mistake is closed by the next one somewhere below, and swallows the
            # records in between. What spans several lines on purpose is well-formed and as wide as the header.
            if cells is not None and -1 < raw.find(b"\n") < len(raw) - 1 and not self._well_formed(raw, cells):
                raise _incomplete(_OPEN_QUOTE)
        if last is not None and (found := len(_cells(*last, self._delimiter))) < width:
            raise _incomplete(f"its last record has {found} fields where the header has {width}")

    def _well_formed(self, raw: bytes, cells: list[str]) -> bool:
        if len(cells) != len(self._paths):
            return False
        try:
            next(csv.reader([_text(raw.decode("latin-1"))], delimiter=self._delimiter, strict=True))
        except csv.Error:
            return False
        return True

    def records(self, file: IO[bytes], offset: int) -> Iterator[tuple[str, bytes, int]]:
        """Id ("" where there is none), raw bytes and end offset of each record that is not blank."""
        at, byte, layout = self._id, self._byte, self._layout
        for raw, cells in _scan(file, offset, self._delimiter):
            offset += len(raw)
            if cells is None:
                parts = raw.split(byte, at + 1)
                name = parts[at] if at < len(parts) else b""
            else:
                name = cells[at].encode("latin-1") if at < len(cells) else b""
            name = name.strip()
            if not name and not raw.strip(self._blank):
                continue
            yield name.decode("utf-8", "replace"), layout + raw, offset

    def fields(self, raw: bytes) -> Fields:
        """One record as an item. Raises ``UnreadableRecord`` for cells that the header has no column for."""
        fields: dict[str, Any] = {}
        nested = False
        cells = self._parsed(raw)
        for path, cell in zip(self._paths, cells, strict=False):
            value = cell.strip()
            if not value or path is None:
                continue
            if len(path) == 1:
                fields[str(path[0])] = value
            else:
                place(fields, path, value)
                nested = True
        return with_status(settle(fields) if nested else fields)

    def volatile(self, raw: bytes) -> Fields:
        cells = self._parsed(raw)
        return {str(name): value for at, name in self._volatile if at < len(cells) and (value := cells[at].strip())}

    def named(self, raw: bytes) -> set[str]:
        return {str(path[0]) for path in self._paths if path}

    def is_intact(self, raw: bytes) -> bool:
        return is_utf8(raw[8:])

    def repaired(self, raw: bytes) -> list[str]:
        """Names of the columns in which bytes had to be replaced."""
        cells = _cells(raw[8:], None, self._delimiter, errors="surrogateescape")
        return [
            str(path[0])
            for path, cell in zip(self._paths, cells, strict=False)
            if path and (not cell.isprintable()) and any("\ud800" <= char <= "\udfff" for char in cell)
        ]

    def _parsed(self, raw: bytes) -> list[str]:
        if raw[:8] != self._layout:
            raise UnreadableRecord("The record belongs to a feed with another header.")
        cells = _cells(raw[8:], None, self._delimiter)
        if len(cells) > len(self._paths) and any(cell.strip() for cell in cells[len(self._paths) :]):
            # A comma inside an unquoted text shifts everything behind it: a wrong price would be believed.
            raise UnreadableRecord(f"The record has {len(cells)} fields where the header has {len(self._paths)}.")
        return cells


def _cells(raw: bytes, cells: list[str] | None, delimiter: str, errors: str = "replace") -> list[str]:
    """The cells of one record as UTF-8 text; NUL, which no database takes, is replaced like a wrong byte."""
    if cells is not None:
        return [cell.encode("latin-1").decode("utf-8", errors) for cell in cells]
    text = _text(raw.decode("utf-8", errors).removeprefix("\ufeff").rstrip("\r\n"))
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error as error:
        raise UnreadableRecord("The record is not well-formed.") from error


def _header(file: IO[bytes], delimiter: str) -> tuple[list[str], int] | None:
    """The names of the columns and where their line ends, if one of the first lines is a header."""
    end = 0
    lines = _scan(file, 0, delimiter)
    for _ in range(_HEADER_WITHIN + 1):
        try:
            raw, cells = next(lines)
        except (StopIteration, StoreIncomplete):
            return None
        end += len(raw)
        if len(raw) > LONGEST_NAMES or raw.count(delimiter.encode()) >= MOST_COLUMNS:
            continue
        alone = _RETURN_ALONE.search(raw.rstrip(b"\r\n"))
        if alone and is_header(_cells(raw[: alone.start()], None, delimiter)):
            # What follows it up to the first line feed would be read as columns, and the feed as one without items.
            raise StoreIncomplete(
                "The feed has carriage returns alone as line ends, and line feeds too.",
                action="Save it with line feeds (Unix) or with both (Windows) at the end of every line.",
            )
        names = _cells(raw, cells, delimiter)
        if is_header(names):
            return names, end
    return None


def _comment_size(file: IO[bytes], offset: int, delimiter: str) -> int:
    """Length of the line of explanations that Meta's templates have below the header, 0 without one."""
    try:
        for raw, cells in _scan(file, offset, delimiter):
            filled = [cell for cell in _cells(raw, cells, delimiter) if cell.strip()]
            return len(raw) if filled and all(cell.lstrip().startswith("#") for cell in filled) else 0
    except StoreIncomplete:
        return 0
    return 0
