"""Unpack a feed: gzip, or a ZIP archive with the feed as its only file. Bounded, and never by a name from inside."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from worker.errors import StoreIncomplete
from worker.stores.http import FILE
from worker.stores.inflate import Bomb, BrokenGzip, Inflater, is_bomb

_BLOCK = 64 << 10
# zipfile reads the whole directory of an archive at once; one with a few files takes some hundred bytes.
_DIRECTORY_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile lets through when bytes are missing or wrong: its own error, for what it recognises; zlib's, for a stream
# that is damaged; EOFError, for one that ends; NotImplementedError, for a version or a flag that nobody meant; OSError
# and ValueError, for an offset before the file; ValueError too for a name that is no UTF-8; IndexError for no name.
_NOT_WHOLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, IndexError)


def unpacker(head: bytes) -> Callable[[IO[bytes]], Iterator[bytes]] | None:
    """What unpacks a file that begins with ``head``, None for one that is not packed."""
    if head.startswith(b"\x1f\x8b"):
        return _gunzipped
    # An archive without a file begins with the end of its directory.
    return _unzipped if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) else None


def _gunzipped(source: IO[bytes]) -> Iterator[bytes]:
    inflater = Inflater(FILE.body_bytes)
    try:
        while block := source.read(_BLOCK):
            yield from inflater.feed(block)
        yield from inflater.finish()
    except BrokenGzip:
        raise StoreIncomplete(
            "The feed's gzip data is broken or ends too early.", action="Check that the file is uploaded completely."
        ) from None
    except Bomb:
        raise _too_much() from None


def _unzipped(source: IO[bytes]) -> Iterator[bytes]:
    given = 0
    try:
        with zipfile.ZipFile(_Bounded(source)) as archive:
            entry = _only_file(archive)
            with archive.open(entry) as member:
                while block := member.read(_BLOCK):
                    given += len(block)
                    if given > FILE.body_bytes or is_bomb(entry.compress_size, given):
                        raise _too_much()
                    yield block
    except _NOT_WHOLE:
        raise StoreIncomplete(
            "The feed's ZIP archive is broken or ends too early.", action="Check that the file is uploaded completely."
        ) from None


def _only_file(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [entry for entry in archive.infolist() if not entry.is_dir() and not _of_a_mac(entry.filename)]
    if any(entry.filename == "[Content_Types].xml" for entry in files):
        raise StoreIncomplete(
            "The address gives a spreadsheet instead of a feed.", action="Save it as CSV and give the address of that."
        )
    if len(files) != 1:
        raise StoreIncomplete(
            f"The feed's ZIP archive holds {len(files)} files instead of one.", action="Pack the feed alone."
        )
    entry = files[0]
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        raise StoreIncomplete(
            "The feed's ZIP archive is encrypted or packed in a rare way.",
            action="Use ZIP's ordinary method (deflate).",
        )
    return entry


def _of_a_mac(name: str) -> bool:
    # macOS adds a second tree of its own with what its file system knows about each file.
    return name.startswith("__MACOSX/") or name.endswith(".DS_Store")


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


class _Bounded:
    """A file of which nobody reads more than the bound at once."""

    def __init__(self, source: _Readable) -> None:
        self._source = source
        self.seek, self.tell = source.seek, source.tell

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(_DIRECTORY_BYTES + 1 if size < 0 else min(size, _DIRECTORY_BYTES + 1))
        if len(data) > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile
        return data

    def seekable(self) -> bool:
        return True


def _too_much() -> StoreIncomplete:
    return StoreIncomplete("The feed unpacks to more than a feed may be.", action="Check what writes the file.")
