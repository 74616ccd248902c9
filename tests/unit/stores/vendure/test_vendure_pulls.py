"""How Vendure's lists are paged and its errors understood."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.fakes.vendure import FakeVendure, product, variant
from tests.unit.stores.vendure.vendure_shops import ids, opened, pages
from worker.errors import BadInput, Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores import CursorExpired, StoreConfig, UnreadableRecord, kinds
from worker.stores.vendure import KIND


@pytest.mark.fault("S10")
def test_a_deletion_while_paging_loses_no_product():
    fake = FakeVendure([product(number) for number in range(1, 161)])
    store = opened(fake)
    first = store.full(None)
    del fake.products[3:6]
    rest, cursor = [], first.cursor
    while cursor is not None:
        page = store.full(cursor)
        rest += [record.retailer_id for record in page.records]
        cursor = page.cursor
    assert rest == [str(1000 * number) for number in range(51, 161)]


@pytest.mark.parametrize("bad", [[1], [50], [51], [7, 33, 120]])
def test_a_variant_without_a_price_in_the_channel_stops_no_other(bad):
    fake = FakeVendure([product(number) for number in range(1, 121)])
    fake.priceless = {str(1000 * number) for number in bad}
    store = opened(fake)
    everything = [str(1000 * number) for number in range(1, 121)]
    assert ids(store) == everything
    for record in [record for page in pages(store.full) for record in page.records]:
        if record.retailer_id in fake.priceless:
            with pytest.raises(UnreadableRecord, match="no price in this channel"):
                store.fields(record)
        else:
            assert store.fields(record)["price"] == "12.00 USD"
    sold = pages(lambda cursor: store.volatile(None, cursor))
    assert {notice.retailer_id for page in sold for notice in page.notices} == fake.priceless
    assert [one.retailer_id for page in sold for one in page.records] == [
        name for name in everything if name not in fake.priceless
    ]
    assert [record.retailer_id for record in store.fetch(["1000", "33000"])] == ["1000", "33000"]


def test_a_product_without_a_price_is_found_with_few_requests():
    fake = FakeVendure([product(number) for number in range(1, 51)])
    fake.priceless = {"33000"}
    opened(fake).full(None)
    assert [name for name, _ in fake.asked].count("Bare") == 1
    assert len(fake.asked) <= 15


@pytest.mark.parametrize("path", [None, [], ["products"], ["products", "totalItems"]])
def test_an_error_of_the_whole_list_is_not_looked_for_in_its_rows(path):
    fake = FakeVendure([product(1)])
    body = {"errors": [{"message": "", "path": path, "extensions": {"code": "INTERNAL_SERVER_ERROR"}}], "data": None}
    whole = fake.handle_request

    def answer(request: httpx.Request) -> httpx.Response:
        if b"Settings" in request.read():
            return whole(request)
        fake.asked.append(("failed", {}))
        return httpx.Response(
            200, headers={"content-type": "application/json"}, stream=httpx.ByteStream(json.dumps(body).encode())
        )

    fake.handle_request = answer
    with pytest.raises(Transient):
        opened(fake).full(None)
    assert [name for name, _ in fake.asked] == ["Settings", "failed"]


def test_a_shop_may_limit_its_lists_to_a_hundred_rows():
    fake = FakeVendure([product(number) for number in range(1, 251)])
    fake.most = 100
    everything = [str(1000 * number) for number in range(1, 251)]
    assert ids(opened(fake)) == everything
    store = opened(fake)
    assert ids(store, lambda cursor: store.volatile(None, cursor)) == everything
    first = store.volatile(None, None)
    # The list moves, so that the next page has to look for its place.
    del fake.products[3:6]
    assert store.volatile(None, first.cursor).records[0].retailer_id == "98000"
    fake.most = 99
    with pytest.raises(Permanent) as caught:
        ids(opened(fake), lambda cursor: opened(fake).volatile(None, cursor))
    assert "adminListQueryLimit" in caught.value.action


@pytest.mark.fault("S10")
def test_the_deletion_of_the_page_before_starts_the_pull_again():
    fake = FakeVendure([product(number) for number in range(1, 161)])
    store = opened(fake)
    cursor = store.full(None).cursor
    del fake.products[:50]
    with pytest.raises(CursorExpired):
        store.full(cursor)


@pytest.mark.parametrize("count", [60, 160])
@pytest.mark.invariant("I9")
@pytest.mark.fault("S12")
def test_a_server_that_repeats_its_page_is_not_believed(count):
    fake = FakeVendure([product(number) for number in range(1, count + 1)])
    store = opened(fake)
    cursor = store.full(None).cursor
    fake._list = lambda rows, options: {"totalItems": count, "items": rows[:50]}
    with pytest.raises(StoreIncomplete, match=f"counts {count} products and gives 50"):
        store.full(cursor)


@pytest.mark.invariant("I9")
def test_fewer_products_than_counted_are_not_a_catalog():
    fake = FakeVendure()
    fake._list = lambda rows, options: {"totalItems": 3, "items": []}
    with pytest.raises(StoreIncomplete, match="counts 3 products and gives 0"):
        opened(fake).full(None)


def test_the_delta_finds_changed_products_and_products_with_a_changed_variant_once():
    late = "2026-11-21T11:55:00.000Z"
    fake = FakeVendure([product(number) for number in range(1, 6)])
    fake.products[0]["updatedAt"] = late
    fake.products[0]["variants"][0]["updatedAt"] = late
    fake.products[2]["variants"][0]["updatedAt"] = late
    store = opened(fake)
    assert ids(store, lambda cursor: store.changed("2026-11-21T12:00:00.000Z", cursor)) == ["1000", "3000"]
    assert ids(store, lambda cursor: store.changed("2026-11-21T12:06:00.000Z", cursor)) == []


@pytest.mark.fault("S21")
def test_the_watermark_is_the_stores_clock_before_the_first_list_was_read():
    fake = FakeVendure([product(number) for number in range(1, 60)])
    store = opened(fake)
    page = store.full(None)
    assert page.watermark == "2026-11-21T12:00:00.000Z"
    assert [name for name, _ in fake.asked] == ["Settings", "Products"]
    assert store.full(page.cursor).watermark is None


def test_the_volatile_pull_trusts_no_timestamp():
    fake = FakeVendure([product(number) for number in range(1, 6)])
    page = opened(fake).volatile("2030-01-01T00:00:00.000Z", None)
    assert [record.retailer_id for record in page.records] == ["1000", "2000", "3000", "4000", "5000"]
    assert all("filter" not in options or not options["filter"] for name, options in fake.asked if name == "Sold")


def test_a_look_up_returns_only_what_was_asked_for():
    fake = FakeVendure([product(1, [variant(10), variant(11)]), product(2)])
    assert [record.retailer_id for record in opened(fake).fetch(["11", "404"])] == ["11"]


def test_a_channel_that_vendure_does_not_know_is_refused_rather_than_replaced_by_the_default_one():
    fake = FakeVendure([product(1)])
    with pytest.raises(StoreRefused, match="knows no such channel"):
        opened(fake, channel="wrong").full(None)
    fake.token = "right"
    assert len(opened(fake, channel="right").full(None).records) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("FORBIDDEN", StoreRefused),
        ("UNAUTHORIZED", StoreRefused),
        ("CHANNEL_NOT_FOUND", StoreRefused),
        ("GRAPHQL_VALIDATION_FAILED", Permanent),
        ("USER_INPUT_ERROR", Permanent),
        ("INTERNAL_SERVER_ERROR", Transient),
        ("<script>", Transient),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_the_code_in_the_answer_decides_whatever_the_status(status, code, error):
    body = {"errors": [{"message": "quoted", "extensions": {"code": code}}], "data": None}
    fake = FakeVendure()
    fake.override = httpx.Response(
        status, headers={"content-type": "application/json"}, stream=httpx.ByteStream(json.dumps(body).encode())
    )
    with pytest.raises(error) as caught:
        opened(fake).full(None)
    assert type(caught.value) is error
    assert "quoted" not in str(caught.value)
    assert "<script>" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"data": {"globalSettings"', Transient),
        (b'{"data": null}', Transient),
        (b"[]", StoreIncomplete),
        (b'{"data": {"globalSettings": {}, "activeChannel": {}}}', StoreIncomplete),
    ],
)
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_an_answer_that_is_no_list_is_not_believed(body, error):
    class Same(httpx.BaseTransport):
        def handle_request(self, request):
            headers = {"content-type": "application/json"}
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))

    with pytest.raises(error):
        opened(Same()).full(None)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://shop.example", "https://shop.example/admin-api"),
        ("https://shop.example/", "https://shop.example/admin-api"),
        ("https://shop.example/admin-api/", "https://shop.example/admin-api"),
        ("https://shop.example/api/admin", "https://shop.example/api/admin"),
    ],
)
def test_a_bare_address_gets_the_default_path(url, canonical):
    assert KIND.canonical_url(url) == canonical


@pytest.mark.parametrize(
    ("options", "secret", "says"),
    [
        ({}, "k", "not an http"),
        ({"storefront_url": "https://shop.example/{handle}"}, "k", "unknown placeholder {handle}"),
        ({"storefront_url": "https://shop.example/{slug}", "price": "net"}, "k", "option price"),
        ({"storefront_url": "https://shop.example/{slug}", "condition": "fine"}, "k", "option condition"),
        ({"storefront_url": "https://shop.example/{slug}", "compare_at_field": "rrp }"}, "k", "compare_at_field"),
        ({"storefront_url": "https://shop.example/{slug}", "stock_location": '1"'}, "k", "stock_location"),
        ({"storefront_url": "https://shop.example/{slug}"}, "", "API key"),
        ({"storefront_url": "https://shop.example/{slug}"}, "k\n", "API key"),
    ],
)
def test_a_configuration_that_can_never_work_is_refused(options, secret, says):
    config = StoreConfig("https://shop.example/admin-api", options, None, secret, "/nowhere")
    with pytest.raises(BadInput) as caught:
        KIND.check(config)
    assert says in str(caught.value)


def test_a_configuration_is_checked_before_anybody_is_asked_for_the_key():
    KIND.check(
        StoreConfig(
            "https://shop.example/admin-api", {"storefront_url": "https://shop.example/{slug}"}, None, None, "/nowhere"
        )
    )


def test_the_registry_knows_both_kinds():
    assert {"feed", "vendure"} <= set(kinds())
