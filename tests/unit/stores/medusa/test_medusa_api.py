"""What Medusa's errors mean, and which configurations can work."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.fakes.medusa import FakeMedusa
from tests.unit.stores.medusa.medusa_shops import opened
from worker.errors import BadInput, Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores import StoreConfig, kinds
from worker.stores.medusa import KIND


class Same(httpx.BaseTransport):
    """The same answer to everything."""

    def __init__(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.status, self.body, self.type = status, body, content_type

    def handle_request(self, request):
        return httpx.Response(self.status, headers={"content-type": self.type}, stream=httpx.ByteStream(self.body))


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (401, {"message": "Unauthorized body-canary"}, StoreRefused, "refuses our API key"),
        (403, {"type": "forbidden", "message": "body-canary"}, StoreRefused, "refuses our API key"),
        (
            400,
            {"type": "invalid_data", "message": "body-canary"},
            Permanent,
            "does not accept our query (invalid_data)",
        ),
        (400, {"type": "<script>", "message": "body-canary"}, Permanent, "does not accept our query (no type)"),
        (500, {"type": "unknown_error", "message": "body-canary"}, Transient, "trouble of its own"),
        (404, {"type": "not_found", "message": "body-canary"}, StoreRefused, "is no Admin API of Medusa 2"),
        (409, {"type": "conflict", "message": "body-canary"}, StoreRefused, "status 409"),
    ],
)
@pytest.mark.invariant("I14")
def test_an_error_is_told_apart_and_quotes_nothing(status, body, error, says):
    with pytest.raises(error) as caught:
        opened(Same(status, json.dumps(body).encode())).full(None)
    assert type(caught.value) is error
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "<script>" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b'{"stores": [', "application/json", Transient),
        (b"[]", "application/json", StoreIncomplete),
        (b'"fine"', "application/json", StoreIncomplete),
        (b"<html>", "text/html", StoreIncomplete),
        (b'{"stores": {}, "count": 0, "offset": 0, "limit": 100}', "application/json", StoreIncomplete),
        (b'{"stores": [], "offset": 0, "limit": 100}', "application/json", StoreIncomplete),
        (b'{"stores": [{"id": 7}], "count": 1, "offset": 0, "limit": 100}', "application/json", StoreIncomplete),
        (b'{"stores": [], "count": 1, "offset": 0, "limit": 100}', "application/json", StoreIncomplete),
        (b'{"stores": [], "count": 0, "offset": 0, "limit": 50}', "application/json", StoreIncomplete),
    ],
)
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_an_answer_that_is_no_list_is_not_believed(body, content_type, error):
    with pytest.raises(error) as caught:
        opened(Same(200, body, content_type)).full(None)
    assert type(caught.value) is error


def test_a_list_that_changes_while_it_is_read_is_read_again_later():
    class Growing(FakeMedusa):
        def _list(self, name, rows, params, made=()):
            if name == "stores":
                rows = [
                    {"id": f"store_{number}", "supported_currencies": []} for number in range(150 + len(self.asked))
                ]
            return super()._list(name, rows, params, made)

    with pytest.raises(Transient, match="changed while we read it"):
        opened(Growing()).full(None)


def test_an_address_without_medusa_is_refused():
    class Elsewhere(FakeMedusa):
        _stores = None

    with pytest.raises(StoreRefused, match="is no Admin API of Medusa 2"):
        opened(Elsewhere()).full(None)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://api.shop.example", "https://api.shop.example/admin"),
        ("https://api.shop.example/", "https://api.shop.example/admin"),
        ("https://api.shop.example/admin/", "https://api.shop.example/admin"),
        ("https://api.shop.example/app/products?x".partition("?")[0], "https://api.shop.example/admin"),
        ("https://shop.example/medusa/", "https://shop.example/medusa/admin"),
        ("https://shop.example/medusa/admin/products", "https://shop.example/medusa/admin"),
        ("https://shop.example/administration", "https://shop.example/administration/admin"),
    ],
)
def test_any_address_of_the_server_becomes_that_of_its_api(url, canonical):
    assert KIND.canonical_url(url) == canonical
    assert KIND.canonical_url(canonical) == canonical


def test_an_address_with_a_query_is_refused():
    with pytest.raises(BadInput, match="has a query"):
        KIND.canonical_url("https://api.shop.example/admin?token=x")


FINE = {"storefront_url": "https://shop.example/{handle}"}


@pytest.mark.parametrize(
    ("options", "secret", "says"),
    [
        ({}, "sk_1", "not an http"),
        ({"storefront_url": "https://shop.example/{slug}"}, "sk_1", "unknown placeholder {slug}"),
        ({**FINE, "currency": "dollars"}, "sk_1", "option currency"),
        ({**FINE, "region": "EU/../x"}, "sk_1", "option region"),
        ({**FINE, "sales_channel": ""}, "sk_1", "option sales_channel"),
        ({**FINE, "stock_location": "a b"}, "sk_1", "option stock_location"),
        ({**FINE, "condition": "fine"}, "sk_1", "option condition"),
        (FINE, "", "not of the form sk_…"),
        (FINE, "pk_1", "not of the form sk_…"),
        (FINE, "sk_1\n", "not of the form sk_…"),
        (FINE, "sk_1:x", "not of the form sk_…"),
    ],
)
def test_a_configuration_that_can_never_work_is_refused(options, secret, says):
    config = StoreConfig("https://api.shop.example/admin", options, None, secret, "/nowhere")
    with pytest.raises(BadInput) as caught:
        KIND.check(config)
    assert says in str(caught.value)
    assert secret not in str(caught.value).replace("sk_…", "") or not secret


def test_a_configuration_is_checked_before_anybody_is_asked_for_the_key():
    options = {**FINE, "region": "reg_01M7", "sales_channel": "sc_01", "stock_location": "sloc-1", "currency": "eur"}
    KIND.check(StoreConfig("https://api.shop.example/admin", options, None, None, "/nowhere"))


def test_the_registry_knows_medusa():
    assert kinds()["medusa"] is KIND
