from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.items.sample import said, sent, shirt
from worker.items import Finding, prepare_volatile
from worker.items.band import currency_mark, is_buyable, price_log


@pytest.mark.parametrize(
    ("given", "currency", "expected"),
    [
        ("9.99 USD", None, "9.99 USD"),
        ("USD 9.99", None, "9.99 USD"),
        ("9.99usd", None, "9.99 USD"),
        ("9.99", "USD", "9.99 USD"),
        (9.99, "USD", "9.99 USD"),
        (9, "usd", "9.00 USD"),
        (Decimal("9.990"), "USD", "9.99 USD"),
        (9.900000000000002, "USD", "9.90 USD"),
        (0.1 + 0.7, "USD", "0.80 USD"),
        (99999999999999.98, "USD", "99999999999999.98 USD"),
        ("14 GBP", None, "14.00 GBP"),
        ("1,299.00 USD", None, "1299.00 USD"),
        ("1,299 USD", None, "1299.00 USD"),
        ("1,234,567.5 USD", None, "1234567.50 USD"),
        ("1 299,00 CZK", None, "1299.00 CZK"),
        ("1\u00a0299,00\u00a0CZK", None, "1299.00 CZK"),
        ("1\u202f299,00 Kč", None, "1299.00 CZK"),
        ("1.299,00 EUR", None, "1299.00 EUR"),
        ("1'299.50 CHF", None, "1299.50 CHF"),
        ("9,99 €", None, "9.99 EUR"),
        ("$9.99", "USD", "9.99 USD"),
        ("$9.99 CAD", "USD", "9.99 CAD"),
        ("0.130 USD", None, "0.13 USD"),
        ("490 JPY", None, "490 JPY"),
        ("490.00 JPY", None, "490 JPY"),
        ("1,000.00 JPY", None, "1000 JPY"),
        ("1,299 JPY", None, "1299 JPY"),
        (490.0, "JPY", "490 JPY"),
        ("1.25 KWD", None, "1.250 KWD"),
        ("1.250 KWD", None, "1.250 KWD"),
        ("0.0001 CLF", None, "0.0001 CLF"),
    ],
)
def test_a_price_is_sent_with_its_currencys_own_digits(given: Any, currency: str | None, expected: str) -> None:
    half = prepare_volatile("sku-1", {"price": given, "availability": "in stock"}, currency)
    assert half.volatile[8:].decode() == f'"price":"{expected}","availability":"in stock"'
    assert (half.volatile_ok, half.findings) == (True, ())


@pytest.mark.parametrize(
    ("given", "expected", "says", "action"),
    [
        (
            "1000.50 JPY",
            "1001 JPY",
            'The price "1000.50 JPY" has a fraction that JPY does not have; 1001 JPY is sent.',
            "Give it without decimals.",
        ),
        (
            "1.2345 KWD",
            "1.235 KWD",
            'The price "1.2345 KWD" has a fraction that KWD does not have; 1.235 KWD is sent.',
            "Give it with 3 decimals at most.",
        ),
        (
            Decimal("9.995"),
            "10.00 USD",
            'The price "9.995" has a fraction that USD does not have; 10.00 USD is sent.',
            "Give it with 2 decimals at most.",
        ),
        (
            9.994,
            "9.99 USD",
            'The price "9.994" has a fraction that USD does not have; 9.99 USD is sent.',
            "Give it with 2 decimals at most.",
        ),
        (
            "1." + "0" * 40 + "1 USD",
            "1.00 USD",
            f'The price "1.{"0" * 40}1 USD" has a fraction that USD does not have; 1.00 USD is sent.',
            "Give it with 2 decimals at most.",
        ),
    ],
)
def test_a_price_that_is_rounded_says_what_is_sent(given: Any, expected: str, says: str, action: str) -> None:
    half = prepare_volatile("sku-1", {"price": given, "availability": "in stock"}, "USD")
    assert half.volatile[8:].decode() == f'"price":"{expected}","availability":"in stock"'
    assert half.volatile_ok is True
    assert half.findings == (Finding("price.rounded", "warning", says, action, half="volatile"),)


@pytest.mark.parametrize(
    ("given", "currency", "code"),
    [
        (None, "USD", "price.missing"),
        (" ", "USD", "price.missing"),
        ("free", "USD", "price.invalid"),
        ("9.99.9 USD", None, "price.invalid"),
        ("1,29,9 USD", None, "price.invalid"),
        (True, "USD", "price.invalid"),
        (float("nan"), "USD", "price.invalid"),
        (Decimal("1e999999"), "USD", "price.invalid"),
        ({"amount": 1}, "USD", "price.invalid"),
        ("9.99", None, "price.currency_missing"),
        (9.99, None, "price.currency_missing"),
        ("9.99 ZZZ", None, "price.currency_invalid"),
        ("9.99", "ZZZ", "price.currency_invalid"),
        ("$9.99", "EUR", "price.ambiguous"),
        ("kr 99", None, "price.ambiguous"),
        ("1.299 EUR", None, "price.ambiguous"),
        ("1,250 KWD", None, "price.ambiguous"),
        ("0", "USD", "price.not_positive"),
        ("0.00 USD", None, "price.not_positive"),
        ("-5 USD", None, "price.not_positive"),
        (-5, "USD", "price.not_positive"),
        (0.001, "USD", "price.not_positive"),
    ],
)
@pytest.mark.fault("S16")
def test_a_price_that_is_none_is_an_error(given: Any, currency: str | None, code: str) -> None:
    half = prepare_volatile("sku-1", {"price": given, "availability": "in stock"}, currency)
    assert said(half) == [(code, "error")]
    assert half.volatile_ok is False
    assert half.volatile[8:] == b'"availability":"in stock"'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("in stock", "in stock"),
        ("in_stock", "in stock"),
        ("In Stock", "in stock"),
        ("https://schema.org/InStock", "in stock"),
        ("http://schema.org/OutOfStock", "out of stock"),
        (True, "in stock"),
        (False, "out of stock"),
        ("preorder", "preorder"),
        ("pre-order", "preorder"),
        ("backorder", "available for order"),
        ("Discontinued", "discontinued"),
        ("sold_out", "out of stock"),
    ],
)
def test_every_spelling_of_availability_is_understood(given: Any, expected: str) -> None:
    item = shirt(availability=given)
    assert (sent(item)["availability"], item.findings) == (expected, ())


@pytest.mark.parametrize(
    ("fields", "availability", "quantity", "findings"),
    [
        ({"quantity_to_sell_on_facebook": 3}, "in stock", 3, []),
        ({"quantity_to_sell_on_facebook": "0"}, "out of stock", 0, []),
        ({"quantity_to_sell_on_facebook": 2.7}, "in stock", 2, []),
        ({"inventory": "1,200"}, "in stock", 1200, []),
        (
            {"inventory": -2},
            "out of stock",
            0,
            [("quantity_to_sell_on_facebook.negative", "warning")],
        ),
        ({"availability": "in stock", "inventory": 0}, "in stock", 0, []),
        ({"availability": "maybe", "inventory": 1}, "in stock", 1, [("availability.invalid", "warning")]),
        ({"availability": "maybe"}, None, None, [("availability.invalid", "error")]),
        ({"availability": ["in stock"]}, None, None, [("availability.invalid", "error")]),
        ({}, None, None, [("availability.missing", "error")]),
        (
            {"inventory": "lots"},
            None,
            None,
            [("availability.missing", "error"), ("quantity_to_sell_on_facebook.invalid", "warning")],
        ),
        (
            {"availability": "in stock", "inventory": 10**30},
            "in stock",
            None,
            [("quantity_to_sell_on_facebook.invalid", "warning")],
        ),
    ],
)
def test_stock_decides_where_the_store_names_no_availability(
    fields: dict[str, Any], availability: str | None, quantity: int | None, findings: list[tuple[str, str]]
) -> None:
    item = shirt(**{"availability": None} | fields)
    data = sent(item)
    assert (data.get("availability"), data.get("quantity_to_sell_on_facebook")) == (availability, quantity)
    assert said(item) == findings
    assert item.volatile_ok is (availability is not None)


@pytest.mark.parametrize(
    ("fields", "sale", "window", "findings"),
    [
        ({"sale_price": "7.99 USD"}, "7.99 USD", None, []),
        ({"sale_price": 7.5}, "7.50 USD", None, []),
        ({"sale_price": "7.5051"}, "7.51 USD", None, [("sale_price.rounded", "warning")]),
        (
            {"price": "9.9941", "sale_price": "7.5051"},
            "7.51 USD",
            None,
            [("price.rounded", "warning"), ("sale_price.rounded", "warning")],
        ),
        ({"sale_price": "9.9899"}, None, None, [("sale_price.not_lower", "warning")]),
        ({"sale_price": ""}, None, None, []),
        ({"sale_price": "9.99"}, None, None, [("sale_price.not_lower", "warning")]),
        ({"sale_price": "12"}, None, None, [("sale_price.not_lower", "warning")]),
        ({"sale_price": "7 EUR"}, None, None, [("sale_price.other_currency", "warning")]),
        ({"sale_price": "0"}, None, None, [("sale_price.not_positive", "warning")]),
        ({"sale_price": "cheap"}, None, None, [("sale_price.invalid", "warning")]),
        (
            {"sale_price": "7", "sale_price_effective_date": "2026-04-30T09:30-08:00/2026-05-30T23:59-0800"},
            "7.00 USD",
            "2026-04-30T09:30-08:00/2026-05-30T23:59-08:00",
            [],
        ),
        (
            {"sale_price": "7", "sale_price_effective_date": "2026-04-30 / 2026-04-30"},
            "7.00 USD",
            "2026-04-30T00:00+00:00/2026-04-30T23:59+00:00",
            [],
        ),
        (
            {"sale_price": "7", "sale_price_start_date": "2026-04-30T10:00:30Z"},
            "7.00 USD",
            "2026-04-30T10:00+00:00/2038-01-17T23:59+00:00",
            [],
        ),
        (
            {"sale_price": "7", "sale_price_end_date": "2026-04-30T10:00:00+02:00"},
            "7.00 USD",
            "1970-01-29T00:00+00:00/2026-04-30T10:00+02:00",
            [],
        ),
        (
            {"sale_price": "7", "sale_price_effective_date": "2026-05-01/2026-04-01"},
            None,
            None,
            [("sale_price_effective_date.invalid", "warning")],
        ),
        (
            {"sale_price": "7", "sale_price_effective_date": "soon"},
            None,
            None,
            [("sale_price_effective_date.invalid", "warning")],
        ),
        (
            {"sale_price": "12", "sale_price_effective_date": "2026-04-01/2026-05-01"},
            None,
            None,
            [("sale_price.not_lower", "warning")],
        ),
    ],
)
def test_a_sale_is_sent_whole_or_not_at_all(
    fields: dict[str, Any], sale: str | None, window: str | None, findings: list[tuple[str, str]]
) -> None:
    item = shirt(**fields)
    data = sent(item)
    assert (data.get("sale_price"), data.get("sale_price_effective_date")) == (sale, window)
    assert said(item) == findings
    assert item.volatile_ok is True


def test_a_sale_beside_a_broken_price_goes_without_a_finding_of_its_own() -> None:
    item = shirt(price="free", sale_price="7")
    assert said(item) == [("price.invalid", "error")]
    assert "sale_price" not in sent(item)


@pytest.mark.parametrize(
    ("changes", "buyable", "log"),
    [({}, True, 9), ({"availability": "out of stock"}, False, 9), ({"price": "0.01 USD"}, True, 0)],
)
def test_the_band_tells_stock_and_the_size_of_the_price(changes: dict[str, str], buyable: bool, log: int) -> None:
    band = shirt(**changes).band
    assert (is_buyable(band), price_log(band), currency_mark(band)) == (buyable, log, currency_mark(shirt().band))
    assert shirt(price=None).band == 1


def test_the_band_tells_the_currencies_apart_in_which_most_shops_sell() -> None:
    codes = ("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "BRL", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "CZK")
    marks = {currency_mark(shirt(price=f"10 {code}").band) for code in codes}
    assert (len(marks), marks & {0}) == (len(codes), set())
    # With the bit for an archived item it fits the column of the snapshot.
    assert max(shirt(price=f"9999999999 {code}").band for code in codes) << 1 | 1 < 2**15
