"""What Meta shows of an item against what it confirmed: do they differ for certain? Pure.

Of what it confirmed there are fingerprints only, so what a listing shows is turned back into the half that would have
been sent and hashed again. Meta documents no form for displayed prices and dates (the reference of the product item
says "string"), so they are read tolerantly, and what has more than one reading never counts as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from worker.items.band import is_buyable, price_log
from worker.items.fields import FIELDS, SALE_END, SALE_START
from worker.items.money import Money, parse_price
from worker.items.prepare import prepare_volatile
from worker.items.states import Acked
from worker.items.window import window

Drift = Literal["missing", "hidden", "shown", "availability", "price"]
"""``hidden``: archived at Meta though it should be on sale; ``shown``: the reverse. ``price``: anything of the volatile
half, as far as one can tell from a hash."""

_QUANTITY: Final = "quantity_to_sell_on_facebook"
QUANTITY_BIT: Final = 1 << (FIELDS[_QUANTITY].bit or 0)
"""Of a shop's ``fields_sent``: whether it ever sent a quantity."""

# ``status`` reads PUBLISHED or STAGING, ``visibility`` published or staging; the others are forms of writing.
_LIVE: Final = frozenset(("published", "active"))
_HIDDEN: Final = frozenset(("staging", "archived", "hidden"))


class Shown(NamedTuple):
    """One item of Meta's listing, as far as it can be read.

    Attributes:
        archived: None: it does not say.
        volatile_fps: Fingerprints of the volatile halves that it may stand for.
        certain: It can be nothing else, so another fingerprint is a difference.
        buyable, price_log: The parts of a band (see ``items.band``); None: unreadable.
    """

    archived: bool | None
    volatile_fps: frozenset[int]
    certain: bool
    buyable: bool | None
    price_log: int | None


def read_back(product: Mapping[str, Any], currency: str | None, *, quantities: bool) -> Shown:
    """Read one item of a listing, in the names in which Meta returns its fields.

    Args:
        currency: ISO code for a price of an item that names none.
        quantities: Whether an absent quantity means that there is none; not so where the listing may not show it.
    """
    code = product.get("currency") or currency
    fields: dict[str, Any] = {}
    certain = True
    for name in ("price", "sale_price"):
        if product.get(name) not in (None, ""):
            money = _money(product[name], code)
            certain = certain and money is not None
            if money is not None:
                fields[name] = money.text
    start, end = product.get(SALE_START), product.get(SALE_END)
    if start or end:
        given = f"{start or ''}/{end or ''}"
        span = window(given)
        # In exactly our form it is what we wrote. In another it may be another spelling of the same instants.
        certain = certain and span == given
        if span is not None:
            fields["sale_price_effective_date"] = span
    availability = product.get("availability")
    known = isinstance(availability, str) and availability in FIELDS["availability"].choices.values()
    if known:
        fields["availability"] = availability
    quantity = product.get(_QUANTITY, product.get("inventory"))
    if quantity is not None:
        fields[_QUANTITY] = quantity
    retailer_id = str(product.get("retailer_id", ""))
    whole = prepare_volatile(retailer_id, fields, code)
    fps = {whole.volatile_fp}
    if availability == "out of stock":
        # An item whose price became invalid is sent sold out and without one; Meta keeps the old.
        fields.pop("price", None)
        fps.add(prepare_volatile(retailer_id, fields, code).volatile_fp)
    return Shown(
        _archived(product),
        frozenset(fps),
        certain and "price" in product and known and (quantity is not None or quantities),
        is_buyable(whole.band) if known else None,
        price_log(whole.band) or None,
    )


def drift(acked: Acked, shown: Shown | None) -> Drift | None:
    """How an item that Meta confirmed differs from what it shows now (None: it shows nothing of it); None: not at all,
    or not for certain. Nobody sees the price of a hidden item, so it is not compared."""
    if shown is None:
        return None if acked.archived else "missing"
    if acked.archived:
        return "shown" if shown.archived is False else None
    if shown.archived:
        return "hidden"
    if not acked.volatile_fp or acked.volatile_fp in shown.volatile_fps:
        return None
    band = acked.state >> 1
    if shown.buyable is not None and shown.buyable != is_buyable(band):
        return "availability"
    jumped = shown.price_log is not None and price_log(band) and shown.price_log != price_log(band)
    return "price" if shown.certain or jumped else None


def _archived(product: Mapping[str, Any]) -> bool | None:
    said = {str(product.get(name, "")).lower() for name in ("status", "visibility")}
    if said & _HIDDEN:
        return True
    return False if said & _LIVE else None


def _money(text: Any, code: str | None) -> Money | None:
    # A number alone may count cents: that is how some of Meta's edges take prices.
    if not isinstance(text, str) or text.strip().isdecimal():
        return None
    found = parse_price(text, code)
    if not isinstance(found, Money) or found.rounded or (code is not None and found.currency != code):
        return None
    return found
