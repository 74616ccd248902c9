"""The formats of a feed, and which one a file has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Protocol
from urllib.parse import urlsplit

from worker.errors import StoreIncomplete
from worker.stores.contract import Fields
from worker.stores.feed.delimited import Delimited
from worker.stores.feed.markup import Markup
from worker.stores.feed.ndjson import Ndjson
from worker.stores.feed.spool import is_remote, local_path

_DELIMITER = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}
_LINES = frozenset({".ndjson", ".jsonl", ".ldjson"})
_MARKUP = frozenset({".xml", ".rss", ".atom"})
_SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive inside of another one",
    b"\x1f\x8b": "a file that is packed twice",
    b"BZh": "a bzip2 archive",
    b"%PDF": "a PDF",
}


class Format(Protocol):
    """What the formats have in common; offsets are byte positions in the spooled file."""

    start: int

    def check(self, file: IO[bytes]) -> None: ...
    def records(self, file: IO[bytes], offset: int) -> Iterator[tuple[str, bytes, int]]: ...
    def fields(self, raw: bytes) -> Fields: ...
    def volatile(self, raw: bytes) -> Fields: ...
    def named(self, raw: bytes) -> set[str]:
        """Fields that the record has a place for, also those that it leaves empty."""

    def is_intact(self, raw: bytes) -> bool: ...
    def repaired(self, raw: bytes) -> list[str]: ...


def recognise(file: IO[bytes], url: str) -> Format:
    """The format of a spooled file: its name decides, else its content.

    Raises ``StoreIncomplete`` for HTML and other things that are no feed.
    """
    file.seek(0)
    head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    suffix = _suffix(url)
    if head.startswith(b"<"):
        if _is_page(head.lower(), suffix):
            raise StoreIncomplete(
                "The address gives a web page (HTML) instead of a feed.",
                action="Check that it needs no login and leads to the file itself.",
            )
        return Markup.recognise(file)
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise StoreIncomplete(
                f"The address gives {kind} instead of a feed.", action="Use CSV, TSV, NDJSON, RSS or Atom."
            )
    if suffix in _MARKUP:
        raise StoreIncomplete(
            "The feed is not XML: it does not begin with a tag.", action="Check what writes the file."
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
            "The feed has no header that we know: a first line that names the columns, 1,000 at most, among them id.",
            action="Use the column names of Meta's or Google's feeds, in CSV, TSV or NDJSON.",
        )
    return found


def _is_page(head: bytes, suffix: str) -> bool:
    if b"<rss" in head or b"<feed" in head or b":feed" in head:
        return False
    return (
        b"<html" in head or head.startswith(b"<!doctype html") or not (head.startswith(b"<?xml") or suffix in _MARKUP)
    )


def _suffix(url: str) -> str:
    name = PurePosixPath(urlsplit(url).path if is_remote(url) else local_path(url)).name.lower()
    return PurePosixPath(name.removesuffix(".gz").removesuffix(".zip")).suffix
