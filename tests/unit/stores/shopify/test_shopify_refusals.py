"""What Shopify refuses: queries beyond their points, scopes and shops it does not accept, answers that are none."""

from __future__ import annotations

import json

import pytest

from tests.fakes.shopify import product, variant
from tests.unit.stores.shopify.shopify_pulls import pages
from worker.errors import Permanent, ShelfbeatError, StoreIncomplete, StoreRefused, Throttled, Transient


def test_a_query_beyond_the_limit_of_one_is_asked_for_fewer_rows(fake, opened):
    fake.products = [product(1, [variant(number) for number in range(300)])]
    store = opened(country="CA")
    found = pages(lambda cursor: store.volatile(None, cursor))
    assert [len(page.records) for page in found] == [125, 125, 50]
    assert [variables["first"] for name, variables in fake.asked if name == "Sold"] == [250, 125, 125, 125]
    assert found[0].records[0].fields["price"] == "15.0 CAD"


def test_a_query_too_costly_for_one_row_says_so(fake, opened, monkeypatch):
    monkeypatch.setattr("tests.fakes.shopify.MAX_COST", 2)
    store = opened()
    with pytest.raises(Permanent, match="too costly"):
        pages(lambda cursor: store.volatile(None, cursor))


@pytest.mark.fault("S1")
def test_an_empty_bucket_is_waited_for_as_long_as_it_takes_to_fill(fake, opened):
    fake.points = 120.0
    fake.products = [product(1, [variant(number) for number in range(300)])]
    store = opened()
    with pytest.raises(Throttled) as caught:
        pages(lambda cursor: store.volatile(None, cursor))
    # 502 points are wanted and 118 left, of which 100 come back each second.
    assert caught.value.retry_after_s == 4.0
    assert caught.value.scope == "store"


def test_a_bucket_that_runs_empty_makes_the_pull_pause_before_it_is_refused(fake, opened):
    fake.points = 700.0
    fake.products = [product(1, [variant(number) for number in range(300)])]
    page = opened().volatile(None, None)
    assert len(page.records) == 250
    assert page.pause_s == 4.0  # 502 points wanted, 196 left, 100 come each second


@pytest.mark.parametrize(
    ("status", "body", "named"),
    [
        (401, {"errors": "[API] Invalid API key canary"}, "refuses our credentials"),
        (402, {"errors": "Unavailable Shop canary"}, "frozen"),
        (403, {"errors": "canary"}, "refuses our credentials"),
        (404, {"errors": "Not Found canary"}, "not there"),
        (423, {"errors": "canary"}, "locked"),
        (430, {"errors": "canary"}, "attack"),
    ],
)
@pytest.mark.invariant("I14")
def test_what_the_gateway_refuses_is_told_apart(fake, opened, status, body, named):
    fake.answer = (status, body)
    with pytest.raises(StoreRefused, match=named) as caught:
        opened().full(None)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "named"),
    [
        ({"message": "canary", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}, Transient, "INTERNAL_SERVER_ERROR"),
        ({"message": "canary"}, Transient, "no code"),
        ({"message": "canary", "extensions": {"code": "undefinedField"}}, Permanent, "api_version"),
        ({"message": "canary", "extensions": {"code": "SHOP_INACTIVE"}}, StoreRefused, "not active"),
        ({"message": "canary", "extensions": {"code": "<canary>"}}, Transient, "no code"),
        ({"message": "Throttled", "extensions": {"code": "THROTTLED"}}, Throttled, "fewer calls"),
        ("canary", Transient, "no code"),
    ],
)
def test_an_error_in_the_answer_is_told_apart_even_beside_data(fake, opened, error, kind, named):
    fake.answer = (200, {"data": {"shop": {"currencyCode": "USD"}}, "errors": [error]})
    with pytest.raises(ShelfbeatError, match=named) as caught:
        opened().full(None)
    assert type(caught.value) is kind
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "scope"), [("inventoryItem", "read_inventory"), ("productVariants", "read_products")]
)
def test_a_missing_scope_is_named(fake, opened, field, scope):
    fake.denied = {field: scope}
    store = opened()
    with pytest.raises(StoreRefused, match=f"lacks the scope {scope}"):
        pages(lambda cursor: store.volatile(None, cursor))


@pytest.mark.parametrize(
    "data",
    [
        {"productVariants": None},
        {"productVariants": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": None}}},
        {"productVariants": {"nodes": [None], "pageInfo": {"hasNextPage": False}}},
        {"productVariants": {"nodes": []}},
    ],
)
@pytest.mark.fault("S12")
def test_an_answer_that_is_no_list_is_not_believed(fake, opened, data):
    fake.answer = (200, {"data": data | {"shop": {}}})
    with pytest.raises(StoreIncomplete):
        opened().volatile(None, json.dumps({"phase": "sold"}))
