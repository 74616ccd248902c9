"""Ids that sort by their time of creation."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U


def new_ulid(now_ms: int) -> str:
    """26 characters: 48 bits of time, 80 random bits. See https://github.com/ulid/spec."""
    value = (now_ms << 80) | secrets.randbits(80)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
