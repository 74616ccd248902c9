"""Encoded halves and the request records made of them.

A half is an 8-byte little-endian mask of the optional fields in it, then JSON object members without braces, in the
order of the field table. A record is put together from halves by joining bytes; nothing is decoded to send it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from worker.items.fields import CONTENT, TABLE, VOLATILE, Half

MASK_BYTES = 8
_BITS = {row.name: 1 << row.bit for row in TABLE if row.bit is not None}
_OPTIONAL: dict[Half, int] = {
    half: sum(_BITS[row.name] for row in TABLE if row.half == half and row.bit is not None)
    for half in ("content", "volatile")
}
# A struct encodes its members in the order of its definition and leaves out what is UNSET: four times as fast as
# sorting a dict.
_STRUCTS: dict[Half, type[msgspec.Struct]] = {
    "content": msgspec.defstruct("Content", [(row.name, Any, msgspec.UNSET) for row in CONTENT], gc=False),
    "volatile": msgspec.defstruct("Volatile", [(row.name, Any, msgspec.UNSET) for row in VOLATILE], gc=False),
}
_encode = msgspec.json.encode
_HEAD = b'{"method":"UPDATE","data":{"id":'
_ACTIVE = b',"status":"active"'


def encode(half: Half, values: dict[str, Any]) -> bytes:
    """Encode the normalised values of one half. Raises ``UnicodeEncodeError`` for half a surrogate pair."""
    return _mask(tuple(values)) + _encode(_STRUCTS[half](**values))[1:-1]


# A shop's items share few shapes, so the same few sets of fields come again and again, here and in ``_clearing``.
@lru_cache(maxsize=4096)
def _mask(names: tuple[str, ...]) -> bytes:
    return sum(_BITS.get(name, 0) for name in names).to_bytes(MASK_BYTES, "little")


def decode(half: bytes) -> dict[str, Any]:
    """The values of an encoded half."""
    values: dict[str, Any] = msgspec.json.decode(b"{" + half[MASK_BYTES:] + b"}")
    return values


def mask_of(half: bytes) -> int:
    """The bits of the optional fields that an encoded half carries."""
    return int.from_bytes(half[:MASK_BYTES], "little")


def compose(retailer_id: str, content: bytes | None, volatile: bytes | None, sent_mask: int) -> bytes:
    """One UPDATE record of ``items_batch`` from the halves that are to be sent.

    Args:
        content: Encoded content half, or None to leave content as Meta has it. With it the item becomes active.
        volatile: Encoded volatile half, or None.
        sent_mask: Optional fields that this shop ever sent. Those that the sent halves lack are unset at Meta: UPDATE
            is partial and null does not unset, an empty string does (an empty list for ``video``).
    """
    parts = [_HEAD, _encode(retailer_id)]
    clear = 0
    if content is not None:
        if len(content) > MASK_BYTES:
            parts += (b",", content[MASK_BYTES:])
        parts.append(_ACTIVE)
        clear = sent_mask & _OPTIONAL["content"] & ~mask_of(content)
    if volatile is not None:
        if len(volatile) > MASK_BYTES:
            parts += (b",", volatile[MASK_BYTES:])
        clear |= sent_mask & _OPTIONAL["volatile"] & ~mask_of(volatile)
    if clear:
        parts.append(_clearing(clear))
    parts.append(b"}}")
    return b"".join(parts)


def compose_archive(retailer_id: str) -> bytes:
    """The UPDATE record that hides an item everywhere and keeps it."""
    return _HEAD + _encode(retailer_id) + b',"status":"archived"}}'


def compose_delete(retailer_id: str) -> bytes:
    """The DELETE record of an item. Meta takes nothing but the id with it."""
    return b'{"method":"DELETE","data":{"id":' + _encode(retailer_id) + b"}}"


@lru_cache(maxsize=4096)
def _clearing(mask: int) -> bytes:
    names = [name for name, bit in _BITS.items() if mask & bit]
    return b"".join(b',"%s":%s' % (name.encode(), b"[]" if name == "video" else b'""') for name in names)
