"""Money as ``items_batch`` takes it: ``"9.99 USD"``.

The list of currencies is ISO 4217's active one. Amounts finer than the currency's minor unit (``"490.5 JPY"``) are
refused: Meta takes "the true decimal amount of the currency" and says nothing beyond that.
"""

from __future__ import annotations

import re
from decimal import Decimal

_PRICE = re.compile(r"\d{1,15}(?:\.\d{1,6})? [A-Z]{3}", re.ASCII)
_WITHOUT_MINOR_UNIT = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE_DIGITS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_TWO_DIGITS = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG".split()
)
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def minor_digits(currency: str) -> int | None:
    """Digits after the decimal point; None for a code that ISO 4217 does not list as active."""
    if currency in _TWO_DIGITS:
        return 2
    if currency in _WITHOUT_MINOR_UNIT:
        return 0
    return 3 if currency in _THREE_DIGITS else None


def price_problem(value: object) -> str | None:
    """Why this is no price, as the part of Meta's message after the label; None for a good one."""
    if not isinstance(value, str) or _PRICE.fullmatch(value) is None:
        return 'a price must be a text such as "9.99 USD"'
    amount, currency = value[:-4], value[-3:]
    digits = minor_digits(currency)
    if digits is None:
        return f"{currency} is no ISO currency code"
    if len(amount.partition(".")[2]) > digits:
        return f"{currency} has {digits} decimal digits"
    if not amount.strip("0."):
        return "a price must be greater than zero"
    return None


def split(price: str) -> tuple[Decimal, str]:
    """Amount and currency of a price that ``price_problem`` found good."""
    return Decimal(price[:-4]), price[-3:]


def displayed(price: str) -> str:
    """How reads show a price. Meta does not document the form, so it is deliberately not the one that was written."""
    amount, currency = split(price)
    digits = minor_digits(currency) or 0
    return f"{_SYMBOLS.get(currency, currency + ' ')}{amount:,.{digits}f}"
