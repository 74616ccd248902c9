"""Unpack gzip without trusting it: bounded output per step, a cap on the whole and on the ratio."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_STEP_BYTES = 256 * 1024
_FREE_BYTES = 8 * 1024 * 1024
"""Below this much output the ratio does not matter: small texts of repeated words compress extremely well."""
_MAX_RATIO = 250
"""Product feeds reach 10 to 80; deflate itself can do 1,032, which only a bomb does over megabytes."""


class BrokenGzip(Exception):
    """The bytes are not a whole gzip stream."""


class Bomb(Exception):
    """It unpacks to more than anybody would send in good faith."""


class Inflater:
    """Unpacks a gzip stream of one or several members, step by step.

    ``client.get()`` on 300 kB that unpack to 300 MB costs 600 MB of memory, because whole network chunks are
    inflated at once; ``decompress`` with a length limit costs none.

    Args:
        max_bytes: Cap on everything that comes out.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._member = zlib.decompressobj(wbits=31)
        self._taken = 0
        self._given = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to, in pieces of at most 256 kB. Raises ``BrokenGzip`` or ``Bomb``."""
        self._taken += len(data)
        while data:
            if self._member.eof:
                # gzip(1) ignores zero padding behind the last member; anything else must be another member.
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, _STEP_BYTES)
            except zlib.error as error:
                raise BrokenGzip from error
            data = self._member.unconsumed_tail or self._member.unused_data
            self._count(piece)
            if piece:
                yield piece

    def finish(self) -> Iterator[bytes]:
        """What is still inside. Raises ``BrokenGzip`` unless the stream has ended."""
        while not self._member.eof:
            try:
                piece = self._member.decompress(b"", _STEP_BYTES)
            except zlib.error as error:
                raise BrokenGzip from error
            if not piece:
                raise BrokenGzip
            self._count(piece)
            yield piece

    def _count(self, piece: bytes) -> None:
        self._given += len(piece)
        if self._given > self._max_bytes or is_bomb(self._taken, self._given):
            raise Bomb


def is_bomb(packed_bytes: int, unpacked_bytes: int) -> bool:
    """Whether so few bytes became more than honest data does."""
    return unpacked_bytes > max(_FREE_BYTES, packed_bytes * _MAX_RATIO)
