"""What looks like an accident when it happens to many items at once. Pure.

One item may become a hundred times as dear; half a catalog does not, unless somebody mistook cents for units.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from worker.errors import BadInput
from worker.items.band import currency_mark, is_buyable, price_log
from worker.items.states import ACTIVE, Acked, Want

REWRITTEN: Final = 1
REPRICED: Final = 2
SOLD_OUT: Final = 4
KINDS: Final[Mapping[str, int]] = {"rewritten": REWRITTEN, "repriced": REPRICED, "sold_out": SOLD_OUT}
"""By the name of their counter in a run."""

AT_LEAST: Final = 10
"""Fewer items than this are never held for their values."""

# Three steps of the logarithm: a factor of 8 at most, and of 4 at least. Cents for units are 100.
_STEPS: Final = 3

_HALF: Final = 0.5


class Thresholds(NamedTuple):
    """From which share on a finding is held.

    Attributes:
        missing: Of what Meta shows, absent from a complete full (and at least ten items; half of any shop in any case,
            unless the share is larger).
        rewritten: Other content, of what was read (for a delta: of what Meta shows); as the next two.
        repriced: A price that changed by a factor of about 8, or its currency.
        sold_out: Could be bought and no longer can: out of stock, without a valid price, hidden or deleted.
    """

    missing: float = 0.1
    rewritten: float = 0.5
    repriced: float = 0.5
    sold_out: float = 0.5


DEFAULTS: Final = Thresholds()


def thresholds(limits: Mapping[str, Any] | None) -> Thresholds:
    """A shop's thresholds, of which its row holds those that are not the defaults."""
    return DEFAULTS._replace(**{name: value for name, value in (limits or {}).items() if name in Thresholds._fields})


def option(name: str) -> str:
    """How a threshold is called where people read and write it, such as ``sold-out``."""
    return name.replace("_", "-")


NAMES: Final[Mapping[str, str]] = {option(name): name for name in Thresholds._fields}


def parse(text: str) -> float:
    """A threshold as a person writes it, such as ``20%``. Raises ``BadInput``."""
    share = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)%", text)
    if share is None or not 0 < float(share[1]) <= 100:
        raise BadInput(f"{text!r} is no share.", action="Write it like 20%, above 0% and up to 100%.")
    return float(share[1]) / 100


def written(share: float) -> str:
    """The inverse of ``parse``."""
    return f"{share * 100:g}%"


def in_force(limits: Mapping[str, Any] | None) -> dict[str, str]:
    """A shop's thresholds as people read them, by ``option``."""
    return {option(name): written(value) for name, value in thresholds(limits)._asdict().items()}


def suspicions(acked: Acked | None, want: Want) -> int:
    """In which ways a want would change what Meta shows of an item improbably, were it many; bits of ``KINDS``."""
    if acked is None or acked.archived:
        return 0
    if want.status != ACTIVE:
        return SOLD_OUT
    found = 0
    if want.content_fp != acked.content_fp and acked.content_fp and want.content_fp:
        found |= REWRITTEN
    before, after = acked.state >> 1, want.band
    if want.volatile_fp != acked.volatile_fp:
        if is_buyable(before) and not is_buyable(after):
            found |= SOLD_OUT
        elif price_log(before) and _jumps(before, after):
            found |= REPRICED
    return found


def _jumps(before: int, after: int) -> bool:
    other_currency = currency_mark(before) and currency_mark(after) and currency_mark(before) != currency_mark(after)
    return bool(other_currency) or abs(price_log(before) - price_log(after)) >= _STEPS


def too_many(count: int, share: float, total: int) -> bool:
    """Whether so many of a total are improbable."""
    return count >= AT_LEAST and count > share * total


def too_much_missing(missing: int, share: float, live: int) -> bool:
    """The same for absence, where more than half is too much of any shop."""
    return too_many(missing, share, live) or missing > max(share, _HALF) * live
