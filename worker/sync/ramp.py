"""After a long outage the shops come back one after another, prices first: a herd would end in the next throttle."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

LONG: Final = timedelta(minutes=3)
"""After a shorter outage there is no herd to spread: what became due meanwhile is what any busy minute brings."""

URGENT: Final = timedelta(seconds=90)
BACKGROUND: Final = timedelta(minutes=10)


def returns_at(shop_id: int, since: datetime, until: datetime, *, urgent: bool) -> datetime:
    """When a shop's calls begin again after an outage from ``since`` to ``until``.

    The same shop comes at the same share of the way each time, so whoever asks, and whenever, gets one answer.

    Args:
        urgent: Prices, stock and the polls that free places for them.
    """
    if until - since < LONG:
        return until
    return until + (URGENT if urgent else BACKGROUND) * _share(shop_id)


def _share(shop_id: int) -> float:
    """Evenly spread over [0, 1) whatever the ids are."""
    digest = hashlib.blake2b(str(shop_id).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
