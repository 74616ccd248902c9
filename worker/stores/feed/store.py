"""The feed as a store: one file, judged as a whole before a page of it is believed, then read in order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, Protocol
from urllib.parse import urlsplit

import httpx

from worker.errors import BadInput, StoreIncomplete
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
from worker.stores.feed.delimited import Delimited
from worker.stores.feed.ndjson import Ndjson
from worker.stores.feed.spool import Spool, Spooled, is_remote, local_path

PAGE_RECORDS = 1_000
PAGE_BYTES = 8 << 20
LONGEST_ID = 200
"""Characters. Meta takes 100; anything far beyond is no id but a shifted text, and no key for a database."""

_DELIMITER = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}
_LINES = frozenset({".ndjson", ".jsonl", ".ldjson"})
_CONTROL = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
_SIGNATURES = {b"PK\x03\x04": "a ZIP archive or a spreadsheet", b"BZh": "a bzip2 archive", b"%PDF": "a PDF"}


class Format(Protocol):
    """What the formats have in common; offsets are byte positions in the spooled file."""

    start: int

    def check(self, file: IO[bytes]) -> None: ...
    def records(self, file: IO[bytes], offset: int) -> Iterator[tuple[str, bytes, int]]: ...
    def fields(self, raw: bytes) -> Fields: ...
    def volatile(self, raw: bytes) -> Fields: ...
    def repaired(self, raw: bytes) -> list[str]: ...


class Feed:
    """A product feed in the Meta / Google Merchant format. See ``worker.stores.contract.Store``.

    Every call of ``full``, ``changed`` or ``volatile`` with cursor None fetches the file anew; the cursors that
    follow are positions in that very file, and expire with it.

    Args:
        transport: Takes the place of the network in tests.
    """

    version = 1
    one_export = True
    ids_unique = False

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self._spool = Spool(config, transport)
        self._file: IO[bytes] | None = None
        self._digest = ""
        self._format: Format | None = None
        self._finished = False

    def full(self, cursor: str | None) -> Page[Record]:
        watermark = None
        if cursor is None:
            spooled = self._spool.fetch()
            assert spooled is not None  # noqa: S101 - for the type checker: only a watermark can make it None
            watermark = self._begin(spooled)
        return self._page(cursor, watermark, Record)

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        if cursor is None:
            spooled = self._spool.fetch(watermark)
            if spooled is None:
                return Page((), None, last=True, watermark=watermark, unmodified=True)
            return self._page(None, self._begin(spooled), Record)
        return self._page(cursor, None, Record)

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        fresh = None
        if cursor is None:
            spooled = self._spool.fetch(watermark)
            if spooled is None:
                return Page((), None, last=True, watermark=watermark, unmodified=True)
            fresh = self._begin(spooled)
        page = self._page(cursor, fresh, Record)
        records: list[VolatileRecord] = []
        notices: list[Notice] = []
        for record in page.records:
            try:
                records.append(VolatileRecord(record.retailer_id, self._known().volatile(record.raw)))
            except UnreadableRecord as error:
                notices.append(_unreadable(record.retailer_id, str(error)))
        return Page(
            records,
            page.cursor,
            page.last,
            page.watermark,
            notices=notices,
            unidentified=page.unidentified + len(notices),
        )

    def fields(self, record: Record) -> Fields:
        return self._known().fields(record.raw)

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        return None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._finished:
            self._spool.discard(self._digest)
        self._spool.close()

    def _known(self) -> Format:
        if self._format is None:
            raise UnreadableRecord("The record belongs to a feed that is not open.")
        return self._format

    def _begin(self, spooled: Spooled) -> str | None:
        """Judge a file that has just arrived; its watermark."""
        try:
            self._open(spooled, check=True)
        except StoreIncomplete:
            self._spool.discard(spooled.digest)
            raise
        return spooled.watermark

    def _open(self, spooled: Spooled, *, check: bool) -> None:
        if self._file is not None:
            self._file.close()
        self._file = spooled.path.open("rb", buffering=1 << 18)
        self._digest, self._finished = spooled.digest, False
        self._format = recognise(self._file, self._url)
        if check:
            self._format.check(self._file)

    def _resume(self, digest: str) -> None:
        if self._file is not None and digest == self._digest:
            return
        path = self._spool.find(digest)
        if path is not None:
            with suppress(FileNotFoundError):
                self._open(Spooled(path, digest, None), check=False)
                return
        spooled = self._spool.fetch()
        if spooled is None or spooled.digest != digest:
            if spooled is not None:
                self._spool.discard(spooled.digest)
            raise CursorExpired
        self._begin(spooled)

    def _page(self, cursor: str | None, watermark: str | None, make: Callable[[str, bytes], Record]) -> Page[Record]:
        if cursor is None:
            offset = self._known().start
        else:
            digest, offset = _decode_cursor(cursor)
            self._resume(digest)
        assert self._file is not None  # noqa: S101 - for the type checker: opened above
        records: list[Record] = []
        notices: list[Notice] = []
        unidentified = size = 0
        more = False
        for name, raw, end in self._known().records(self._file, offset):
            if len(records) + unidentified >= PAGE_RECORDS or size >= PAGE_BYTES:
                more = True
                break
            offset = end
            size += len(raw)
            if not name or len(name) > LONGEST_ID:
                unidentified += 1
                notices.append(_nameless(name, end))
                continue
            if not name.isprintable():
                name = _CONTROL.sub("\ufffd", name)  # noqa: PLW2901 - the id goes by its repaired form from here on
            if not raw.isascii() and (notice := self._repaired(name, raw)):
                notices.append(notice)
            records.append(make(name, raw))
        self._finished = not more
        following = json.dumps({"file": self._digest, "at": offset}) if more else None
        return Page(records, following, not more, watermark, notices=notices, unidentified=unidentified)

    def _repaired(self, name: str, raw: bytes) -> Notice | None:
        body = raw[8:] if isinstance(self._format, Delimited) else raw
        try:
            body.decode()
        except UnicodeDecodeError:
            pass
        else:
            return None
        try:
            columns = ", ".join(self._known().repaired(raw))
        except UnreadableRecord:
            columns = ""
        return Notice(
            name,
            "encoding.replaced",
            f"The feed has bytes that are not UTF-8{' in ' + columns if columns else ''}; they are shown as \ufffd.",
            "Save the feed as UTF-8.",
        )


def _nameless(name: str, end: int) -> Notice:
    if name:
        return Notice(
            "", "id.too_long", f"A record of the feed, before byte {end}, has an id of {len(name)} characters.",
            "Give every record an id of at most 100 characters.",
        )  # fmt: skip
    return Notice("", "id.missing", f"A record of the feed, before byte {end}, has no id.", "Give every record its id.")


def _unreadable(name: str, message: str) -> Notice:
    return Notice(name, "record.unreadable", message, "Correct this record in the feed.")


def _decode_cursor(cursor: str) -> tuple[str, int]:
    try:
        value = json.loads(cursor)
        digest, offset = value["file"], value["at"]
    except (ValueError, KeyError, TypeError) as error:
        raise CursorExpired from error
    if not isinstance(digest, str) or not isinstance(offset, int) or offset < 0 or not digest.isalnum():
        raise CursorExpired
    return digest, offset


def recognise(file: IO[bytes], url: str) -> Format:
    """The format of a spooled file: its name decides, else its content.

    Raises ``StoreIncomplete`` for HTML and other things that are no feed, ``BadInput`` for RSS and Atom.
    """
    file.seek(0)
    head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    suffix = _suffix(url)
    if head.startswith(b"<"):
        lowered = head.lower()
        if b"<rss" in lowered or b"<feed" in lowered or (lowered.startswith(b"<?xml") and b"<html" not in lowered):
            raise BadInput("RSS and Atom feeds are not supported yet.", action="Use a CSV, TSV or NDJSON feed.")
        raise StoreIncomplete(
            "The address gives a web page (HTML) instead of a feed.",
            action="Check that it needs no login and leads to the file itself.",
        )
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise StoreIncomplete(
                f"The address gives {kind} instead of a feed.", action="Use CSV, TSV or NDJSON, plain or .gz."
            )
    found: Format | None
    if suffix in _LINES or (suffix not in _DELIMITER and head.startswith(b"{")):
        found = Ndjson.recognise(file)
        if found is None:
            raise StoreIncomplete(
                "The feed is not NDJSON: its first line is not a JSON object with an id.",
                action="Write one JSON object per line.",
            )
        return found
    found = Delimited.recognise(file, _DELIMITER.get(suffix, ","))
    if found is None:
        raise StoreIncomplete(
            "The feed has no header that we know: a first line that names the columns, among them id.",
            action="Use the column names of Meta's or Google's feeds, in CSV, TSV or NDJSON.",
        )
    return found


def _suffix(url: str) -> str:
    name = PurePosixPath(urlsplit(url).path if is_remote(url) else local_path(url)).name.lower()
    return PurePosixPath(name.removesuffix(".gz")).suffix
