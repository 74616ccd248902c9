"""What Meta shows against what it confirmed: found where it differs, and never where it may be equal."""

from __future__ import annotations

import random
from typing import Any

import pytest

from worker.items import Prepared, prepare, sold_out
from worker.items.drift import drift, read_back
from worker.items.encoding import decode
from worker.items.states import Acked
from worker.sandbox.catalog import CatalogModel
from worker.sandbox.samples import awkward_items, sample_items

FIELDS = {
    "title": "Mug",
    "description": "A mug.",
    "condition": "new",
    "link": "https://shop.test/p/mug",
    "image_link": "https://shop.test/i/mug.jpg",
    "brand": "Ovenbird",
    "availability": "in stock",
    "price": "1299.00 USD",
}
LISTED = {
    "retailer_id": "mug",
    "status": "PUBLISHED",
    "visibility": "published",
    "availability": "in stock",
    "price": "$1,299.00",
    "currency": "USD",
}


def acknowledged(volatile_fp: int, band: int, *, archived: bool = False) -> Acked:
    return Acked(1, 5, 7, volatile_fp, 3, 3, band << 1 | archived)


def confirmed(*, archived: bool = False, **fields: Any) -> Acked:
    prepared = prepare("mug", {**FIELDS, **fields}, "USD")
    assert prepared.volatile_ok
    return acknowledged(prepared.volatile_fp, prepared.band, archived=archived)


def found(acked: Acked, *, quantities: bool = True, **shown: Any) -> str | None:
    listed = {name: value for name, value in {**LISTED, **shown}.items() if value is not None}
    return drift(acked, read_back(listed, "USD", quantities=quantities))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({}, None),
        ({"price": "1299.00 USD"}, None),
        ({"price": "USD 1,299.00"}, None),
        ({"price": "$1,299"}, None),
        ({"price": "1.299,00 USD"}, None),
        ({"price": "$1,299.01"}, "price"),
        ({"price": "$9.99"}, "price"),
        ({"sale_price": "$999.00"}, "price"),
        ({"availability": "preorder"}, "price"),
        ({"availability": "out of stock"}, "availability"),
        ({"quantity_to_sell_on_facebook": 3}, "price"),
        ({"status": "STAGING", "visibility": "staging"}, "hidden"),
        ({"visibility": "hidden"}, "hidden"),
        ({"status": None, "visibility": None}, None),
    ],
)
def test_an_item_on_sale_is_compared_by_its_status_and_its_volatile_half(
    shown: dict[str, Any], expected: str | None
) -> None:
    assert found(confirmed(), **shown) == expected


@pytest.mark.parametrize(
    "price",
    [
        "1.250 USD",  # twelve hundred or one and a quarter
        "129900",  # perhaps cents
        129900,
        "about $1,300",
        "kr 1 298,00",  # not in the item's currency
        "$1,299.004",
    ],
)
def test_a_price_that_cannot_be_read_for_certain_is_no_drift(price: Any) -> None:
    assert found(confirmed(), price=price) is None
    assert found(confirmed(), price=price, availability="out of stock") == "availability"


def test_an_uncertain_listing_is_believed_where_the_price_is_of_another_size() -> None:
    window = {"sale_price_start_date": "1764547200", "sale_price_end_date": "1767225600"}
    assert found(confirmed(), **window, price="$1,298.00") is None
    assert found(confirmed(), **window, price="$12.99") == "price"


def test_a_sale_counts_with_its_window_in_the_form_in_which_it_was_sent() -> None:
    span = "2026-11-01T00:00+01:00/2027-01-31T23:59+01:00"
    acked = confirmed(sale_price="999.00 USD", sale_price_effective_date=span)
    sale = {"sale_price": "$999.00", "sale_price_start_date": span[:22], "sale_price_end_date": span[23:]}
    other = {"sale_price_start_date": "2026-10-31T23:00:00+0000", "sale_price_end_date": "2027-01-31T22:59:00+0000"}
    assert found(acked, **sale) is None
    assert found(acked, **sale | {"sale_price": "$998.00"}) == "price"
    assert found(acked, **sale | {"sale_price_end_date": "2027-02-28T23:59+01:00"}) == "price"
    assert found(acked, **sale | other) is None
    assert found(acked) == "price"


def test_a_quantity_that_the_listing_may_not_show_is_no_drift() -> None:
    acked = confirmed(quantity_to_sell_on_facebook=7)
    assert found(acked, quantity_to_sell_on_facebook=7) is None
    assert found(acked, inventory=7) is None
    assert found(acked, quantities=False) is None
    assert found(acked, quantities=True) == "price"


def test_what_is_gone_hidden_or_shown_again_is_told_apart() -> None:
    assert drift(confirmed(), None) == "missing"
    assert drift(confirmed(archived=True), None) is None
    assert found(confirmed(archived=True)) == "shown"
    assert found(confirmed(archived=True), status="STAGING", visibility="staging", price="$1.00") is None
    assert found(confirmed(archived=True), status=None, visibility=None) is None


def test_a_volatile_half_that_nobody_knows_is_not_compared() -> None:
    assert found(acknowledged(0, 0), price="$1.00") is None


def test_an_item_sold_out_because_its_price_broke_is_equal_with_the_old_price() -> None:
    broken = prepare("mug", {**FIELDS, "price": "soon"}, "USD")
    fallback_fp, _ = sold_out(broken)
    assert found(acknowledged(fallback_fp, broken.band), availability="out of stock") is None


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
@pytest.mark.parametrize("own_currency", [True, False])
def test_a_whole_catalog_reads_back_equal(currency: str, own_currency: bool) -> None:
    items = sample_items(currency, 1000, seed=1) + (awkward_items() if currency == "USD" else [])
    sent: dict[str, Prepared] = {}
    for item in items:
        prepared = prepare(item["id"], item, currency)
        if prepared.content_ok and prepared.volatile_ok:
            sent.setdefault(item["id"], prepared)
    model = CatalogModel(lambda: 0.0, random.Random(1))
    for item in items:
        model.overwrite_item("1001", item["id"], written(sent[item["id"]]) if item["id"] in sent else item)
    names = "retailer_id,status,visibility,availability,price,sale_price,sale_price_start_date,sale_price_end_date"
    names += ",quantity_to_sell_on_facebook" + (",currency" if own_currency else "")
    model.settings.max_page = 5000
    _, body = model.products("1001", {"fields": names, "limit": "5000"})
    shown = {entry["retailer_id"]: read_back(entry, currency, quantities=True) for entry in body["data"]}
    wrong = {
        key: drift(acknowledged(prepared.volatile_fp, prepared.band), shown[key]) for key, prepared in sent.items()
    }
    assert len(sent) > 900
    assert {key: kind for key, kind in wrong.items() if kind} == {}
    assert all(shown[key].certain for key in sent)


def written(prepared: Prepared) -> dict[str, Any]:
    """The fields as a call carries them."""
    return {**decode(prepared.content), **decode(prepared.volatile), "status": "active"}
