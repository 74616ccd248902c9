"""Which shops, keys and options are accepted, and how WooCommerce's errors are told apart."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from tests.fakes.woocommerce import FakeWooCommerce, product
from tests.unit.stores.woocommerce.woocommerce_pulls import URL, opened
from worker.errors import BadInput, Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores import StoreConfig, kinds
from worker.stores.woocommerce import KIND


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (401, {"code": "woocommerce_rest_authentication_error"}, StoreRefused, "woocommerce_rest_authentication_error"),
        (403, {"code": "woocommerce_rest_cannot_view"}, StoreRefused, "woocommerce_rest_cannot_view"),
        (401, {"code": "Canary body"}, StoreRefused, "refuses our API key (401)"),
        (404, {"code": "rest_no_route"}, StoreRefused, "has no WooCommerce REST API v3"),
        (404, {"code": "rest_canary"}, StoreRefused, "is not there (404)"),
        (400, {"code": "rest_invalid_param"}, Permanent, "does not accept our query (rest_invalid_param)"),
        (500, {"code": "internal_server_error"}, Transient, "has trouble of its own (500)"),
        (200, {"code": "canary"}, StoreIncomplete, "without a list and its length"),
        (200, [{"name": "no id"}], StoreIncomplete, "without a list and its length"),
    ],
)
@pytest.mark.invariant("I14")
def test_the_code_of_the_error_decides(status, body, error, says):
    fake = FakeWooCommerce()
    fake.override = httpx.Response(
        status, headers={"content-type": "application/json"}, stream=httpx.ByteStream(json.dumps(body).encode())
    )
    with pytest.raises(error) as caught:
        opened(fake, currency="USD").full(None)
    assert type(caught.value) is error
    assert says in str(caught.value)
    assert "anary" not in str(caught.value)


def test_a_list_without_its_length_is_not_believed():
    fake = FakeWooCommerce()
    fake.override = httpx.Response(200, headers={"content-type": "application/json"}, stream=httpx.ByteStream(b"[]"))
    with pytest.raises(StoreIncomplete, match="X-WP-Total"):
        opened(fake, currency="USD").full(None)


@pytest.mark.fault("S6")
@pytest.mark.parametrize(("kind", "error"), [("application/json", Transient), ("text/html", StoreIncomplete)])
def test_an_answer_that_is_no_json_is_not_believed(kind, error):
    fake = FakeWooCommerce()
    fake.override = httpx.Response(
        200, headers={"content-type": kind, "x-wp-total": "1"}, stream=httpx.ByteStream(b'[{"id": 1')
    )
    with pytest.raises(error):
        opened(fake, currency="USD").full(None)


@pytest.mark.invariant("I14")
def test_the_key_travels_in_its_header_alone():
    seen: list[httpx.Request] = []
    fake = FakeWooCommerce([product(1)], secret="cs_other")

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return fake.handle_request(request)

    for url in (URL, URL.replace("https", "http")):
        config = StoreConfig(url, {}, None, "ck_test:cs_test", "/nowhere")
        with pytest.raises(StoreRefused) as caught:
            KIND.open(config, httpx.MockTransport(handle)).full(None)
        assert "ck_test" not in str(caught.value)
        assert "cs_test" not in str(caught.value)
    assert base64.b64decode(seen[0].headers["authorization"].removeprefix("Basic ")) == b"ck_test:cs_test"
    assert seen[-1].headers["authorization"].startswith('OAuth oauth_consumer_key="ck_test", ')
    assert "cs_test" not in seen[-1].headers["authorization"]
    assert not [request for request in seen if "ck_" in str(request.url) or "oauth" in str(request.url)]


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://shop.example", "https://shop.example/wp-json/wc/v3"),
        (" https://shop.example/ ", "https://shop.example/wp-json/wc/v3"),
        ("http://shop.example:8080/blog", "http://shop.example:8080/blog/wp-json/wc/v3"),
        ("https://shop.example/wp-json", "https://shop.example/wp-json/wc/v3"),
        ("https://shop.example/wp-json/wc/v2/", "https://shop.example/wp-json/wc/v3"),
        ("https://shop.example/wp-json/wc/v3/", "https://shop.example/wp-json/wc/v3"),
        ("https://shop.example/index.php", "https://shop.example/index.php/wp-json/wc/v3"),
    ],
)
def test_the_sites_address_becomes_the_apis(url, canonical):
    assert KIND.canonical_url(url) == canonical
    assert KIND.canonical_url(canonical) == canonical


def test_an_address_with_a_query_is_refused_without_showing_it():
    with pytest.raises(BadInput) as caught:
        KIND.canonical_url("https://shop.example/?rest_route=/canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "secret", "says"),
    [
        ({"prices": "net"}, "ck_1:cs_1", "option prices is as_stored or with_tax"),
        ({"condition": "fine"}, "ck_1:cs_1", "option condition is new, refurbished or used"),
        ({"currency": "dollars"}, "ck_1:cs_1", "option currency"),
        ({}, "", "ck_…:cs_…"),
        ({}, "ck_1", "ck_…:cs_…"),
        ({}, "cs_1:ck_1", "ck_…:cs_…"),
        ({}, "ck_1:cs_1\n", "ck_…:cs_…"),
    ],
)
def test_a_configuration_that_can_never_work_is_refused(options, secret, says):
    with pytest.raises(BadInput) as caught:
        KIND.check(StoreConfig(URL, options, None, secret, "/nowhere"))
    assert says in str(caught.value)


def test_a_configuration_is_checked_before_anybody_is_asked_for_the_key():
    KIND.check(StoreConfig(URL, {}, None, None, "/nowhere"))
    KIND.check(StoreConfig(URL, {"currency": "EUR"}, None, "ck_1:cs_1", "/nowhere"))


def test_the_registry_knows_it():
    assert kinds()["woocommerce"] is KIND
