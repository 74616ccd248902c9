"""The half that changes by the hour: price, sale, availability, quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.items.band import band_of
from worker.items.fields import FIELDS, SALE_END, SALE_START
from worker.items.findings import Finding, shown
from worker.items.money import MINOR_DIGITS, Money, Trouble, parse_price
from worker.items.values import Findings, chosen, left_out, number_of
from worker.items.window import window, window_of

_AVAILABILITY = FIELDS["availability"]
_BUYABLE = frozenset(("in stock", "available for order", "preorder"))
_MOST = 2**31 - 1
_WRITE = 'Write it like "9.99 USD".'
_TROUBLE: Mapping[Trouble, tuple[str, str]] = {
    "invalid": ("is not an amount of money", _WRITE),
    "ambiguous": ("can be read in two ways", _WRITE),
    "currency_missing": ("names no currency", 'Write it like "9.99 USD", or give the shop a currency.'),
    "currency_invalid": ("names no currency of ISO 4217", _WRITE),
    "not_positive": ("is not above zero", "Give a price above zero."),
}


def prices_and_stock(
    raw: Mapping[str, Any], currency: str | None, findings: Findings
) -> tuple[dict[str, Any], bool, int]:
    """Normalise the volatile fields of ``columns.gather``'s result.

    Returns:
        The values that are valid, whether the half can be sent, and the band (see ``items.band``).
    """
    values: dict[str, Any] = {}
    ok = True
    buyable = False
    price = parse_price(raw["price"], currency) if "price" in raw else None
    if isinstance(price, Money):
        values["price"] = _told("price", raw["price"], price, findings)
    else:
        ok = False
        findings.append(_price_finding("price", raw.get("price"), price))
    if "sale_price" in raw or "sale_price_effective_date" in raw or SALE_START in raw or SALE_END in raw:
        _sale(raw, price, values, findings)
    quantity = (
        _quantity(raw["quantity_to_sell_on_facebook"], findings) if "quantity_to_sell_on_facebook" in raw else None
    )
    availability = _availability(raw.get("availability"), quantity, findings)
    if availability is None:
        ok = False
    else:
        values["availability"] = availability
        buyable = availability in _BUYABLE
    if quantity is not None:
        values["quantity_to_sell_on_facebook"] = quantity
    return values, ok, band_of(price if isinstance(price, Money) else None, buyable=buyable)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _price_finding(name: str, value: Any, trouble: Trouble | None) -> Finding:
    if trouble is None or _blank(value):
        return Finding(
            "price.missing", "error", "The item has no price.", f"Give it a price. {_WRITE}", half="volatile"
        )
    reason, action = _TROUBLE[trouble]
    return left_out(FIELDS[name], value, reason, action, trouble)


def _told(name: str, value: Any, money: Money, findings: Findings) -> str:
    """The amount as it is sent; a finding where that is not the one that the store gave."""
    if money.rounded:
        digits = MINOR_DIGITS[money.currency]
        message = f"The {name} {shown(value)} has a fraction that {money.currency} does not have; {money.text} is sent."
        action = f"Give it with {digits} decimals at most." if digits else "Give it without decimals."
        findings.append(Finding(f"{name}.rounded", "warning", message, action, half="volatile"))
    return money.text


def _sale(
    raw: Mapping[str, Any],
    price: Money | Trouble | None,
    values: dict[str, Any],
    findings: Findings,
) -> None:
    """The sale price and its window, together or not at all: a sale without its end would never end."""
    given = raw.get("sale_price")
    has_sale = not _blank(given)
    if has_sale and not isinstance(price, Money):
        return  # there is nothing to compare it with, and the price has its finding
    span, valid = _window(raw, findings)
    if not valid or (not has_sale and span is None):
        return
    if has_sale and isinstance(price, Money):
        sale = parse_price(given, price.currency)
        if not isinstance(sale, Money):
            findings.append(_price_finding("sale_price", given, sale))
            return
        trouble = None
        if sale.currency != price.currency:
            trouble = ("other_currency", f"is not in the currency of the price {price.text}")
        elif sale.minor >= price.minor:
            trouble = ("not_lower", f"is not below the price {price.text}")
        if trouble is not None:
            code, reason = trouble
            action = "Give a sale price below the price and in its currency, or none."
            findings.append(left_out(FIELDS["sale_price"], sale.text, reason, action, code))
            return
        values["sale_price"] = _told("sale_price", given, sale, findings)
    if span is not None:
        values["sale_price_effective_date"] = span


def _window(raw: Mapping[str, Any], findings: Findings) -> tuple[str | None, bool]:
    """The sale's window, if any, and whether the sale may be sent."""
    given = raw.get("sale_price_effective_date")
    if not _blank(given):
        span = window(given)
    else:
        start, end = raw.get(SALE_START), raw.get(SALE_END)
        if _blank(start) and _blank(end):
            return None, True
        given = f"{'' if start is None else start}/{'' if end is None else end}"
        span = window_of(start, end)
    if span is None:
        message = f"The sale's dates {shown(given)} are no start before an end, so the sale is left out."
        action = 'Write them like "2026-04-30T09:30-08:00/2026-05-30T23:59-08:00".'
        code = "sale_price_effective_date.invalid"
        findings.append(Finding(code, "warning", message, action, half="volatile"))
    return span, span is not None


def _quantity(value: Any, findings: Findings) -> int | None:
    """Whole pieces; a store that has sold more than it has has none."""
    if type(value) is int and 0 <= value <= _MOST:
        return value
    found = number_of(value)
    if found is None or found > _MOST:
        if not _blank(value):
            field = FIELDS["quantity_to_sell_on_facebook"]
            findings.append(left_out(field, value, "is not a number of pieces", "Give a whole number."))
        return None
    if found <= -1:
        message = f"The quantity {shown(value)} is below zero and is sent as 0."
        action = "Give the pieces that can still be sold."
        code = "quantity_to_sell_on_facebook.negative"
        findings.append(Finding(code, "warning", message, action, half="volatile"))
    return max(int(found), 0)


def _availability(value: Any, quantity: int | None, findings: Findings) -> str | None:
    """What the store says; where it says nothing that Meta knows, what its stock says."""
    if isinstance(value, str) and (value in _BUYABLE or value == "out of stock"):
        return value
    found = None if _blank(value) else chosen(_AVAILABILITY, value)
    if found is not None:
        return found
    if not _blank(value):
        known = "Use in stock, out of stock, preorder, available for order or discontinued."
        refusal = left_out(_AVAILABILITY, value, "is not a value that Meta knows", known)
        if quantity is None:
            findings.append(refusal)
            return None
        message = f"The availability {shown(value)} is not a value that Meta knows; the quantity decides."
        findings.append(Finding("availability.invalid", "warning", message, known, half="volatile"))
    if quantity is None:
        message = "The item has neither an availability nor a quantity."
        action = "Give one of them."
        findings.append(Finding("availability.missing", "error", message, action, half="volatile"))
        return None
    return "in stock" if quantity > 0 else "out of stock"
