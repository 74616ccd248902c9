"""What the bytes of one batch carry, item by item, packed into one column.

The snapshot moves by this record alone: it says which halves of which item travelled, and with which fingerprints.
Columns of 64-bit numbers take about 50 bytes an item, a tenth of a row each.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

CONTENT: Final = 1
VOLATILE: Final = 2
ARCHIVE: Final = 4
DELETE: Final = 8

_NO_RUN: Final = 255


class Line(NamedTuple):
    """One item of a batch.

    Attributes:
        parts: Which of CONTENT, VOLATILE, ARCHIVE, DELETE its record carries.
        src_fp: The raw record it was made from, if both halves come from that one record; else 0.
        run_id, volatile_run: The runs that waited for it when it was sent.
    """

    retailer_id: str
    parts: int
    src_fp: int
    content_fp: int
    volatile_fp: int
    content_stamp: int
    volatile_stamp: int
    band: int
    run_id: str | None
    volatile_run: str | None


class _Packed(msgspec.Struct, array_like=True):
    ids: list[str]
    parts: bytes
    numbers: bytes
    run_index: bytes
    volatile_run_index: bytes
    runs: list[str]


def pack(lines: Sequence[Line]) -> bytes:
    runs = sorted({name for line in lines for name in (line.run_id, line.volatile_run) if name is not None})
    # 255 distinct runs in one batch would take years of failures; what exceeds them is merely not counted.
    index = {name: number for number, name in enumerate(runs[:_NO_RUN])}
    numbers = array("q")
    for line in lines:
        numbers.extend(
            (line.src_fp, line.content_fp, line.volatile_fp, line.content_stamp, line.volatile_stamp, line.band)
        )
    if sys.byteorder == "big":
        numbers.byteswap()
    return msgspec.msgpack.encode(
        _Packed(
            ids=[line.retailer_id for line in lines],
            parts=bytes(line.parts for line in lines),
            numbers=numbers.tobytes(),
            run_index=bytes(_position(index, line.run_id) for line in lines),
            volatile_run_index=bytes(_position(index, line.volatile_run) for line in lines),
            runs=runs[:_NO_RUN],
        )
    )


def unpack(data: bytes) -> list[Line]:
    packed = msgspec.msgpack.decode(data, type=_Packed)
    numbers = array("q")
    numbers.frombytes(packed.numbers)
    if sys.byteorder == "big":
        numbers.byteswap()
    names: list[str | None] = [*packed.runs, *[None] * (256 - len(packed.runs))]
    return [
        Line(
            retailer_id,
            packed.parts[place],
            numbers[place * 6],
            numbers[place * 6 + 1],
            numbers[place * 6 + 2],
            numbers[place * 6 + 3],
            numbers[place * 6 + 4],
            numbers[place * 6 + 5],
            names[packed.run_index[place]],
            names[packed.volatile_run_index[place]],
        )
        for place, retailer_id in enumerate(packed.ids)
    ]


def runs_of(lines: Iterable[Line]) -> list[str]:
    return sorted({name for line in lines for name in (line.run_id, line.volatile_run) if name is not None})


def _position(index: dict[str, int], name: str | None) -> int:
    return index.get(name, _NO_RUN) if name is not None else _NO_RUN
