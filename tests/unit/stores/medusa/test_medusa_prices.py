"""Which of a variant's prices a visitor pays. The cases were compared with what Medusa's own Store API computes."""

from __future__ import annotations

import pytest

from tests.fakes.medusa import REGION, FakeMedusa, price, price_list, variant
from tests.unit.stores.medusa.medusa_shops import item, opened, sold
from worker.errors import StoreRefused

NAMES = ("price", "sale_price", "sale_price_effective_date")


def prices(fake: FakeMedusa, own: list | None = None, **options: str) -> tuple:
    """Price, sale price and dates of variant 1, by both kinds of pull."""
    one = variant(1, **({} if own is None else {"prices": own}))
    whole, slim = item(one, fake=fake, **options), sold(one, fake, **options)
    assert [whole.get(name) for name in NAMES] == [slim.get(name) for name in NAMES]
    return tuple(slim.get(name) for name in NAMES)


def test_the_currency_is_the_one_of_the_option_the_region_or_the_shop():
    fake = FakeMedusa()
    fake.regions["reg_eu"] = "eur"
    assert prices(fake) == ("12.00 USD", None, None)
    assert prices(fake, currency="eur") == ("11.00 EUR", None, None)
    assert prices(fake, region="reg_eu") == ("11.00 EUR", None, None)
    assert prices(fake, [price(1, "eur")]) == (None, None, None)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (1299, "1299.00"),
        (0.5, "0.50"),
        (1195.08, "1195.08"),
        (1.299, "1.2990"),
        (10.12345, "10.12345"),
        (1e-7, "0.0000001"),
    ],
)
def test_amounts_are_decimals_in_major_units(amount, text):
    assert prices(FakeMedusa(), [price(amount)])[0] == f"{text} USD"


def test_prices_for_regions_groups_and_larger_amounts_are_for_whom_they_are_meant():
    own = [
        price(20),
        price(18, rules={"region_id": REGION}),
        price(5, rules={"customer.groups.id": "vip"}),
        price(4, rules={"region_id": REGION, "customer.groups.id": "vip"}),
        price(3, min_quantity=10),
    ]
    assert prices(FakeMedusa(), own)[0] == "20.00 USD"
    assert prices(FakeMedusa(), own, region=REGION)[0] == "18.00 USD"


def test_a_sale_is_the_sale_price_with_its_dates():
    fake = FakeMedusa()
    fake.price_lists = [price_list(1, {"1": 9.5})]
    assert prices(fake) == ("12.00 USD", "9.50 USD", None)
    fake.price_lists[0]["ends_at"] = "2026-12-01T00:00:00.000Z"
    assert prices(fake) == ("12.00 USD", "9.50 USD", "/2026-12-01T00:00:00+00:00")
    fake.price_lists[0]["starts_at"] = "2026-11-01T00:00:00.000Z"
    dates = "2026-11-01T00:00:00+00:00/2026-12-01T00:00:00+00:00"
    assert prices(fake) == ("12.00 USD", "9.50 USD", dates)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "draft"},
        {"ends_at": "2026-11-21T11:59:00.000Z"},
        {"rules": {"customer.groups.id": ["vip"]}},
        {"rules": {"region_id": ["reg_other"]}},
        {"type": "other"},
    ],
)
def test_a_list_that_is_over_not_active_or_not_for_everybody_changes_nothing(changes):
    fake = FakeMedusa()
    fake.price_lists = [price_list(1, {"1": 9.5}, **changes)]
    assert prices(fake) == ("12.00 USD", None, None)
    # What cannot count is not read either: a list for customers may be long.
    assert not any(path.endswith("/prices") for path, _ in fake.asked)


def test_a_list_for_a_region_holds_there():
    fake = FakeMedusa()
    fake.price_lists = [price_list(1, {"1": 9}, rules={"region_id": ["reg_other", REGION]})]
    assert prices(fake) == ("12.00 USD", None, None)
    assert prices(fake, region=REGION) == ("12.00 USD", "9.00 USD", None)


def test_a_sale_that_has_not_begun_is_told_with_its_dates_unless_another_one_runs():
    fake = FakeMedusa()
    later = price_list(1, {"1": 8}, starts_at="2026-12-01T00:00:00.000Z")
    latest = price_list(2, {"1": 7}, starts_at="2026-12-24T00:00:00.000Z")
    fake.price_lists = [latest, later]
    assert prices(fake) == ("12.00 USD", "8.00 USD", "2026-12-01T00:00:00+00:00/")
    fake.price_lists.append(price_list(3, {"1": 9}))
    assert prices(fake) == ("12.00 USD", "9.00 USD", None)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([("override", 15)], ("15.00 USD", None, None)),
        ([("override", 15), ("override", 14)], ("14.00 USD", None, None)),
        ([("sale", 13)], ("12.00 USD", None, None)),
        ([("sale", 9), ("sale", 8)], ("12.00 USD", "8.00 USD", None)),
        ([("override", 15), ("sale", 9)], ("15.00 USD", "9.00 USD", None)),
        # Of all listed prices the lowest decides, and it is no sale.
        ([("override", 7), ("sale", 9)], ("7.00 USD", None, None)),
        # The variant's own price is below the sale, and the sale below the override.
        ([("override", 20), ("sale", 14)], ("20.00 USD", "12.00 USD", None)),
    ],
)
def test_overrides_and_sales_are_weighed_as_medusa_does(lists, expected):
    fake = FakeMedusa()
    fake.price_lists = [price_list(place, {"1": amount}, kind) for place, (kind, amount) in enumerate(lists)]
    assert prices(fake) == expected


def test_more_rules_beat_a_lower_price_and_what_is_paid_is_the_price():
    fake = FakeMedusa()
    fake.price_lists = [
        price_list(1, {"1": 8}, "override"),
        price_list(2, {"1": 11}, rules={"region_id": [REGION]}),
    ]
    assert prices(fake, region=REGION) == ("11.00 USD", None, None)


def test_a_listed_price_for_more_pieces_another_currency_or_a_group_is_not_read():
    fake = FakeMedusa()
    vip = [{"attribute": "customer.groups.id", "value": "vip"}]
    fake.price_lists = [
        price_list(1, {"1": {"amount": 1, "min_quantity": 2}}),
        price_list(2, {"1": {"amount": 2, "currency_code": "eur"}}),
        price_list(3, {"1": {"amount": 3, "price_rules": vip}}),
        price_list(4, {"1": {"amount": "?"}}),
        price_list(5, {"2": 5}),
    ]
    assert prices(fake) == ("12.00 USD", None, None)


def test_a_variant_sold_in_a_sale_only_costs_what_the_sale_says():
    fake = FakeMedusa()
    fake.price_lists = [price_list(1, {"1": 9})]
    assert prices(fake, []) == ("9.00 USD", None, None)


def test_a_price_list_longer_than_a_page_is_read_whole():
    fake = FakeMedusa()
    fake.price_lists = [price_list(1, {str(number): 9 for number in range(2_345)})]
    store = opened(fake)
    store.full(None)
    assert len(store._shop.offers) == 2_345


@pytest.mark.parametrize(
    ("options", "currencies", "says"),
    [
        ({"currency": "JPY"}, {"usd": True, "eur": False}, "does not sell in JPY"),
        ({}, {"usd": False}, "no default currency"),
        ({}, {}, "no default currency"),
        ({"region": "reg_none"}, {"usd": True}, "no region"),
        ({"sales_channel": "sc_none"}, {"usd": True}, "no sales channel"),
        ({"stock_location": "sloc_none"}, {"usd": True}, "no stock location"),
    ],
)
def test_an_option_that_names_what_the_shop_does_not_have_is_refused(options, currencies, says):
    fake = FakeMedusa()
    fake.currencies = currencies
    with pytest.raises(StoreRefused, match=says) as caught:
        opened(fake, **options).full(None)
    assert "canary" not in str(caught.value)
    assert caught.value.action
