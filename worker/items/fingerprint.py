"""Fingerprints: signed 64-bit, and never 0, which means "unknown" in the database."""

from __future__ import annotations

import msgspec
from xxhash import xxh3_64_intdigest

from worker.items.encoding import MASK_BYTES

NORMALISER_VERSION = 2
"""Raise it with every change of ``items`` that gives another result for the same fields. It is part of the seed of
``source_fp``, not of the halves' own fingerprints: every record is then read anew, and only what really comes out
different is sent."""

_SIGN = 1 << 63
_SPAN = 1 << 64


def _signed(digest: int) -> int:
    return (digest - _SPAN if digest >= _SIGN else digest) or 1


def half_fp(half: bytes) -> int:
    """Fingerprint of an encoded half: of its members, without the mask, which they imply."""
    return _signed(xxh3_64_intdigest(half[MASK_BYTES:]))


def source_seed(*parts: object) -> int:
    """Seed from everything beside the raw record that shapes an item: adapter version, masks, mapping, currency.

    Parts are JSON values (mappings in any order). The normaliser's version is always among them.
    """
    return _signed(xxh3_64_intdigest(msgspec.json.encode((NORMALISER_VERSION, parts), order="deterministic")))


def source_fp(raw: bytes, seed: int) -> int:
    """Fingerprint of a raw record under a seed."""
    return _signed(xxh3_64_intdigest(raw, seed % _SPAN))
