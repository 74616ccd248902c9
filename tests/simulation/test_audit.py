"""What Meta shows is compared with what it confirmed, and set right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from tests.simulation.audits import audited, counts, jobs, open_issues, overwrite
from tests.simulation.world import CATALOG, SLUG, World
from worker.database import ledger
from worker.database.engine import writing
from worker.database.tables import batch, metadata, orphan, run, schedule
from worker.items.states import GONE
from worker.sandbox.batches import BatchFault
from worker.stores.contract import Record
from worker.sync.audit import dry_run


class Asking:
    """Lets the store of a world look up single items. ``asked``: what it was asked for."""

    def __init__(self, world: World) -> None:
        self.asked: list[list[str]] = []
        opened = world.shelf.open

        def fetch(store: Any) -> Callable[[Sequence[str]], Iterable[Record]]:
            def look_up(retailer_ids: Sequence[str]) -> list[Record]:
                self.asked.append(list(retailer_ids))
                return [Record(key, store._raw(key)) for key in retailer_ids if key in world.shelf.items]

            return look_up

        def open_store() -> Any:
            store = opened()
            store.fetch = fetch(store)
            return store

        world.shelf.open = open_store  # type: ignore[method-assign]  # a store that can do more


def test_an_equal_catalog_is_read_and_left_alone(world: World) -> None:
    world.started(*"abcdefg")
    done = audited(world)
    assert counts(done) == ("succeeded", 7, 7, 0, 0, 0, 0)
    assert (done["calls"], world.calls, world.issues(), done["complete"]) == (1, [], [], True)


@pytest.mark.invariant("I3")
def test_what_was_changed_at_meta_is_set_back_by_a_full_where_the_store_cannot_look_up_items(world: World) -> None:
    world.started(*"abcdefg")
    overwrite(world, "a", price="5.00 USD")
    overwrite(world, "b", availability="out of stock")
    overwrite(world, "c", status="archived")
    world.meta.lose_items(CATALOG, ["d"])
    world.shelf.remove("e")
    assert world.run_to_rest("full")["removed"] == 1
    overwrite(world, "e", status="active")
    world.calls.clear()
    done = audited(world)
    assert counts(done) == ("succeeded", 6, 2, 0, 0, 1, 1)
    assert open_issues(world) == [
        ("a", "drift.price"),
        ("b", "drift.availability"),
        ("c", "drift.hidden"),
        ("d", "drift.missing"),
        ("e", "drift.shown"),
    ]
    assert jobs(world)[-2:] == [("audit", "manual"), ("full", "audit")]
    repaired = world.rows(run)[-1]
    assert (repaired.state, repaired.created, repaired.updated, repaired.accepted) == ("succeeded", 1, 3, 4)
    assert (world.differences(), world.wanted("e").status) == ([], GONE)
    again = audited(world)
    assert (again["unchanged"], world.issues(), jobs(world)[-1]) == (7, [], ("audit", "manual"))


def test_where_the_store_can_look_up_items_the_audit_repairs_by_itself(world: World) -> None:
    store = Asking(world)
    world.started(*"abcdefg")
    overwrite(world, "a", price="5.00 USD")
    world.meta.lose_items(CATALOG, ["b", "c"])
    world.shelf.remove("c")
    overwrite(world, "d", status="archived")
    done = audited(world)
    assert counts(done) == ("succeeded", 5, 3, 1, 2, 0, 3)
    assert store.asked == [["a", "b", "c", "d"]]
    assert ([job for job, _ in jobs(world)], world.differences()) == (["full", "audit"], [])
    assert (world.acknowledged("c"), world.rows(batch)[-1].state) == (None, "settled")


@pytest.mark.fault("G25")
def test_what_meta_accepted_and_never_applied_is_found_and_sent_again(world: World) -> None:
    world.started("a", "b")
    world.on_call = lambda edge, _: BatchFault(lose=()) if edge == "items_batch" else None
    world.shelf.put("a", price="11.00 USD")
    world.shelf.put("c")
    assert world.run_to_rest("full")["accepted"] == 2
    world.on_call = lambda *_: None
    assert world.differences() == ["a.price: Meta '10.00 USD', store '11.00 USD'", "c is missing"]
    audited(world)
    assert (world.differences(), open_issues(world)) == ([], [("a", "drift.price"), ("c", "drift.missing")])


def test_what_waits_to_be_sent_or_was_settled_meanwhile_is_not_compared(world: World) -> None:
    world.started("a", "b", "c")
    world.shelf.put("a", price="11.00 USD")
    world.pull("full")
    overwrite(world, "c", price="5.00 USD")
    run_id = world.ask("audit")
    answer = world.meta.products

    def products(catalog_id: str, params: dict[str, Any], **rest: Any) -> Any:
        world.meta.products = answer  # type: ignore[method-assign]  # once
        shown = answer(catalog_id, params, **rest)
        world.now_s += 1
        world.shelf.put("b", price="12.00 USD")
        world.shelf.put("c", price="12.00 USD")
        world.pull("volatile")
        world.until(lambda: world.wanted("b") is None and world.wanted("c") is None)
        return shown

    world.meta.products = products  # type: ignore[method-assign]  # its answer takes a while
    world.deliver(next(wake for _, wake in world.wakes if wake.task == "audit"))
    world.settle_down()
    done = world.run(run_id)
    assert (done["state"], done["pulled"], done["unchanged"], done["updated"]) == ("succeeded", 3, 0, 0)
    assert (world.issues(), [job for job, _ in jobs(world)]) == ([], ["full", "full", "audit", "volatile"])


@pytest.mark.parametrize("changed", [4, 5])
def test_many_differences_are_more_likely_a_misunderstanding(world: World, changed: int) -> None:
    keys = [f"sku-{number:02}" for number in range(18)]
    world.started(*keys)
    for key in keys[: changed * 2]:
        overwrite(world, key, price="5.00 USD")
    done = audited(world)
    believed = changed == 4
    assert (done["state"], world.differences() == []) == (("succeeded", True) if believed else ("failed", False))
    if not believed:
        assert done["error"].startswith("Meta shows 10 of 18 items otherwise than it confirmed them")
        assert (world.calls, world.issues(), [job for job, _ in jobs(world)]) == ([], [], ["full", "audit"])


def test_a_catalog_that_was_emptied_is_filled_again(world: World) -> None:
    keys = [f"sku-{number:02}" for number in range(30)]
    world.started(*keys)
    world.meta.lose_items(CATALOG, keys[:29])
    done = audited(world)
    assert (done["state"], done["pulled"], len(open_issues(world)), world.differences()) == ("succeeded", 1, 29, [])


def test_the_items_of_another_tool_are_reported_and_left_alone(world: World) -> None:
    world.started("a", "b")
    overwrite(world, "theirs", title="Another tool's", price="1.00 USD", availability="in stock")
    for _ in range(3):
        done = audited(world)
        assert counts(done) == ("succeeded", 3, 2, 0, 0, 0, 0)
    assert (open_issues(world), world.calls) == ([("theirs", "orphan")], [])
    (row,) = world.rows(orphan)
    assert (row.retailer_id, row.audits, row.ours) == ("theirs", 3, False)
    world.meta.lose_items(CATALOG, ["theirs"])
    audited(world)
    assert (world.issues(), world.rows(orphan)) == ([], [])


def test_an_orphan_of_ours_is_hidden_by_the_second_audit_that_sees_it(world: World) -> None:
    world.started("a", "b", "c")
    forget(world, "c")
    world.shelf.remove("c")
    first = audited(world)
    assert (counts(first), open_issues(world)) == (("succeeded", 3, 2, 0, 0, 0, 0), [("c", "orphan")])
    second = audited(world)
    assert (counts(second), world.issues()) == (("succeeded", 3, 2, 0, 0, 1, 1), [])
    assert world.sent() == [[{"id": "c", "status": "archived"}]]
    assert (world.rows(orphan), world.differences()) == ([], [])
    world.shelf.put("c")
    world.run_to_rest("full")
    assert world.differences() == []


def test_many_orphans_of_ours_are_left_to_a_person(world: World) -> None:
    keys = [f"sku-{number:02}" for number in range(30)]
    world.started(*keys)
    for key in keys[:10]:
        forget(world, key)
        world.shelf.remove(key)
    for _ in range(3):
        assert audited(world)["removed"] == 0
    assert (world.calls, len(open_issues(world)), all(row.ours for row in world.rows(orphan))) == ([], 10, True)


def forget(world: World, retailer_id: str) -> None:
    """As if the item had been given up before its call landed."""
    with writing(world.engine) as connection:
        ledger.forget(connection, world.shop_id, [retailer_id])


def test_an_item_in_quarantine_is_set_back_with_what_is_at_hand(world: World) -> None:
    world.started("a", "b")
    world.on_call = lambda edge, _: (
        BatchFault(reject={"a": "Image could not be fetched."}) if edge == "items_batch" else None
    )
    world.shelf.put("a", image_link="https://shop.test/i/bad.jpg")
    world.run_to_rest("delta")
    world.on_call = lambda *_: None
    overwrite(world, "a", price="5.00 USD")
    world.calls.clear()
    done = audited(world)
    assert counts(done) == ("succeeded", 2, 1, 0, 1, 0, 1)
    assert world.sent() == [[{"id": "a", "price": "10.00 USD", "availability": "in stock"}]]
    assert (jobs(world)[-1], world.differences()) == (("audit", "manual"), [])


def test_a_dry_run_tells_what_differs_and_changes_nothing(world: World) -> None:
    world.started(*"abcdefg")
    overwrite(world, "a", price="5.00 USD")
    overwrite(world, "theirs", title="Another tool's", price="1.00 USD", availability="in stock")
    world.meta.lose_items(CATALOG, ["b"])
    before = [world.rows(table) for table in metadata.sorted_tables]
    found = dry_run(world.context(), SLUG)
    assert (found.pulled, found.unchanged, found.created, found.updated, found.removed) == (7, 5, 1, 1, 0)
    assert found.samples == {"created": ["b"], "updated": ["a"], "orphans": ["theirs"]}
    assert (found.calls, found.would_be_held) == (1, None)
    assert ([world.rows(table) for table in metadata.sorted_tables], world.calls) == (before, [])


def test_the_audit_renews_no_promise(world: World) -> None:
    world.started("a")
    before = [(row.job, row.accepted_at) for row in world.rows(schedule)]
    audited(world)
    assert [(row.job, row.accepted_at) for row in world.rows(schedule)] == before
