"""What Meta refuses, forgets, loses or never answers."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import httpx
import pytest

from tests.simulation.meta_answers import Answer, answering, refusal
from tests.simulation.world import CATALOG, SLUG, World
from worker.database import shops
from worker.database.engine import writing
from worker.database.tables import batch, pending
from worker.errors import BadInput
from worker.sandbox.batches import BatchFault
from worker.sync.requests import request_run


def put(world: World, *retailer_ids: str) -> None:
    for retailer_id in retailer_ids:
        world.shelf.put(retailer_id)


@pytest.mark.invariant("I11")
def test_a_throttle_is_waited_out_and_uses_no_attempt(world: World) -> None:
    put(world, "a", "b")
    times: list[float] = []

    def judge(_: list[str]) -> Answer:
        times.append(world.now_s)
        return refusal(80014, "There have been too many calls") if len(times) <= 3 else None

    answering(world, judge)
    world.ask("full")
    world.until(lambda: len(times) == 3)
    assert [(row.attempts, row.strikes, row.share_limit, row.uncertain) for row in world.rows(pending)] == [
        (0, 0, 0, 0)
    ] * 2
    world.settle_down()
    assert [round(after - before) for before, after in pairwise(times)] == [15, 30, 60]
    assert (len(world.calls), world.issues(), world.differences()) == (1, [], [])
    assert [row.state for row in world.rows(batch)] == ["refused"] * 3 + ["settled"]


@pytest.mark.invariant("I11")
@pytest.mark.fault("G7")
def test_a_refused_token_stops_the_shop_until_there_is_another(world: World) -> None:
    world.started("a", "b")
    put(world, "c")
    answering(world, lambda _: refusal(190, "Error validating access token"))
    run_id = world.ask("full")
    world.until(lambda: world.shop().state != "active")
    asked = world.asked
    failed = world.run(run_id)
    assert (world.shop().state, failed["state"]) == ("needs_token", "failed")
    assert failed["error"] == world.shop().reason
    assert failed["error"].endswith("store it with 'shop token'.")
    with pytest.raises(BadInput, match="waiting for a new token"):
        world.ask("full")
    for _ in range(60):
        world.now_s += 600
        world.sweep()
        while world.step():
            pass
    assert (world.asked, world.wanted("c").batch_id, world.wanted("c").attempts) == (asked, None, 0)
    world.on_call = lambda *_: None
    with writing(world.engine) as connection:
        shops.set_state(connection, world.shop_id, "active")
    world.sweep()
    world.settle_down()
    assert (world.differences(), world.wanted("c")) == ([], None)


@pytest.mark.invariant("I11", "I13")
@pytest.mark.fault("G7")
def test_a_token_that_is_refused_while_a_handle_is_open_fails_the_run_and_loses_nothing(world: World) -> None:
    put(world, "a")
    world.on_call = lambda edge, _: refusal(190, "Error validating access token") if edge != "items_batch" else None
    run_id = world.ask("full")
    world.until(lambda: world.shop().state != "active")
    assert (world.run(run_id)["state"], world.rows(batch)[0].state) == ("failed", "sent")
    world.on_call = lambda *_: None
    with writing(world.engine) as connection:
        shops.set_state(connection, world.shop_id, "active")
    world.settle_down()
    assert (len(world.calls), world.rows(batch)[0].state, world.differences()) == (1, "settled", [])


@pytest.mark.invariant("I10")
def test_a_rejected_item_is_not_sent_again_before_its_data_changes(world: World) -> None:
    put(world, "a", "b")
    calls = answering(world, lambda _: BatchFault(reject={"a": "Image could not be fetched."}))
    first = world.run_to_rest("full")
    assert (first["created"], first["accepted"], first["rejected"]) == (2, 1, 1)
    assert world.issues() == [("a", "batch", "image_link.invalid")]
    for job in ("full", "delta", "volatile"):
        assert world.run_to_rest(job)["calls"] == 0
    world.on_call = lambda *_: None
    world.shelf.put("a", image_link="https://shop.test/i/other.jpg")
    again = world.run_to_rest("delta")
    assert (calls, [[record["id"] for record in call] for call in world.sent()]) == ([["a", "b"]], [["a", "b"], ["a"]])
    assert (again["accepted"], world.issues(), world.differences()) == (1, [], [])


@pytest.mark.invariant("I10")
def test_a_rejected_item_is_tried_again_after_a_day_and_then_after_two(world: World) -> None:
    put(world, "a", "b")
    times: list[float] = []

    def judge(_: list[str]) -> Answer:
        times.append(world.now_s)
        return BatchFault(reject={"a": "Image could not be fetched."})

    answering(world, judge)
    world.run_to_rest("full")
    for _ in range(4 * 24):
        world.now_s += 3600
        world.sweep()
        while world.step():
            pass
    assert [round((at - times[0]) / 86_400, 1) for at in times] == [0.0, 1.0, 3.0]
    assert world.wanted("a").attempts == 3


def test_rejected_content_does_not_stop_prices(world: World) -> None:
    world.started("a", "b")
    answering(world, lambda _: BatchFault(reject={"a": "Image could not be fetched."}))
    world.shelf.put("a", image_link="https://shop.test/i/bad.jpg")
    world.run_to_rest("delta")
    world.on_call = lambda *_: None
    world.shelf.put("a", price="11.00 USD")
    assert world.run_to_rest("volatile")["accepted"] == 1
    assert world.sent()[1] == [{"id": "a", "price": "11.00 USD", "availability": "in stock"}]
    assert world.issues() == [("a", "batch", "image_link.invalid")]


def test_an_item_that_meta_lost_is_created_again_by_the_next_full(world: World) -> None:
    world.started("a", "b")
    assert world.meta.lose_items(CATALOG, ["a"]) == ["a"]
    world.shelf.put("a", price="11.00 USD")
    lost = world.run_to_rest("volatile")
    assert (lost["rejected"], world.acknowledged("a"), world.wanted("a")) == (1, None, None)
    assert world.issues() == [("a", "batch", "item.missing")]
    back = world.run_to_rest("full")
    assert (back["created"], back["accepted"], world.issues(), world.differences()) == (1, 1, [], [])
    assert [(upsert, len(records)) for _, records, upsert in world.calls] == [(False, 1), (True, 1)]


def test_the_removal_of_what_meta_does_not_have_is_done(world: World) -> None:
    world.started("a", "b", "c")
    world.meta.lose_items(CATALOG, ["a"])
    world.shelf.remove("a")
    gone = world.run_to_rest("full")
    assert (gone["removed"], gone["accepted"], gone["rejected"]) == (1, 1, 0)
    assert (world.acknowledged("a"), world.wanted("a"), world.differences()) == (None, None, [])


@pytest.mark.fault("G2")
def test_a_call_that_is_too_much_is_halved_until_it_passes(world: World) -> None:
    put(world, *"abcdefgh")
    too_much = "Please reduce the amount of data you're asking for, then retry your request"
    calls = answering(world, lambda ids: refusal(1, too_much) if len(ids) > 2 else None)
    done = world.run_to_rest("full")
    assert [len(ids) for ids in calls] == [8, 4, 2, 2, 4, 2, 2]
    assert (done["state"], done["accepted"], done["rejected"], world.issues()) == ("succeeded", 8, 0, [])
    assert (world.differences(), world.rows(pending)) == ([], [])


@pytest.mark.invariant("I10")
@pytest.mark.fault("G9")
def test_a_poison_item_ends_alone_in_quarantine_and_the_others_arrive(world: World) -> None:
    put(world, *"abcdefg", "poison")
    calls = answering(world, lambda ids: refusal(100, "Invalid parameter") if "poison" in ids else None)
    done = world.run_to_rest("full")
    assert (done["state"], done["created"], done["accepted"], done["rejected"]) == ("succeeded", 8, 7, 1)
    assert calls[-1] == ["poison"]
    assert (sorted(world.at_meta()), [row.retailer_id for row in world.rows(pending)]) == ([*"abcdefg"], ["poison"])
    ((retailer_id, source, _),) = world.issues()
    assert (retailer_id, source) == ("poison", "batch")
    assert len(calls) < 20
    assert world.run_to_rest("full")["calls"] == 0


@pytest.mark.invariant("I5")
@pytest.mark.fault("G19")
def test_an_unknown_outcome_stays_closed_until_it_can_no_longer_land_and_is_then_sent_as_it_is_now(
    world: World,
) -> None:
    world.started("a", "b")
    lost: list[str] = []

    def on_step(name: str) -> None:
        if name == "after items_batch" and not lost:
            lost.append(name)
            raise httpx.ReadError("the connection was reset")

    world.on_step = on_step
    world.shelf.put("a", price="11.00 USD", title="First")
    world.ask("full")
    world.until(lambda: bool(lost))
    sent_at = world.calls[0][0]
    world.until(lambda: world.rows(batch)[-1].state == "unknown")
    world.now_s = sent_at + 100
    world.shelf.put("a", price="12.00 USD", title="Second")
    world.pull("volatile")
    world.pull("delta")
    while min(at for at, _ in world.wakes) < sent_at + world.limits.drain_s:
        world.step()
        assert len(world.calls) == 1
    world.settle_down()
    assert [record["price"] for call in world.sent() for record in call] == ["11.00 USD", "12.00 USD", "12.00 USD"]
    assert [record.get("title") for call in world.sent() for record in call] == ["First", None, "Second"]
    assert (world.overlaps, world.differences(), world.rows(pending)) == (set(), [], [])


@pytest.mark.invariant("I10")
@pytest.mark.fault("G17")
def test_an_item_whose_outcome_is_never_known_is_not_sent_for_ever(world: World) -> None:
    put(world, "a")
    calls = answering(world, lambda _: BatchFault(forget=True))
    done = world.run_to_rest("full")
    assert (calls, done["state"], done["rejected"]) == ([["a"], ["a"]], "succeeded", 1)
    ((retailer_id, source, _),) = world.issues()
    assert (retailer_id, source) == ("a", "batch")
    assert world.wanted("a").due_at > (world.now_s + 12 * 3600) * 1000


def test_a_pause_in_the_middle_of_a_run_sends_nothing_more_until_it_ends(world: World) -> None:
    put(world, *"abcdef")
    answering(world, lambda ids: refusal(2, "try again"))
    world.ask("full")
    world.until(lambda: bool(world.rows(batch)))
    asked = world.asked
    with writing(world.engine) as connection:
        shops.set_state(connection, world.shop_id, "paused", "Stock-taking.")
    world.on_call = lambda *_: None
    for _ in range(20):
        world.now_s += 600
        world.sweep()
        while world.step():
            pass
    assert (world.asked, len(world.rows(pending))) == (asked, 6)
    with pytest.raises(BadInput, match="paused: Stock-taking"):
        request_run(world.context(), SLUG, "volatile")
    with writing(world.engine) as connection:
        shops.set_state(connection, world.shop_id, "active")
    world.settle_down()
    assert (len(world.calls), world.differences()) == (1, [])


@pytest.mark.invariant("I13")
def test_a_run_whose_items_are_not_settled_within_a_day_fails_and_leaves_them_to_the_next(world: World) -> None:
    put(world, "a")
    answering(world, lambda _: refusal(80014, "There have been too many calls"))
    run_id = world.ask("full")
    for _ in range(28 * 2):
        world.now_s += 1800
        world.sweep()
        while world.wakes and world.wakes[0][0] <= world.now_s:
            world.step()
    ended = world.run(run_id)
    assert (ended["state"], ended["error"]) == (
        "failed",
        "Its items were not settled within a day; they stay pending and go with the next run.",
    )
    assert timedelta(hours=26) <= ended["finished_at"] - ended["started_at"] <= timedelta(hours=27)
    world.on_call = lambda *_: None
    done = world.run_to_rest("full")
    assert (done["state"], done["created"], done["accepted"], world.differences()) == ("succeeded", 0, 1, [])


def test_a_handle_that_does_not_finish_keeps_no_price_from_being_read(world: World) -> None:
    world.started("a", "b")
    world.on_call = lambda edge, _: BatchFault(ending="never") if edge == "items_batch" else None
    world.shelf.put("a", price="11.00 USD")
    stuck = world.ask("volatile")
    world.until_call()
    world.on_call = lambda *_: None
    world.shelf.put("b", price="12.00 USD")
    following = world.ask("volatile")
    assert world.run(following)["state"] == "queued"
    assert world.ask("volatile") == following
    asked_at = world.now_s
    while world.run(following)["state"] != "succeeded" and world.now_s < asked_at + 600:
        world.sweep()
        world.step()
    assert (world.run(stuck)["state"], world.run(following)["state"]) == ("pushing", "succeeded")
    assert world.at_meta()["b"]["price"] == "12.00 USD"
    world.settle_down()
    assert (world.run(stuck)["state"], world.differences()) == ("succeeded", [])
