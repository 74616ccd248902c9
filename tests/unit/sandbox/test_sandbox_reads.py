"""Listings, single items, filters, the catalog itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.unit.sandbox.sandbox_calls import CATALOG, Meta, create, update


def listing(meta: Meta, **params: Any) -> dict[str, Any]:
    status, body = meta.model.products(CATALOG, params, base_url="http://graph.example/v26.0/1000/products")
    assert status == 200, body
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [item["retailer_id"] for item in body["data"]]


def filled(count: int) -> Meta:
    meta = Meta()
    for n in range(count):
        meta.push(create(f"i{n}", price=f"{n + 1}.00 USD", brand="Longway" if n % 2 else "Ovenbird"))
    meta.model.tick()
    return meta


def test_a_listing_is_walked_by_cursor_until_next_is_absent() -> None:
    meta, seen, params = filled(5), [], {"limit": "2"}
    while True:
        body = listing(meta, **params)
        seen.append(ids(body))
        if "next" not in body["paging"]:
            break
        params["after"] = body["paging"]["cursors"]["after"]
    assert seen == [["i0", "i1"], ["i2", "i3"], ["i4"]]
    assert body["paging"]["cursors"]["after"]


def test_items_deleted_between_two_pages_shift_nothing() -> None:
    meta = filled(5)
    after = listing(meta, limit="2")["paging"]["cursors"]["after"]
    meta.model.lose_items(CATALOG, ["i0", "i1"])
    assert ids(listing(meta, limit="2", after=after)) == ["i2", "i3"]


def test_before_walks_backwards() -> None:
    meta = filled(5)
    last = listing(meta, limit="1", after=listing(meta, limit="4")["paging"]["cursors"]["after"])
    assert ids(listing(meta, limit="2", before=last["paging"]["cursors"]["before"])) == ["i2", "i3"]


def test_an_empty_listing_has_no_paging() -> None:
    assert listing(Meta(), summary="true") == {"data": [], "summary": {"total_count": 0}}


def test_default_fields_and_asked_ones() -> None:
    meta = filled(1)
    [item] = listing(meta)["data"]
    assert item.keys() == {"id", "name", "retailer_id"}
    [item] = listing(meta, fields="retailer_id,price,currency,availability,status,sale_price")["data"]
    assert {name: value for name, value in item.items() if name != "id"} == {
        "retailer_id": "i0",
        "price": "$1.00",
        "currency": "USD",
        "availability": "in stock",
        "status": "PUBLISHED",
    }


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"retailer_id": {"eq": "i1"}}, ["i1"]),
        ({"retailer_id": {"is_any": ["i1", "I3", "nothing"]}}, ["i1", "i3"]),
        ({"retailer_id": {"is_not_any": ["i1", "i3"]}}, ["i0", "i2"]),
        ({"price_amount": {"lt": 250}}, ["i0", "i1"]),
        ({"and": [{"brand": {"i_contains": "long"}}, {"price_amount": {"gte": 400}}]}, ["i3"]),
        ({"or": [{"brand": {"eq": "ovenbird"}}, {"retailer_id": {"eq": "i3"}}]}, ["i0", "i2", "i3"]),
        ({}, ["i0", "i1", "i2", "i3"]),
    ],
)
def test_filters(rule: dict[str, Any], found: list[str]) -> None:
    assert ids(listing(filled(4), filter=json.dumps(rule))) == found


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "retailer_id=i1"},
        {"filter": '{"retailer_id":{"is_any":"i1"}}'},
        {"filter": '{"retailer_id":{"like":"i1"}}'},
        {"filter": '{"updated_time":{"gt":1}}'},
        {"filter": '{"retailer_id":{"eq":1}}'},
        {"fields": "id,retailer_id,stock"},
        {"after": "not-a-cursor"},
        {"limit": "0"},
        {"limit": "many"},
        {"updated_since": "1"},
    ],
)
def test_what_a_listing_does_not_know_it_refuses(params: dict[str, str]) -> None:
    status, body = filled(1).model.products(CATALOG, params)
    assert (status, body["error"]["code"]) == (400, 100)


def test_a_page_that_is_too_large_is_refused_with_the_request_for_less() -> None:
    status, body = filled(1).model.products(CATALOG, {"limit": "1001"})
    assert (status, body["error"]["code"]) == (500, 1)


def test_one_item_by_its_node_and_by_its_alias() -> None:
    meta = filled(3)
    by_listing = listing(meta, filter='{"retailer_id":{"eq":"i1"}}')["data"][0]
    alias = f"catalog:{CATALOG}:{base64.urlsafe_b64encode(b'i1').decode().rstrip('=')}"
    assert meta.model.node(by_listing["id"], {}) == (200, by_listing)
    assert meta.model.node(alias, {}) == (200, by_listing)


def test_a_missing_item_is_not_found_by_alias_nor_by_its_old_node() -> None:
    meta = filled(1)
    node = listing(meta)["data"][0]["id"]
    meta.model.lose_items(CATALOG, ["i0"])
    status, body = meta.model.node(f"catalog:{CATALOG}:{base64.urlsafe_b64encode(b'i0').decode()}", {})
    message = f"(#100) Could not find Product Item for catalog id {CATALOG}, retailer id i0"
    assert (status, body["error"]["message"]) == (400, message)
    assert meta.model.node(node, {})[1]["error"]["code"] == 100


def test_the_catalog_counts_its_items() -> None:
    asked = {"fields": "id,name,product_count,vertical"}
    assert filled(3).model.node(CATALOG, asked) == (
        200,
        {"id": CATALOG, "name": f"Sandbox catalog {CATALOG}", "product_count": 3, "vertical": "commerce"},
    )


def test_an_archived_item_is_listed_as_not_published() -> None:
    meta = filled(1)
    meta.push(update("i0", status="archived"))
    [item] = listing(meta, fields="status,visibility")["data"]
    assert (item["status"], item["visibility"]) == ("STAGING", "staging")
