"""The life of a handle, and what becomes of the items behind it."""

from __future__ import annotations

import pytest

from tests.unit.sandbox.sandbox_calls import CATALOG, Meta, create, update, whole_item
from worker.sandbox.batches import BatchFault


def stored(retailer_id: str, **changes: object) -> dict[str, object]:
    return {name: value for name, value in whole_item(retailer_id, **changes).items() if name != "id"}


def test_a_handle_passes_through_every_state_and_items_change_only_once_it_has_started() -> None:
    meta = Meta(latency_s=100.0)
    handle = meta.push(create("a"))
    seen = []
    for now in (0, 9, 10, 19, 20, 99, 100):
        meta.now = now
        seen.append((meta.status(handle)["status"], "a" in meta.items))
    assert seen == [
        ("scheduled", False),
        ("scheduled", False),
        ("dispatched", False),
        ("dispatched", False),
        ("started", False),
        ("started", False),
        ("finished", True),
    ]


def test_without_latency_a_batch_is_finished_at_the_next_poll() -> None:
    meta = Meta()
    assert meta.status(meta.push(create("a")))["status"] == "finished"
    assert meta.items == {"a": stored("a")}


def test_items_are_applied_one_by_one_in_an_order_of_their_own() -> None:
    meta = Meta(latency_s=100.0)
    meta.push(*(create(f"i{n}") for n in range(10)))
    meta.now = 60.0
    half = list(meta.items)
    meta.now = 100.0
    assert len(half) == 5
    assert half != sorted(half)
    assert len(meta.items) == 10


def test_the_same_seed_repeats_a_run() -> None:
    def run(seed: int) -> tuple[str, list[str]]:
        meta = Meta(seed)
        return meta.push(*(create(f"i{n}") for n in range(20))), list(meta.items)

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_of_two_overlapping_batches_either_may_win() -> None:
    winners = set()
    for seed in range(20):
        meta = Meta(seed, latency_s=100.0, latency_spread=0.5)
        meta.push(create("a"))
        meta.now = 200.0
        meta.push(update("a", price="1.00 USD"))
        meta.push(update("a", price="2.00 USD"))
        meta.now = 400.0
        winners.add(meta.items["a"]["price"])
    assert winners == {"1.00 USD", "2.00 USD"}


def test_overlapping_ids_are_noted_on_the_later_batch() -> None:
    meta = Meta(latency_s=10.0)
    meta.push(create("a"), create("b"))
    second = meta.push(update("b", price="2.00 USD"), create("c"))
    assert meta.model.batches[second].overlapping == ("b",)
    meta.now = 10.0
    third = meta.push(update("b", price="3.00 USD"))
    assert meta.model.batches[third].overlapping == ()


def test_an_update_changes_only_the_fields_it_names() -> None:
    meta = Meta()
    meta.push(create("a", color="Red"))
    meta.push(update("a", price="5.00 USD"))
    assert meta.items == {"a": stored("a", color="Red", price="5.00 USD")}


def test_an_empty_text_unsets_and_null_does_not() -> None:
    meta = Meta()
    meta.push(create("a", color="Red", size="M", video=[{"url": "https://v.example/1.mp4"}]))
    assert meta.errors(update("a", color="", size=None, video=[])) == []
    assert meta.items == {"a": stored("a", size="M")}


def test_a_required_field_cannot_be_unset() -> None:
    meta = Meta()
    meta.push(create("a"))
    errors = meta.errors(update("a", price="", color="Red"))
    assert [(item, text.partition(":")[0]) for item, text in errors] == [("a", "A required field is missing")]
    assert meta.items == {"a": stored("a")}


def test_without_upsert_an_update_of_a_missing_item_is_an_error() -> None:
    meta = Meta()
    assert meta.errors(create("a"), allow_upsert=False) == [
        ("a", f"Could not find Product Item for catalog id {CATALOG}, retailer id a")
    ]
    assert meta.items == {}


def test_with_upsert_a_partial_update_of_a_missing_item_lacks_required_fields() -> None:
    meta = Meta()
    status = meta.status(meta.push(update("a", price="5.00 USD")))
    assert [error["message"].partition(":")[0] for error in status["errors"]] == [
        "A required field is missing",
        "Descriptions are missing",
        *["A required field is missing"] * 5,
    ]
    assert status["errors_total_count"] == 7
    assert status["ids_of_invalid_requests"] == ["a"] * 7
    assert meta.items == {}


def test_two_errors_on_one_item_refuse_it_as_a_whole_and_leave_the_others() -> None:
    meta = Meta()
    status = meta.status(meta.push(create("a", price="nine", link="nowhere"), create("b")))
    assert {error["id"] for error in status["errors"]} == {"a"}
    assert status["errors_total_count"] == 2
    assert list(meta.items) == ["b"]


def test_invalid_ids_are_listed_only_when_asked_for() -> None:
    meta = Meta()
    handle = meta.push(create("a", price="nine"))
    assert meta.status(handle, load_ids_of_invalid_requests="false")["ids_of_invalid_requests"] == []
    assert meta.status(handle)["ids_of_invalid_requests"] == ["a"]


def test_errors_are_a_sample_and_the_count_is_complete() -> None:
    meta = Meta()
    status = meta.status(meta.push(*(create(f"i{n}", price="nine") for n in range(25))))
    assert (len(status["errors"]), status["errors_total_count"]) == (10, 25)
    assert sorted(status["ids_of_invalid_requests"]) == sorted(f"i{n}" for n in range(25))


def test_without_fields_a_status_says_no_more_than_handle_and_state() -> None:
    meta = Meta()
    handle = meta.push(create("a", price="nine"))
    assert meta.model.batch_status(CATALOG, {"handle": handle}) == (
        200,
        {"data": [{"handle": handle, "status": "finished"}]},
    )


def test_deleting_a_missing_item_is_a_warning_and_a_high_priority_status_hides_it() -> None:
    meta = Meta()
    handle = meta.push({"method": "DELETE", "data": {"id": "a"}})
    assert (meta.status(handle)["errors_total_count"], meta.status(handle)["warnings_total_count"]) == (0, 1)
    assert meta.status(handle, error_priority="HIGH")["warnings"] == []


def test_a_deleted_item_is_gone_and_leaves_its_group() -> None:
    meta = Meta()
    meta.push(create("a", item_group_id="g"))
    meta.push({"method": "DELETE", "data": {"id": "a"}})
    assert meta.errors(create("g")) == []
    assert list(meta.items) == ["g"]


def test_create_of_an_existing_item_is_refused_because_nobody_knows_better() -> None:
    meta = Meta()
    meta.push(create("a"))
    assert meta.errors({"method": "CREATE", "data": whole_item("a")}) == [
        ("a", "Duplicate retailer_id: An item with id a exists.")
    ]


def test_an_archived_item_stays_and_comes_back() -> None:
    meta = Meta()
    meta.push(create("a"))
    meta.push(update("a", status="archived"), allow_upsert=False)
    assert meta.items["a"]["status"] == "archived"
    meta.push(update("a", status="active"))
    assert meta.items["a"]["status"] == "active"


@pytest.mark.parametrize(
    ("first", "second"),
    [(create("a", item_group_id="g"), create("g")), (create("g"), create("a", item_group_id="g"))],
)
def test_an_id_that_is_also_a_group_id_is_refused(first: dict[str, object], second: dict[str, object]) -> None:
    meta = Meta()
    meta.push(first)
    [(_, message)] = meta.errors(second)
    assert message.startswith("ID conflicts with group ID:")


@pytest.mark.parametrize("sale_price", ["9.99 USD", "12.00 USD", "5.00 EUR"])
def test_a_sale_price_must_be_lower_in_the_same_currency(sale_price: str) -> None:
    meta = Meta()
    meta.push(create("a"))
    assert len(meta.errors(update("a", sale_price=sale_price))) == 1
    assert meta.items == {"a": stored("a")}


def test_a_price_that_falls_below_the_sale_price_is_refused() -> None:
    meta = Meta()
    meta.push(create("a", sale_price="5.00 USD"))
    assert len(meta.errors(update("a", price="4.00 USD"))) == 1
    assert meta.errors(update("a", price="4.00 USD", sale_price="")) == []


@pytest.mark.parametrize("ending", ["error", "canceled"])
def test_a_batch_may_end_badly_with_some_items_applied(ending: str) -> None:
    meta = Meta(latency_s=10.0)
    fault = BatchFault(ending=ending, share=0.5)  # type: ignore[arg-type]  # one of the two literals above
    handle = meta.push(*(create(f"i{n}") for n in range(10)), fault=fault)
    meta.now = 50.0
    assert meta.status(handle)["status"] == ending
    assert len(meta.items) == 5


def test_a_batch_may_never_finish() -> None:
    meta = Meta()
    handle = meta.push(create("a"), fault=BatchFault(ending="never"))
    meta.now = 80_000.0
    assert meta.status(handle)["status"] == "started"
    assert list(meta.items) == ["a"]


def test_a_batch_may_say_finished_before_its_items_change() -> None:
    meta = Meta()
    handle = meta.push(create("a"), fault=BatchFault(lag_s=30.0))
    assert (meta.status(handle)["status"], list(meta.items)) == ("finished", [])
    meta.now = 30.0
    assert list(meta.items) == ["a"]


def test_a_batch_may_take_longer_than_usual() -> None:
    meta = Meta()
    handle = meta.push(create("a"), fault=BatchFault(delay_s=120.0))
    meta.now = 119.0
    assert meta.status(handle)["status"] == "started"
    meta.now = 120.0
    assert meta.status(handle)["status"] == "finished"


def test_accepted_items_may_be_lost_without_a_word() -> None:
    meta = Meta()
    some = meta.status(meta.push(create("a"), create("b"), fault=BatchFault(lose=["a"])))
    everything = meta.status(meta.push(create("c"), fault=BatchFault(lose=())))
    assert (some["errors_total_count"], everything["errors_total_count"]) == (0, 0)
    assert list(meta.items) == ["b"]


def test_errors_may_be_counted_and_not_listed() -> None:
    meta = Meta()
    fault = BatchFault(reject_count=3, hide_ids=True)
    status = meta.status(meta.push(*(create(f"i{n}") for n in range(5)), fault=fault))
    assert (status["errors"], status["errors_total_count"], status["ids_of_invalid_requests"]) == ([], 3, [])
    assert len(meta.items) == 2


def test_an_error_may_name_an_id_that_was_not_in_the_batch() -> None:
    meta = Meta()
    status = meta.status(meta.push(create("a"), fault=BatchFault(foreign=["elsewhere"])))
    assert status["ids_of_invalid_requests"] == ["elsewhere"]
    assert list(meta.items) == ["a"]


def test_a_forgotten_handle_is_unknown_and_its_items_are_applied() -> None:
    meta = Meta()
    handle = meta.push(create("a"), fault=BatchFault(forget=True))
    status, body = meta.model.batch_status(CATALOG, {"handle": handle})
    assert (status, body["error"]["code"]) == (400, 100)
    assert list(meta.items) == ["a"]


def test_a_handle_is_unknown_after_its_lifetime_and_in_another_catalog() -> None:
    meta = Meta(handle_lifetime_s=60.0)
    handle = meta.push(create("a"))
    assert meta.model.batch_status("2000", {"handle": handle})[0] == 400
    meta.now = 61.0
    assert meta.model.batch_status(CATALOG, {"handle": handle})[0] == 400


def test_an_item_lost_at_meta_is_missing_for_the_next_update() -> None:
    meta = Meta()
    meta.push(create("a"))
    assert meta.model.lose_items(CATALOG, ["a", "b"]) == ["a"]
    assert len(meta.errors(update("a", price="5.00 USD"), allow_upsert=False)) == 1


def test_only_listed_catalogs_exist_once_they_are_listed() -> None:
    meta = Meta(catalogs=["2000"])
    status, body = meta.call(create("a"))
    assert (status, body["error"]["code"]) == (400, 100)
    assert f"Object with ID '{CATALOG}' does not exist" in body["error"]["message"]
