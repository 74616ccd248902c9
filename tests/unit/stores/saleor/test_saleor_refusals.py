"""What the kind accepts, and what Saleor refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.saleor import CHANNEL, FakeSaleor, product, variant
from tests.unit.stores.saleor.saleor_shop import config, opened
from worker.errors import BadInput, Permanent, ShelfbeatError, StoreRefused, Transient
from worker.stores import kinds
from worker.stores.saleor import KIND


@pytest.fixture
def fake() -> FakeSaleor:
    return FakeSaleor([product(1)])


def test_the_registry_knows_saleor():
    assert kinds()["saleor"] is KIND


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://shop.example", "https://shop.example/graphql/"),
        ("https://shop.example/graphql", "https://shop.example/graphql/"),
        (" https://shop.example/graphql/ ", "https://shop.example/graphql/"),
        ("https://shop.example/dashboard/", "https://shop.example/graphql/"),
        ("http://127.0.0.1:8000/api/graphql", "http://127.0.0.1:8000/api/graphql/"),
    ],
)
def test_the_address_is_the_apis(given, expected):
    assert KIND.canonical_url(given) == expected
    assert KIND.canonical_url(expected) == expected


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channel": ""}, "The option channel"),
        ({"channel": "default channel"}, "The option channel"),
        ({"storefront_url": ""}, "is not an http"),
        ({"storefront_url": "https://shop.example/{id}"}, "unknown placeholder {id}"),
        ({"warehouse": "main,,outlet"}, "The option warehouse"),
        ({"language": "de_"}, "The option language"),
        ({"language": "german"}, "The option language"),
        ({"price": "gross"}, "The option price"),
        ({"condition": "good"}, "The option condition"),
        ({"secret": ""}, "The token is empty"),
        ({"secret": "two words"}, "The token is empty"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(changes, says):
    with pytest.raises(BadInput, match=says):
        KIND.check(config(**changes))


@pytest.mark.parametrize(
    "changes", [{}, {"secret": None}, {"language": "pt-BR"}, {"warehouse": "main, outlet"}, {"price": "without_tax"}]
)
def test_a_configuration_that_can_work_is_accepted(changes):
    KIND.check(config(**changes))


def refused(fake: FakeSaleor, error: type[ShelfbeatError] = StoreRefused, **options: str) -> str:
    """What every pull says to it, and that no list was asked for."""
    texts = set()
    for pull in (
        lambda store: store.full(None),
        lambda store: store.changed("2026-11-21T11:00:00Z", None),
        lambda store: store.volatile(None, None),
        lambda store: store.fetch(["UHJvZHVjdFZhcmlhbnQ6MTAwMA=="]),
    ):
        fake.asked.clear()
        with pytest.raises(error) as caught:
            pull(opened(fake, **options))
        assert [name for name, _ in fake.asked] == ["Start"]
        texts.add(str(caught.value))
    (text,) = texts
    return text


UNACCEPTED = (
    "https://shop.example/graphql/ does not accept our token for reading products. "
    "Give the token of an active app that has the permission MANAGE_PRODUCTS."
)


def test_the_public_view_that_an_unknown_token_gets_is_never_taken_for_the_catalog(fake):
    fake.token = "another"
    assert refused(fake) == UNACCEPTED


def test_a_token_that_is_revoked_between_two_pages_ends_the_pull(fake):
    fake.products = [product(1, [variant(number) for number in range(150)])]
    store = opened(fake)
    first = store.full(None)
    fake.token = "another"
    with pytest.raises(StoreRefused) as caught:
        store.full(first.cursor)
    assert str(caught.value) == UNACCEPTED


def test_a_token_of_a_person_is_refused(fake):
    fake.app = None
    assert refused(fake) == UNACCEPTED


@pytest.mark.parametrize("permissions", [None, [], [{"code": "MANAGE_ORDERS"}]])
def test_an_app_that_may_not_read_unpublished_products_is_refused(fake, permissions):
    fake.app = {"permissions": permissions}
    assert refused(fake) == UNACCEPTED


def test_a_channel_that_does_not_exist_is_refused(fake):
    expected = "https://shop.example/graphql/ knows no such channel. Correct the shop's option channel."
    assert refused(fake, channel="channel-pl") == expected


def test_a_channel_that_sells_nothing_is_refused_rather_than_believed(fake):
    fake.channels[CHANNEL]["isActive"] = False
    assert "is not active" in refused(fake)


def test_a_warehouse_that_the_channel_does_not_sell_from_is_refused(fake):
    assert "does not sell from a warehouse of the option" in refused(fake, warehouse="main,nowhere")


def error(code: str, message: str = "canary", **extensions: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"exception": {"code": code}, **extensions}}], "data": None}


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (200, error("PermissionDenied"), StoreRefused, "does not accept our token"),
        (200, error("ExpiredSignatureError"), StoreRefused, "does not accept our token"),
        (200, error("NoDefaultChannel", "More than one channel exists."), StoreRefused, "does not accept our token"),
        (401, {"errors": [{"extensions": {"code": "STOREFRONT_TRAFFIC_NOT_ALLOWED"}}]}, StoreRefused, "credentials"),
        (400, error("QueryCostError"), Permanent, "finds our query too costly"),
        (400, error("GraphQLError", 'Cannot query field "assignedAttributes" on type "Product".'), Permanent, "3.22"),
        (400, error("GraphQLError", "Expected type LanguageCodeEnum, found XX."), StoreRefused, "no such language"),
        (400, error("GraphQLError"), Transient, "reports an error (GraphQLError)"),
        (200, error("OperationalError"), Transient, "reports an error (OperationalError)"),
        (200, error("not a code: canary"), Transient, "reports an error (no code)"),
        (200, {"errors": "canary"}, Transient, "reports an error (no code)"),
        (200, {"data": None}, Transient, "neither data nor an error"),
        (200, {"data": {"app": "canary", "channel": []}}, StoreRefused, "does not accept our token"),
    ],
)
def test_the_class_of_the_error_decides(fake, status, body, kind, says):
    fake.answer = status, body
    with pytest.raises(kind) as caught:
        opened(fake).full(None)
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("found", [None, [], {}, {"edges": None}, {"edges": [{"node": {}}]}, {"edges": [None]}])
def test_an_answer_that_is_no_list_is_not_believed(fake, found):
    store = opened(fake)
    store.full(None)
    fake.answer = 200, {"data": {"app": fake.app, "productVariants": found}}
    with pytest.raises(ShelfbeatError, match="answers without a list of variants"):
        store.full('["after", 100]')
