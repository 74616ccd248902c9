"""A shop's mapping, from the pull to what Meta shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.simulation.shelf import OpenShelf, Shelf
from tests.simulation.world import SLUG, World
from worker.database.engine import writing
from worker.database.tables import shop
from worker.stores.contract import Record
from worker.sync.dry_run import dry_run

QUANTITY = "quantity_to_sell_on_facebook"


def remap(world: World, mapping: dict[str, Any], options: dict[str, str] | None = None) -> None:
    """What ``shop mapping`` writes."""
    with writing(world.engine) as connection:
        connection.execute(shop.update().values(mapping=mapping, store_options=options or {}))


def filled(world: World, *retailer_ids: str) -> None:
    for retailer_id in retailer_ids:
        world.shelf.put(retailer_id)
    assert world.run_to_rest("full")["state"] == "succeeded"


def shown(world: World) -> list[str]:
    return sorted(world.at_meta())


def test_what_a_filter_leaves_out_is_hidden_at_meta_and_comes_back_with_it(world: World) -> None:
    world.shelf.put("b", brand="Other")
    world.started("a", "c")
    remap(world, {"include": {"brand": "plain"}})
    out = world.run_to_rest("full")
    assert (out["removed"], out["state"], shown(world)) == (1, "succeeded", ["a", "c"])
    assert [[(record["id"], record["status"]) for record in call] for call in world.sent()] == [[("b", "archived")]]

    world.shelf.put("b", title="Changed while it was left out", price="20.00 USD")
    assert world.run_to_rest("volatile")["calls"] == world.run_to_rest("full")["calls"] == 0
    remap(world, {})
    back = world.run_to_rest("full")
    assert (back["updated"], shown(world), world.differences()) == (1, ["a", "b", "c"], [])


def test_what_is_left_out_from_the_start_is_never_sent(world: World) -> None:
    remap(world, {"exclude": {"title": "Item b"}})
    filled(world, "a", "b")
    assert (shown(world), world.tried["1001", "b"], world.issues()) == (["a"], 0, [])


def test_the_buffer_is_held_back_in_the_volatile_lane_too(world: World) -> None:
    world.shelf.put("a", **{QUANTITY: 5})
    remap(world, {"stock": {"buffer": 2}})
    filled(world, "b")
    stock = lambda: tuple(world.at_meta()["a"].get(name) for name in (QUANTITY, "availability"))  # noqa: E731
    assert stock() == (3, "in stock")
    assert world.run_to_rest("volatile")["unchanged"] == 2

    world.shelf.put("a", **{QUANTITY: 2})
    assert world.run_to_rest("volatile")["updated"] == 1
    assert stock() == (0, "out of stock")
    full = world.run_to_rest("full")
    assert (full["unchanged"], full["calls"]) == (2, 0)


@pytest.mark.parametrize("changed", ["mapping", "options"])
def test_a_pull_under_way_begins_again_under_a_changed_mapping(world: World, changed: str) -> None:
    world.shelf.put("a", google_product_category="1")
    for number in range(12):
        world.shelf.put(f"b{number:02}", google_product_category="1")
    rules = {"category": [{"set": {"google_product_category": "187"}}]}
    pages: list[str] = []

    def on_page(when: str) -> None:
        pages.append(when)
        if pages.count("before") == 3 and when == "before":
            remap(world, rules if changed == "mapping" else {}, {} if changed == "mapping" else {"country": "DE"})

    world.shelf.on_page = on_page
    run = world.run_to_rest("full")
    assert (run["state"], run["pulled"]) == ("succeeded", 13)
    # Two pages, the one that was read under the old mapping and is not merged, and all four once more.
    assert pages.count("before") == 7
    found = {item.get("google_product_category") for item in world.at_meta().values()}
    assert found == ({"187"} if changed == "mapping" else {"1"})
    assert world.shop().seed == run["seed"] != 0


def test_a_dry_run_tries_another_mapping_and_writes_nothing(world: World) -> None:
    world.shelf.put("b", brand="Other")
    world.started("a", "c")
    before = world.shop()
    found = dry_run(world.context(), SLUG, "full", {"mapping": {"include": {"brand": "plain"}}, "store_options": {}})
    assert (found.removed, found.unchanged, found.samples) == (1, 2, {"removed": ["b"]})
    assert dry_run(world.context(), SLUG, "full").unchanged == 3
    assert (world.shop(), world.calls) == (before, [])


def test_items_go_by_the_ids_of_the_template_in_every_lane(world: World) -> None:
    remap(world, {"id": {"template": "eu-{sku}"}})
    world.shelf.put("1", sku="A")
    world.shelf.put("2", sku="B")
    assert world.run_to_rest("full")["created"] == 2
    assert shown(world) == ["eu-A", "eu-B"]
    world.shelf.put("1", price="12.00 USD")
    assert world.run_to_rest("volatile")["updated"] == 1
    world.shelf.put("2", title="Changed")
    assert world.run_to_rest("delta")["updated"] == 1
    found = world.at_meta()
    assert (found["eu-A"]["price"], found["eu-B"]["title"]) == ("12.00 USD", "Changed")
    world.shelf.remove("2")
    assert world.run_to_rest("full")["removed"] == 1
    assert shown(world) == ["eu-A"]


def test_what_seems_to_be_gone_is_looked_up_by_its_own_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(store: OpenShelf, retailer_ids: Sequence[str]) -> list[Record]:
        asked.extend(retailer_ids)
        return [Record(key, store._raw(key)) for key in retailer_ids if key in world.shelf.items]

    monkeypatch.setattr(OpenShelf, "fetch", fetch)
    remap(world, {"id": {"template": "eu-{id}"}})
    filled(world, *"abcdefgh")
    world.shelf.remove("c")
    world.shelf.shown = world.shelf.items.keys() - {"b"}  # its listing loses one that is there
    assert world.run_to_rest("full")["removed"] == 1
    assert (sorted(asked), shown(world)) == (["b", "c"], [f"eu-{key}" for key in "abdefgh"])


def test_a_variant_without_a_sku_is_not_sent_and_nothing_is_removed_meanwhile(world: World) -> None:
    remap(world, {"id": {"template": "{sku}"}})
    for number in "123":
        world.shelf.put(number, sku=f"S{number}")
    assert world.run_to_rest("full")["created"] == 3
    world.shelf.put("1", sku=None)
    world.shelf.remove("3")
    nameless = world.run_to_rest("full")
    assert (nameless["state"], nameless["complete"], nameless["unidentified"]) == ("succeeded", False, 1)
    assert (shown(world), world.issues()) == (["S1", "S2", "S3"], [("", "rules", "id.unnamed")])
    world.shelf.put("1", sku="S1")
    world.run_to_rest("full")
    assert (shown(world), world.issues()) == (["S1", "S2"], [])


def test_of_two_variants_with_one_sku_the_first_counts_and_the_merchant_is_told(world: World) -> None:
    remap(world, {"id": {"template": "{sku}"}})
    world.shelf.put("1", sku="S", title="First")
    world.shelf.put("2", sku="S", title="Second")
    world.run_to_rest("full")
    assert {key: item["title"] for key, item in world.at_meta().items()} == {"S": "First"}
    assert world.issues() == [("S", "rules", "id.duplicate")]


def test_a_filter_that_leaves_out_most_of_a_catalog_waits_for_a_person(world: World) -> None:
    filled(world, *(f"a{number:02}" for number in range(20)))
    remap(world, {"exclude": {"title": "item *"}})
    assert world.run_to_rest("full")["state"] == "held"
    assert len(shown(world)) == 20


def test_a_store_that_was_opened_under_an_older_mapping_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.shelf.put("1", sku="A")
    opened: list[OpenShelf] = []

    def open_shelf(shelf: Shelf) -> OpenShelf:
        if not opened:
            remap(world, {"id": {"template": "{sku}"}})
        opened.append(OpenShelf(shelf))
        return opened[-1]

    monkeypatch.setattr(Shelf, "open", open_shelf)
    assert world.run_to_rest("full")["created"] == 1
    assert (len(opened), shown(world)) == (2, ["A"])
