"""Prices: any store's spelling in, Meta's ``"9.99 USD"`` out, with each currency's own minor digits."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

# ISO 4217 list one, amounts of money only (no metals, funds' units of account, test codes).
_TWO_DIGITS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF"
    " CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK"
    " HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR"
    " MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP"
    " SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG"
    " YER ZAR ZMW ZWG ZWL"
)
MINOR_DIGITS = MappingProxyType(
    dict.fromkeys(_TWO_DIGITS.split(), 2)
    | dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
    | dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
    | dict.fromkeys("CLF UYW".split(), 4)
)

_SYMBOLS = MappingProxyType(
    {
        "€": ("EUR",),
        "₹": ("INR",),
        "₩": ("KRW",),
        "₫": ("VND",),
        "₴": ("UAH",),
        "₺": ("TRY",),
        "₽": ("RUB",),
        "₪": ("ILS",),
        "zł": ("PLN",),
        "Kč": ("CZK",),
        "R$": ("BRL",),
        "US$": ("USD",),
        "£": ("GBP", "EGP", "FKP", "GIP", "SHP"),
        "¥": ("JPY", "CNY"),
        "kr": ("SEK", "NOK", "DKK", "ISK"),
        "$": tuple("USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP BBD BMD BND BSD BZD DOP FJD GYD JMD KYD LRD".split()),
    }
)
# Above this no catalog price is meant; it also bounds what a hostile exponent can make us write.
_INT_DIGITS = 15
_TEXT_CHARS = 64
_PLAIN = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))? ([A-Z]{3})")
_MARK = r"(US\$|R\$|zł|Kč|kr|[€₹₩₫₴₺₽₪£¥$]|[A-Za-z]{3})?"
_SPELLED = re.compile(rf"{_MARK}\s*([+-]?)\s*([0-9](?:[0-9.,'’\s]*[0-9])?|\.[0-9]+)\s*{_MARK}")
_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,'’ ])[0-9]{3})(?:\1[0-9]{3})*")

Trouble = Literal["invalid", "ambiguous", "currency_missing", "currency_invalid", "not_positive"]


class Money(NamedTuple):
    """``minor`` counts the currency's smallest unit; ``text`` is Meta's form; ``rounded``: it is not quite the amount
    that was given."""

    currency: str
    minor: int
    text: str
    rounded: bool = False


def format_price(minor: int, currency: str) -> str:
    digits = MINOR_DIGITS[currency]
    if not digits:
        return f"{minor} {currency}"
    whole, part = divmod(minor, 10**digits)
    return f"{whole}.{part:0{digits}d} {currency}"


def parse_price(value: Any, currency: str | None) -> Money | Trouble:
    """Read one amount; digits beyond the currency's minor unit are rounded half up.

    Args:
        value: Text in any usual spelling, a number in major units, or a ``Decimal``.
        currency: ISO code for a value that names none.

    Returns:
        The amount, or why it is none. ``ambiguous``: it can be read in two ways, such as ``"1.299 EUR"``, or ``"$9"``
        in a shop of no dollar currency; a wrong price on display is worse than a refused item.
    """
    if isinstance(value, str):
        # Checked before the cache, which would keep whatever it is given.
        return _parse_text(value, currency) if len(value) <= _TEXT_CHARS else "invalid"
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return "invalid"
    if not currency:
        return "currency_missing"
    if isinstance(value, int):
        if not -(10**_INT_DIGITS) < value < 10**_INT_DIGITS:
            return "invalid"
        value = Decimal(value)
    elif isinstance(value, float):
        # repr is the shortest text that reads back as the same float: 9.99, not 9.9900000000000002.
        # Six decimals are more than any currency has, and end the noise of what a store computed: 19.990000000000002.
        value = Decimal(repr(round(value, 6)))
    return _money(value, currency.upper()) if value.is_finite() else "invalid"


# Prices repeat within a catalog and between runs; a hit costs a tenth of a parse.
@lru_cache(maxsize=16384)
def _parse_text(text: str, currency: str | None) -> Money | Trouble:
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        whole, part, code = plain.groups("")
        if MINOR_DIGITS.get(code) == len(part):
            minor = int(whole + part)
            return Money(code, minor, text) if minor else "not_positive"
    spelled = _SPELLED.fullmatch(text.strip())
    if spelled is None:
        return "invalid"
    before, sign, number, after = spelled.groups()
    if before and after and before.upper() != after.upper():
        # "$9.99 USD": the code decides and the symbol only has to agree with it.
        codes = [mark.upper() for mark in (before, after) if mark.upper() in MINOR_DIGITS]
        symbol = after if before.upper() in MINOR_DIGITS else before
        if len(codes) != 1 or codes[0] not in _SYMBOLS.get(symbol, ()):
            return "currency_invalid"
        mark = codes[0]
    else:
        mark = before or after or currency or ""
    if not mark:
        return "currency_missing"
    candidates = _SYMBOLS.get(mark)
    if candidates is None:
        code = mark.upper()
    elif currency and currency.upper() in candidates:
        code = currency.upper()
    elif len(candidates) == 1:
        code = candidates[0]
    else:
        return "ambiguous"
    if code not in MINOR_DIGITS:
        return "currency_invalid"
    amount = _amount(number, MINOR_DIGITS[code])
    if isinstance(amount, str):
        return amount
    return "not_positive" if sign == "-" else _money(amount, code)


def _amount(number: str, digits: int) -> Decimal | Literal["invalid", "ambiguous"]:
    """The value of digits with separators. The last of two different separators is the decimal one; a single one
    that three digits follow is read by the currency, where the currency leaves one reading."""
    number = " ".join(number.split()).replace("’", "'")
    separators = [char for char in number if not char.isdigit()]
    if not separators:
        return _decimal(number, "")
    last = separators[-1]
    whole, part = number.rsplit(last, 1)
    if len(set(separators)) > 1 and separators.count(last) == 1 and last in ".,":
        if len(set(separators[:-1])) > 1 or not _GROUPED.fullmatch(whole):
            return "invalid"
        return _decimal(re.sub("[^0-9]", "", whole), part)
    grouped = _GROUPED.fullmatch(number) is not None
    if last in " '" or len(separators) > 1:
        return _decimal(re.sub("[^0-9]", "", number), "") if grouped else "invalid"
    if len(part) != 3 or not grouped or whole == "0":
        return _decimal(whole, part)
    if digits == 3:
        # "1.250 KWD" is Meta's own form; "1,250 KWD" may be either.
        return _decimal(whole, part) if last == "." else "ambiguous"
    # A currency with fewer digits has no thousandths; but a dot is also how plain numbers are written.
    return _decimal(whole + part, "") if last == "," else "ambiguous"


def _decimal(whole: str, part: str) -> Decimal | Literal["invalid"]:
    return Decimal(f"{whole or 0}.{part or 0}") if len(whole) <= _INT_DIGITS else "invalid"


def _money(amount: Decimal, currency: str) -> Money | Trouble:
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        return "currency_invalid"
    if amount.adjusted() >= _INT_DIGITS:
        return "invalid"
    if amount.adjusted() < -_INT_DIGITS:
        return "not_positive"
    minor = int(amount.scaleb(digits).to_integral_value(ROUND_HALF_UP))
    if minor <= 0:
        return "not_positive"
    # Compared in this direction, where no step is limited to the digits of the decimal context.
    return Money(currency, minor, format_price(minor, currency), Decimal(minor).scaleb(-digits) != amount)
