"""One feed file: judged as a whole before a page of it is believed, then read in order."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import IO

import httpx

from worker.errors import StoreIncomplete
from worker.stores.contract import CursorExpired, Notice, Page, Record, StoreConfig, UnreadableRecord
from worker.stores.feed.formats import Format, recognise
from worker.stores.feed.spool import Spool, Spooled

PAGE_RECORDS = 1_000
PAGE_BYTES = 8 << 20
LONGEST_ID = 200
"""Characters. Meta takes 100; anything far beyond is no id but a shifted text, and no key for a database."""

# Google's Content API: targetCountry, and feedLabel, which took its place; Meta's feeds and exporters: country.
_COUNTRY_NAMES = ("target_country", "country", "feed_label")
_CONTROL = re.compile("[\0-\x1f\x7f\ud800-\udfff]")


class Document:
    """The file at ``config.url``. Every first page fetches it anew; cursors are positions in that very file.

    Args:
        transport: Takes the place of the network in tests.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self._country = config.options.get("country", "").upper()
        self._spool = Spool(config, transport)
        self._file: IO[bytes] | None = None
        self._digest = ""
        self._format: Format | None = None
        self._finished = False

    def first(self, watermark: str | None) -> Page[Record]:
        """The first page, or an unmodified one if the file is still what ``watermark`` says."""
        spooled = self._spool.fetch(watermark)
        if spooled is None:
            return Page((), None, last=True, watermark=watermark, unmodified=True)
        self._begin(spooled)
        return self._page(self.format.start, spooled.watermark)

    def next(self, cursor: str) -> Page[Record]:
        """The page at ``cursor``. Raises ``CursorExpired`` once the file is not to be had any more."""
        digest, offset = _decode_cursor(cursor)
        self._resume(digest)
        return self._page(offset, None)

    @property
    def format(self) -> Format:
        """Raises ``UnreadableRecord`` before the first page."""
        if self._format is None:
            raise UnreadableRecord("The record belongs to a feed that is not open.")
        return self._format

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._finished:
            self._spool.discard(self._digest)
        self._spool.close()

    def _begin(self, spooled: Spooled) -> None:
        try:
            self._open(spooled, check=True)
        except StoreIncomplete:
            self._spool.discard(spooled.digest)
            raise

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

    def _page(self, offset: int, watermark: str | None) -> Page[Record]:
        assert self._file is not None  # noqa: S101 - for the type checker: opened by the caller
        records: list[Record] = []
        notices: list[Notice] = []
        unidentified = size = 0
        more = False
        for name, raw, end in self.format.records(self._file, offset):
            if len(records) + unidentified >= PAGE_RECORDS or size >= PAGE_BYTES:
                more = True
                break
            offset = end
            size += len(raw)
            if self._country and self._is_abroad(raw):
                continue
            if not name or len(name) > LONGEST_ID:
                unidentified += 1
                notices.append(_nameless(name, end))
                continue
            if not name.isprintable():
                name = _CONTROL.sub("\ufffd", name)  # noqa: PLW2901 - the id goes by its repaired form from here on
            if not self.format.is_intact(raw):
                notices.append(self._repaired(name, raw))
            records.append(Record(name, raw))
        self._finished = not more
        following = json.dumps({"file": self._digest, "at": offset}) if more else None
        return Page(records, following, not more, watermark, notices=notices, unidentified=unidentified)

    def _is_abroad(self, raw: bytes) -> bool:
        """Whether the record names countries and not ours; one that cannot be read has to be told about."""
        try:
            fields = self.format.fields(raw)
        except UnreadableRecord:
            return False
        given = next((str(fields[name]) for name in _COUNTRY_NAMES if name in fields), "")
        return bool(given.strip()) and self._country not in re.split(r"[\s,;|]+", given.upper())

    def _repaired(self, name: str, raw: bytes) -> Notice:
        try:
            columns = ", ".join(self.format.repaired(raw))
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


def _decode_cursor(cursor: str) -> tuple[str, int]:
    try:
        value = json.loads(cursor)
        digest, offset = value["file"], value["at"]
    except (ValueError, KeyError, TypeError) as error:
        raise CursorExpired from error
    if not isinstance(digest, str) or not isinstance(offset, int) or offset < 0 or not digest.isalnum():
        raise CursorExpired
    return digest, offset
