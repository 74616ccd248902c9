"""One bit per item number: which items a pull has seen. A million items take 125 kB."""

from __future__ import annotations


class Bitmap:
    """Grows as needed; numbers start at 0."""

    def __init__(self, data: bytes | None = None) -> None:
        self._bits = bytearray(data or b"")

    def add(self, number: int) -> None:
        place = number >> 3
        if place >= len(self._bits):
            self._bits.extend(bytes(max(place + 1 - len(self._bits), len(self._bits), 1024)))
        self._bits[place] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] >> (number & 7) & 1)

    def __bytes__(self) -> bytes:
        return bytes(self._bits)

    def __len__(self) -> int:
        return int.from_bytes(self._bits, "little").bit_count()
