"""What ``items_batch`` says at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.sandbox_calls import CATALOG, Meta, create, update, whole_item
from worker.sandbox.batches import BatchFault


@pytest.mark.parametrize(
    "payload",
    [
        {"requests": [create("a")]},
        {"item_type": "HOTEL", "requests": [create("a")]},
        {"item_type": "PRODUCT_ITEM"},
        {"item_type": "PRODUCT_ITEM", "requests": []},
        {"item_type": "PRODUCT_ITEM", "requests": "[]"},
        {"item_type": "PRODUCT_ITEM", "requests": [create(f"i{n}") for n in range(5001)]},
        {"item_type": "PRODUCT_ITEM", "requests": [create("a")], "allow_upsert": "true"},
        {"item_type": "PRODUCT_ITEM", "requests": [create("a")], "surprise": 1},
        {"item_type": "PRODUCT_ITEM", "requests": [{"method": "UPSERT", "data": {"id": "a"}}]},
        {"item_type": "PRODUCT_ITEM", "requests": [{"method": "UPDATE", "data": {"title": "no id"}}]},
        {"item_type": "PRODUCT_ITEM", "requests": [{"method": "UPDATE", "data": {"id": 7}}]},
        {"item_type": "PRODUCT_ITEM", "requests": [{"method": "UPDATE", "retailer_id": "a", "data": {"id": "a"}}]},
    ],
)
def test_a_call_of_the_wrong_shape_is_refused_as_a_whole(payload: dict[str, Any]) -> None:
    meta = Meta()
    status, body = meta.model.items_batch(CATALOG, payload)
    assert (status, body["error"]["code"]) == (400, 100)
    assert body["error"]["message"].startswith("(#100) ")
    assert meta.items == {}


def test_more_than_28_megabytes_are_refused_with_the_request_for_less() -> None:
    payload = {"item_type": "PRODUCT_ITEM", "requests": [create("a")]}
    status, body = Meta().model.items_batch(CATALOG, payload, size_bytes=28_000_001)
    assert (status, body["error"]["code"]) == (500, 1)
    assert body["error"]["message"].startswith("Please reduce the amount of data you're asking for")
    assert Meta().model.items_batch(CATALOG, payload, size_bytes=28_000_000)[0] == 200


def test_5000_items_are_taken() -> None:
    assert Meta().call(*(create(f"i{n}") for n in range(5000)))[0] == 200


def test_every_copy_of_a_repeated_id_is_refused_with_one_error_and_the_rest_goes_on() -> None:
    meta = Meta()
    _, body = meta.call(create("a"), create("b"), update("a", price="1.00 USD"))
    assert body["validation_status"] == [
        {"retailer_id": "a", "errors": [{"message": "Duplicate retailer_id in batch api call - a."}]}
    ]
    assert len(body["handles"]) == 1
    assert list(meta.items) == ["b"]


def test_nothing_accepted_means_no_handle() -> None:
    _, body = Meta().call(create("a"), create("a"))
    assert body["handles"] == []


def test_an_unknown_field_is_a_warning_and_the_known_ones_are_taken() -> None:
    meta = Meta()
    _, body = meta.call(create("a", colour="Red"))
    text = "Unrecognised field: A request for item a contains unrecognised field: 'colour'"
    assert body["validation_status"] == [{"retailer_id": "a", "warnings": [{"message": text}]}]
    assert "colour" not in meta.items["a"]
    assert meta.items["a"]["title"] == "Red shirt"


def test_create_must_hold_all_required_fields() -> None:
    data = {name: value for name, value in whole_item("a").items() if name not in ("price", "brand")}
    _, body = Meta().call({"method": "CREATE", "data": data})
    [finding] = body["validation_status"]
    assert len(finding["errors"]) == 2
    assert body["handles"] == []


def test_delete_takes_nothing_but_the_id() -> None:
    meta = Meta()
    meta.push(create("a"))
    _, body = meta.call({"method": "DELETE", "data": {"id": "a", "title": "x"}})
    assert (body["handles"], list(meta.items)) == ([], ["a"])


def test_switches_refuse_single_items_or_withhold_the_handle() -> None:
    meta = Meta()
    _, body = meta.call(create("a"), create("b"), fault=BatchFault(refuse={"a": "No."}))
    assert body["validation_status"] == [{"retailer_id": "a", "errors": [{"message": "No."}]}]
    assert list(meta.items) == ["b"]
    _, body = meta.call(create("c"), fault=BatchFault(no_handle=True))
    assert (body["handles"], "c" in meta.items) == ([], False)


def test_other_locales_change_the_text_behind_the_label() -> None:
    meta = Meta()
    payload = {"item_type": "PRODUCT_ITEM", "requests": [create("a", colour="Red"), create("b", price="x")]}
    _, body = meta.model.items_batch(CATALOG, payload, locale="cs_CZ")
    assert body["validation_status"][0]["warnings"][0]["message"].startswith("Unrecognised field: [cs_CZ]")
    _, body = meta.model.batch_status(CATALOG, {"handle": body["handles"][0], "fields": "errors"}, locale="cs_CZ")
    assert body["data"][0]["errors"][0]["message"].startswith("Invalid value: [cs_CZ]")
