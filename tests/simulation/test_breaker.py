"""Values that change for too many items at once are held; everything else of the same pull goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.test_held_runs import approve, gates, reject, sends
from tests.simulation.world import World
from worker.database.engine import writing
from worker.database.tables import pending, shop
from worker.sync import dry_run

TWENTY = [f"sku-{number:02}" for number in range(20)]
NOT_SENT = "None of this is sent before somebody approves it."


def twenty(world: World) -> None:
    world.shelf.page_size = 5
    world.started(*TWENTY)


def put(world: World, retailer_ids: list[str], **fields: Any) -> None:
    for retailer_id in retailer_ids:
        world.shelf.put(retailer_id, **fields)


def limit(world: World, **limits: float) -> None:
    with writing(world.engine) as connection:
        connection.execute(shop.update().values(limits=limits))


ACCIDENTS: list[Any] = [
    pytest.param({"price": "1000.00 USD"}, "repriced", "would get a price of another size or currency", id="cents"),
    pytest.param({"price": "10.00 EUR"}, "repriced", "would get a price of another size or currency", id="currency"),
    pytest.param({"price": "0.00 USD"}, "sold_out", "could no longer be bought", id="zero"),
    pytest.param({"price": "-1.00 USD"}, "sold_out", "could no longer be bought", id="negative"),
    pytest.param({"price": "NaN USD"}, "sold_out", "could no longer be bought", id="not a number"),
    pytest.param({"price": "1e308 USD"}, "sold_out", "could no longer be bought", id="beyond all bounds"),
    pytest.param({"availability": "out of stock"}, "sold_out", "could no longer be bought", id="stock"),
]


@pytest.mark.parametrize("job", ["full", "volatile"])
@pytest.mark.parametrize(("accident", "counter", "words"), ACCIDENTS)
@pytest.mark.fault("S16")
def test_an_improbable_share_of_prices_or_stock_is_held(
    world: World, job: str, accident: dict[str, str], counter: str, words: str
) -> None:
    twenty(world)
    put(world, TWENTY[:11], **accident)
    put(world, TWENTY[15:16], price="11.00 USD")
    held = world.run_to_rest(job)
    assert (held["state"], held[counter]) == ("held", 11)
    assert held["error"] == f"11 of 20 items that your store returned {words}. {NOT_SENT}"
    assert (sends(world), sorted(gates(world))) == ([TWENTY[15:16]], TWENTY[:11])


@pytest.mark.parametrize(("accident", "counter", "words"), [*ACCIDENTS, ({"title": "Same"}, "rewritten", "")])
def test_up_to_the_share_everything_flows(world: World, accident: dict[str, str], counter: str, words: str) -> None:
    twenty(world)
    put(world, TWENTY[:10], **accident)
    done = world.run_to_rest("full")
    assert (done["state"], done[counter], done["updated"], done["accepted"]) == ("succeeded", 10, 10, 10), words
    assert gates(world) == {}


@pytest.mark.parametrize("fields", [{"title": "Lorem ipsum"}, {"status": "archived"}])
def test_a_catalog_that_is_rewritten_or_hidden_at_once_is_held(world: World, fields: dict[str, str]) -> None:
    twenty(world)
    put(world, TWENTY[:11], **fields)
    held = world.run_to_rest("full")
    assert (held["state"], held["rewritten"] + held["sold_out"], world.calls) == ("held", 11, [])
    assert approve(world, held["id"])["state"] == "succeeded"
    assert world.differences() == []


def test_content_that_changes_with_the_seed_is_not_held(world: World) -> None:
    twenty(world)
    world.seed_part = 2
    put(world, TWENTY, title="By another rule")
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert world.differences() == []


def test_a_gate_of_a_failed_full_does_not_outlive_the_next_one_under_another_seed(world: World) -> None:
    twenty(world)
    world.seed_part += 1
    put(world, TWENTY[:11], title="Another title", price="1000.00 USD")
    world.shelf.cut = True
    assert world.run_to_rest("full")["state"] == "failed"
    assert sorted(gates(world)) == TWENTY[:11]
    # The prices were an accident. The titles are not judged: what shapes the items changed, too.
    put(world, TWENTY[:11], price="10.00 USD")
    world.shelf.cut = False
    done = world.run_to_rest("full")
    assert (done["state"], done["updated"], gates(world), world.differences()) == ("succeeded", 11, {}, [])


def test_a_small_shop_is_never_held_for_its_values(world: World) -> None:
    world.started(*"abcdefghi")
    put(world, [*"abcdefghi"], price="1000.00 USD", title="Another")
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert world.differences() == []


def test_what_looked_improbable_at_first_goes_when_the_rest_is_quiet(world: World) -> None:
    world.shelf.page_size = 12
    world.started(*TWENTY, *(f"tku-{number:02}" for number in range(20)))
    put(world, TWENTY[:12], price="1000.00 USD")
    seen: list[int] = []
    world.shelf.on_page = lambda moment: seen.append(len(gates(world))) if moment == "before" else None
    done = world.run_to_rest("volatile")
    assert seen == [0, 12, 12, 12]
    assert (done["state"], done["repriced"], done["accepted"], gates(world)) == ("succeeded", 12, 12, {})
    assert world.differences() == []


def test_a_held_price_is_not_overtaken_by_a_run_that_sees_it_again(world: World) -> None:
    twenty(world)
    world.now_s += 60
    world.run_to_rest("delta")  # the next one reads no more than what has changed since
    put(world, TWENTY[:12], price="1000.00 USD")
    first = world.run_to_rest("volatile")
    world.now_s += 900
    second = world.run_to_rest("volatile")
    assert (world.run(first["id"])["state"], second["state"], second["repriced"]) == ("superseded", "held", 12)
    # A delta that meets two of them leaves them to that run.
    put(world, TWENTY[:2], title="Another")
    delta = world.run_to_rest("delta")
    assert (delta["state"], world.calls) == ("succeeded", [])
    assert gates(world) == dict.fromkeys(TWENTY[:12], second["id"])
    put(world, TWENTY[:12], price="10.00 USD")
    world.now_s += 900
    done = world.run_to_rest("volatile")
    # Of two items the content has changed meanwhile, of which a volatile pull knows nothing.
    assert (done["state"], sorted(gates(world))) == ("succeeded", TWENTY[:2])
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert (world.run(second["id"])["state"], gates(world), world.differences()) == ("superseded", {}, [])


@pytest.mark.invariant("I4", "I13")
def test_a_pull_that_breaks_off_says_that_what_it_found_improbable_waits(world: World) -> None:
    twenty(world)
    put(world, TWENTY, price="1000.00 USD")

    def breaking(moment: str) -> None:
        if moment == "after":
            world.shelf.failing = 1000

    world.shelf.on_page = breaking
    failed = world.run_to_rest("full")
    waits = "What it found improbable until then waits for the next full sync, which judges it."
    assert (failed["state"], failed["error"]) == ("failed", f"The store does not answer. {waits}")
    assert (world.calls, gates(world)) == ([], dict.fromkeys(TWENTY[:5], failed["id"]))
    world.shelf.on_page = lambda _: None
    world.shelf.failing = 0
    put(world, TWENTY, price="10.00 USD")
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert (world.calls, gates(world), world.differences()) == ([], {}, [])


def test_a_delta_is_judged_by_what_meta_shows(world: World) -> None:
    twenty(world)
    world.shelf.page_size = 12  # of fewer than ten it lets the first ones go
    put(world, TWENTY[:11], title="Lorem ipsum")
    held = world.run_to_rest("delta")
    assert (held["state"], held["rewritten"]) == ("held", 11)
    assert held["error"] == f"11 of 20 items that Meta shows would get another content. {NOT_SENT}"
    assert reject(world, held["id"])["state"] == "canceled"
    assert (world.calls, gates(world)) == ([], {})
    again = world.run_to_rest("full")
    assert (again["state"], again["rewritten"]) == ("held", 11)


def test_a_rejected_price_leaves_the_content_of_an_item_on_its_way(world: World) -> None:
    twenty(world)
    put(world, TWENTY[:1], title="Another")
    world.pull("delta")
    put(world, TWENTY[:12], price="1000.00 USD")
    held = world.pull("volatile")
    assert (world.run(held)["state"], len(gates(world))) == ("held", 12)
    reject(world, held)
    assert sends(world) == [TWENTY[:1]]
    assert ("title" in world.sent()[0][0], "price" in world.sent()[0][0]) == (True, False)
    assert world.rows(pending) == []


def test_a_shop_may_have_thresholds_of_its_own(world: World) -> None:
    twenty(world)
    limit(world, repriced=0.75, missing=0.5)
    put(world, TWENTY[:15], price="1000.00 USD")
    assert world.run_to_rest("volatile")["state"] == "succeeded"
    for retailer_id in TWENTY[:10]:
        world.shelf.remove(retailer_id)
    assert world.run_to_rest("full")["removed"] == 10
    limit(world, missing=0.01)
    for retailer_id in TWENTY[10:14]:
        world.shelf.remove(retailer_id)
    # Fewer than ten, and not more than half.
    assert world.run_to_rest("full")["state"] == "succeeded"
    assert world.differences() == []


@pytest.mark.parametrize("job", ["full", "delta", "volatile"])
def test_a_dry_run_says_what_would_be_held_for_its_values(world: World, job: str) -> None:
    twenty(world)
    put(world, TWENTY[:12], price="1000.00 USD", title="Another")
    found = dry_run.dry_run(world.context(), "acme", job)
    held = world.run_to_rest(job)
    assert held["state"] == "held"
    assert held["error"] == f"{found.would_be_held} {NOT_SENT}"
