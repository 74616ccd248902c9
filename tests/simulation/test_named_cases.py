"""The situations on which the ledger was designed: what the store says and what Meta does cross each other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.shelf import OpenShelf, plain
from tests.simulation.world import World
from worker.database.engine import writing
from worker.database.tables import batch, lease, run, schedule
from worker.sandbox.batches import BatchFault
from worker.sync.context import Wake

REFUSED = "Invalid value: The item was refused by a fault switch of the sandbox."


def title(record: dict[str, Any]) -> Any:
    return record["title"]


def once(world: World, fault: BatchFault) -> None:
    """This goes wrong with the next call."""
    faults = [fault]
    world.on_call = lambda edge, _: faults.pop() if edge == "items_batch" and faults else None


# An item that returns to its acknowledged value


def test_an_item_that_returns_while_its_change_is_pending_is_not_sent(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.pull("full")
    assert world.wanted("a").content_fp != world.acknowledged("a").content_fp
    world.shelf.put("a", title="Item a")
    world.pull("delta")
    assert world.wanted("a").content_fp == world.acknowledged("a").content_fp
    world.settle_down()
    assert (world.calls, world.wanted("a"), world.differences()) == ([], None, [])


@pytest.mark.invariant("I1", "I3")
def test_an_item_that_returns_while_its_change_is_in_flight_is_sent_back_once_that_is_accepted(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.ask("full")
    world.until_call()
    world.shelf.put("a", title="Item a")
    world.pull("delta")
    world.settle_down()
    assert [[title(record) for record in call] for call in world.sent()] == [["Changed"], ["Item a"]]
    assert (world.wanted("a"), world.differences(), world.overlaps) == (None, [], set())


def test_an_item_that_returns_while_its_change_is_in_flight_is_done_if_that_is_rejected(world: World) -> None:
    world.started("a", "b")
    once(world, BatchFault(reject={"a": REFUSED}))
    world.shelf.put("a", title="Changed")
    world.ask("full")
    world.until_call()
    world.shelf.put("a", title="Item a")
    world.pull("delta")
    world.settle_down()
    assert [[title(record) for record in call] for call in world.sent()] == [["Changed"]]
    assert (world.wanted("a"), world.differences(), world.issues()) == (None, [], [])


@pytest.mark.parametrize("landed", [0.0, 1.0])
@pytest.mark.invariant("I5")
@pytest.mark.fault("G18")
def test_an_item_that_returns_while_its_change_has_no_outcome_is_sent_as_it_is_now(world: World, landed: float) -> None:
    world.started("a", "b")
    once(world, BatchFault(ending="error", share=landed))
    world.shelf.put("a", title="Changed")
    world.ask("full")
    world.until_call()
    sent_at = world.calls[0][0]
    world.shelf.put("a", title="Item a")
    world.pull("delta")
    world.settle_down()
    assert [[title(record) for record in call] for call in world.sent()] == [["Changed"], ["Item a"]]
    assert world.calls[1][0] >= sent_at + world.limits.drain_s
    assert (world.wanted("a"), world.differences(), world.overlaps) == (None, [], set())


@pytest.mark.invariant("I6")
def test_a_pull_that_finds_the_acknowledged_value_while_a_batch_is_open_keeps_the_row_closed(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.ask("full")
    world.until_call()
    world.shelf.put("a", title="Item a")
    world.pull("delta")
    row, known = world.wanted("a"), world.acknowledged("a")
    assert (row.content_fp, row.batch_id) == (known.content_fp, world.rows(batch)[-1].id)
    # Whatever is delivered meanwhile, the item stays in the one batch.
    world.deliver(Wake("push", str(world.shop_id)))
    assert (len(world.calls), world.wanted("a").batch_id) == (1, row.batch_id)
    world.settle_down()
    assert (len(world.calls), world.differences()) == (2, [])


# Volatile and full side by side


def test_after_a_price_was_settled_the_next_full_sends_nothing(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", price="11.00 USD")
    world.run_to_rest("volatile")
    assert (len(world.calls), world.acknowledged("a").src_fp) == (1, 0)
    first = world.run_to_rest("full")
    assert (len(world.calls), first["state"], first["unchanged"], first["calls"]) == (1, "succeeded", 2, 0)
    assert world.acknowledged("a").src_fp != 0
    assert world.run_to_rest("full")["unchanged"] == 2
    assert (len(world.calls), world.differences()) == (1, [])


@pytest.mark.parametrize("settled_first", [False, True])
@pytest.mark.invariant("I7")
def test_a_page_that_is_older_than_a_volatile_pull_does_not_bring_its_price_back(
    world: World, settled_first: bool
) -> None:
    world.started("a", "b")
    world.shelf.put("a", price="11.00 USD", title="Changed")

    def overtaken(moment: str) -> None:
        if moment != "after":
            return
        world.shelf.on_page = lambda _: None
        world.shelf.put("a", price="12.00 USD")
        world.pull("volatile")
        if settled_first:
            world.meta.settings.latency_s = 0.0
            world.until(lambda: world.wanted("a") is None)

    world.shelf.on_page = overtaken
    world.run_to_rest("full")
    assert {record["price"] for call in world.sent() for record in call if "price" in record} == {"12.00 USD"}
    assert [record["title"] for call in world.sent() for record in call if "title" in record] == ["Changed"]
    assert (world.differences(), world.wanted("a")) == ([], None)


def test_a_price_does_not_wait_for_the_content_that_a_full_found(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.pull("full")
    world.shelf.put("a", price="11.00 USD")
    world.pull("volatile")
    world.settle_down()
    assert world.sent()[0] == [{"id": "a", "price": "11.00 USD", "availability": "in stock"}]
    assert [title(record) for record in world.sent()[1]] == ["Changed"]
    assert (len(world.calls), world.overlaps, world.differences()) == (2, set(), [])


# Gone and back


def test_an_archived_item_that_comes_back_byte_for_byte_is_shown_again(world: World) -> None:
    world.started("a", "b", "c")
    world.shelf.remove("a")
    gone = world.run_to_rest("full")
    assert (world.sent(), gone["removed"]) == ([[{"id": "a", "status": "archived"}]], 1)
    assert world.acknowledged("a").src_fp == 0
    assert sorted(world.at_meta()) == ["b", "c"]
    world.shelf.put("a")
    back = world.run_to_rest("full")
    assert (back["updated"], back["accepted"], back["rejected"]) == (1, 1, 0)
    assert [(record["id"], record["status"]) for record in world.sent()[1]] == [("a", "active")]
    assert (len(world.calls), world.differences()) == (2, [])
    assert world.run_to_rest("full")["unchanged"] == 3


@pytest.mark.invariant("I3")
def test_an_item_that_is_back_before_its_archive_settled_is_shown_again(world: World) -> None:
    world.started("a", "b", "c")
    world.shelf.remove("a")
    world.ask("full")
    world.until_call()
    world.shelf.put("a")
    world.run_to_rest("full")
    assert [[record["status"] for record in call] for call in world.sent()] == [["archived"], ["active"]]
    assert (world.differences(), world.wanted("a"), world.overlaps) == ([], None, set())


def test_an_item_that_is_back_before_its_archive_was_sent_is_not_archived(world: World) -> None:
    world.started("a", "b", "c")
    world.shelf.remove("a")
    world.pull("full")
    world.shelf.put("a")
    world.pull("delta")
    world.settle_down()
    assert (world.calls, world.differences(), world.wanted("a")) == ([], [], None)


# Another seed


def test_a_change_of_the_seed_reads_everything_again_and_sends_only_what_comes_out_different(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.started("a", "b", "c")
    fields = OpenShelf.fields
    branded = lambda self, record: fields(self, record) | ({"brand": "New"} if record.retailer_id == "b" else {})  # noqa: E731
    monkeypatch.setattr(OpenShelf, "fields", branded)
    assert world.run_to_rest("full")["calls"] == 0  # the same bytes under the same seed are not looked at
    before = {row: world.acknowledged(row).src_fp for row in "abc"}
    world.seed_part = 2
    again = world.run_to_rest("full")
    assert (again["unchanged"], again["updated"], again["calls"]) == (2, 1, 1)
    assert [[(record["id"], record["brand"]) for record in call] for call in world.sent()] == [[("b", "New")]]
    assert all(world.acknowledged(row).src_fp != before[row] for row in "abc")
    assert world.run_to_rest("full")["unchanged"] == 3
    assert len(world.calls) == 1


@pytest.mark.parametrize(("seed_part", "forced"), [(1, False), (2, True)])
def test_an_incremental_pull_under_another_seed_forces_a_full(world: World, seed_part: int, forced: bool) -> None:
    world.started("a", "b")
    tomorrow = world.rows(run)[0].finished_at.replace(year=2040)
    with writing(world.engine) as connection:
        connection.execute(schedule.update().values(next_run_at=tomorrow))
    world.seed_part = seed_part
    delta = world.run_to_rest("delta")
    due = {row.job: row.next_run_at for row in world.rows(schedule)}
    assert due == {"delta": tomorrow, "volatile": tomorrow, "full": delta["started_at"] if forced else tomorrow}


# A lost lease, and a doubled error


def test_a_handle_recorded_by_a_worker_that_has_lost_its_lease_counts(world: World) -> None:
    world.shelf.put("a")
    held_up: list[int] = []

    def on_step(name: str) -> None:
        if name == "after items_batch" and not held_up:
            held_up.append(world.rows(lease)[0].epoch)
            world.now_s += 100  # past the lease of 90 s
            world.deliver(Wake("push", str(world.shop_id)))
            (row,) = world.rows(batch)
            assert (row.state, row.handle) == ("unknown", None)

    world.on_step = on_step
    done = world.run_to_rest("full")
    (row,) = world.rows(batch)
    assert (row.state, row.accepted, row.epoch) == ("settled", 1, 1)
    assert next(entry.epoch for entry in world.rows(lease) if entry.lane == "push") > row.epoch
    assert (done["state"], done["accepted"], len(world.calls), world.differences()) == ("succeeded", 1, 1, [])


@pytest.mark.invariant("I6")
@pytest.mark.fault("N13")
def test_a_worker_that_has_lost_its_lease_sends_nothing_more(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", title="Changed")
    world.pull("full")
    moments: list[str] = []

    def on_step(name: str) -> None:
        moments.append(name)
        # Between taking the lease and picking, the worker stands still; another does the work.
        if moments.count("begin") == 2 and name == "begin":
            world.on_step = lambda _: None
            world.now_s += 100
            world.shelf.put("b", title="Changed")
            world.deliver(Wake("push", str(world.shop_id)))
            world.pull("delta")

    world.on_step = on_step
    world.deliver(Wake("push", str(world.shop_id)))
    assert ([[record["id"] for record in call] for call in world.sent()], world.intruders) == ([["a"]], [])
    world.settle_down()
    assert [[record["id"] for record in call] for call in world.sent()] == [["a"], ["b"]]
    assert (world.differences(), world.intruders) == ([], [])


def test_two_errors_on_one_item_reject_it_once_and_nothing_else(world: World) -> None:
    for retailer_id in ("a", "b", "c"):
        world.shelf.put(retailer_id)
    price = "Invalid value: The price is not a price."
    once(world, BatchFault(reject={"a": price}, foreign=("a",), reject_message="Image could not be fetched."))
    done = world.run_to_rest("full")
    assert (done["state"], done["accepted"], done["rejected"]) == ("succeeded", 2, 1)
    assert world.issues() == [("a", "batch", "image_link.invalid"), ("a", "batch", "price.invalid")]
    assert (world.wanted("a").attempts, sorted(world.at_meta())) == (1, ["b", "c"])


def test_a_price_change_sends_the_id_and_the_volatile_fields_alone(world: World) -> None:
    world.started("a", "b")
    world.shelf.put("a", price="11.00 USD")
    done = world.run_to_rest("volatile")
    assert [(records, upsert) for _, records, upsert in world.calls] == [
        ([{"method": "UPDATE", "data": {"id": "a", "price": "11.00 USD", "availability": "in stock"}}], False)
    ]
    assert (done["updated"], done["accepted"], done["calls"], world.differences()) == (1, 1, 1, [])
    world.shelf.put("b", price="12.00 USD")
    world.run_to_rest("full")
    assert [(record["data"].keys(), upsert) for _, (record,), upsert in world.calls[1:]] == [
        ({"id", "price", "availability"}, False)
    ]
    assert plain("b")["title"] == world.at_meta()["b"]["title"]
