"""A few bits about price and stock, kept for every item: enough to see that something improbable happens to many.

Bit 0: can be bought. Bits 1 to 6: floor(log2(price in minor units)), 0 without a price. Above them a mark of the
currency, 0 where it is unknown; two currencies share one by a chance of 1 in 127.
"""

from __future__ import annotations

from functools import cache
from typing import Final
from zlib import crc32

from worker.items.money import Money

_LOG: Final = 0x3F

# With this start the currencies of most shops have marks of their own.
_START: Final = 8


def band_of(price: Money | None, *, buyable: bool) -> int:
    if price is None:
        return int(buyable)
    return _mark(price.currency) << 7 | min(price.minor.bit_length() - 1, _LOG) << 1 | buyable


def is_buyable(band: int) -> bool:
    return bool(band & 1)


def price_log(band: int) -> int:
    """0: no price, or one minor unit."""
    return band >> 1 & _LOG


def currency_mark(band: int) -> int:
    return band >> 7


@cache
def _mark(currency: str) -> int:
    return crc32(currency.encode(), _START) % 127 + 1
