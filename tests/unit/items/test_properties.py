from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.items.sample import SHIRT, shirt
from worker.items import compose, prepare, prepare_volatile, sold_out
from worker.items.encoding import decode
from worker.items.fields import FIELDS, NAMES, TABLE
from worker.items.kinds import NORMALISERS
from worker.items.money import MINOR_DIGITS, Money, format_price, parse_price
from worker.items.text import cut, lowered, plain_line, plain_paragraphs

TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("aB .,<>/&;!-pbr\n\"'", max_size=80),
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<br/>", "&amp;", "&lt;", "b&gt;", "X", " ", "\n", "RED", "usb", "<!--", "é", "İ"]
        )
    ).map("".join),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.binary(max_size=5), st.dates(), TEXTS
)
JSON_TEXT = st.sampled_from(
    ["[", "{", '["a",1]', '{"a":null}', "[[[", "['a','b']", "(1,", '[{"url":"https://a.example"}]']
)
VALUES = st.recursive(
    SCALARS | JSON_TEXT | st.just(object()) | st.text(st.characters(codec=None), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just("url"), inner, max_size=4)
    ),
    max_leaves=8,
)
ITEMS = st.dictionaries(st.sampled_from(sorted(NAMES)) | st.text(max_size=12), VALUES, max_size=12)
CURRENCIES = st.sampled_from(sorted(MINOR_DIGITS))


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(holds_null(part) for part in value.values())
    return any(holds_null(part) for part in value) if isinstance(value, list) else value is None


@given(ITEMS, st.none() | CURRENCIES, st.integers(0, 2**63 - 1))
def test_whatever_a_store_gives_becomes_valid_json_without_null(
    fields: dict[str, Any], currency: str | None, sent_mask: int
) -> None:
    item = prepare("sku-1", fields, currency)
    for half in (item.volatile, sold_out(item)[1]):
        record = json.loads(compose("sku-1", item.content, half, sent_mask))
        assert record["method"] == "UPDATE"
        assert record["data"]["id"] == "sku-1"
        assert not holds_null(record)
    assert len({found.code for found in item.findings}) == len(item.findings)
    assert item.archived or item.content_ok is not any(
        f.severity == "error" and f.half == "content" for f in item.findings
    )
    assert item.archived or item.volatile_ok is not any(
        f.severity == "error" and f.half == "volatile" for f in item.findings
    )
    half_alone = prepare_volatile("sku-1", fields, currency)
    assert (half_alone.volatile_fp, half_alone.band) == (item.volatile_fp, item.band)


@given(ITEMS, st.none() | CURRENCIES)
def test_normalising_what_was_normalised_changes_nothing(fields: dict[str, Any], currency: str | None) -> None:
    once = prepare("sku-1", fields, currency)
    values = decode(once.content) | decode(once.volatile)
    again = prepare("sku-1", values, None)
    assert decode(again.content) | decode(again.volatile) == values
    assert (again.content_fp, again.volatile_fp) == (once.content_fp, once.volatile_fp)


@given(TEXTS)
def test_plain_text_stays_plain(text: str) -> None:
    for clean in (plain_line, plain_paragraphs):
        once = clean(text)
        assert clean(once) == once
        assert lowered(lowered(once)) == lowered(once)


@given(
    st.lists(
        st.sampled_from(["RED ", "SHIRT. ", "usb-c ", "4K ", "x" * 30, "İ" * 9, "\n", "&amp;", "<p>"]), max_size=40
    )
)
def test_long_and_loud_titles_settle_at_once(words: list[str]) -> None:
    text = "".join(words)
    once = decode(shirt(title=text, description=text * 20).content)
    assert decode(shirt(title=once.get("title"), description=once.get("description")).content) == once
    assert len(once.get("title", "")) <= 100
    assert len(once.get("description", "")) <= 5000


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_is_its_own_beginning(text: str, limit: int) -> None:
    assert len(cut(text, limit)) <= limit
    assert text.startswith(cut(text, limit))


@pytest.mark.parametrize("row", [row for row in TABLE if row.limit and row.half == "content"], ids=lambda row: row.name)
@pytest.mark.fault("S17")
def test_no_value_is_longer_than_its_limit(row: Any) -> None:
    long: Any = {
        "urls": [f"https://a.example/{n}" for n in range(99)],
        "images": [{"url": f"https://a.example/{n}"} for n in range(99)],
        "videos": [f"https://a.example/{n}" for n in range(99)],
        "labels": [str(n) for n in range(6000)],
    }.get(row.kind, "LONG WORD " * 2000)
    found = NORMALISERS[row.kind](row, long, [])
    assert found is None or len(found) <= row.limit
    assert (found is None) is (row.kind in ("verbatim", "gtin") and not row.cuts)


@given(st.integers(1, 10**15 - 1), CURRENCIES)
def test_a_price_makes_the_round_trip_in_every_currency(minor: int, currency: str) -> None:
    text = format_price(minor, currency)
    money = Money(currency, minor, text)
    assert parse_price(text, None) == money
    assert parse_price(f"{currency} {text.split()[0]}", None) == money


@given(
    st.lists(st.fixed_dictionaries({"title": st.sampled_from("ab"), "price": st.sampled_from(["1", "1.00 USD", "2"])}))
)
def test_fingerprints_are_equal_exactly_when_the_members_are(changes: list[dict[str, str]]) -> None:
    items = [shirt(**change) for change in changes]
    assert len({item.content_fp for item in items}) == len({item.content for item in items})
    assert len({item.volatile_fp for item in items}) == len({item.volatile for item in items})
    assert all(item.content_fp and -(2**63) <= item.content_fp < 2**63 for item in items)


@pytest.mark.parametrize(
    "attack",
    [
        "<a " * 50_000,
        "<!--" * 40_000,
        "<a b='>" * 30_000,
        '<b">' * 40_000,
        "<svg>" * 40_000,
        "&amp;" * 40_000,
        "[" * 150_000,
    ],
    ids=lambda text: text[:7],
)
def test_hostile_text_costs_no_time(attack: str) -> None:
    start = time.process_time()
    prepare("sku-1", dict.fromkeys(FIELDS, attack), "USD")
    prepare("sku-1", SHIRT | {"description": attack}, "USD")
    assert time.process_time() - start < 5
