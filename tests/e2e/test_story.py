"""A shop's life as its operator sees it: typed commands, their JSON and exit codes, and what reaches Meta."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.e2e.processes import RUN_KEYS, TOKEN, product, products, until, write_feed
from worker.cli.comparison import compare

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# Two stories are told on Redis and PostgreSQL too. The others would only take the time once more.
on_embedded_defaults = pytest.mark.parametrize("site", ["embedded"], indirect=True, scope="module")

VOLATILE = {"price", "sale_price", "sale_price_effective_date", "availability", "quantity_to_sell_on_facebook"}


def sent(sandbox, catalog, *, after=0):
    """The calls that carried items of this catalog since the call of that number."""
    return [call for call in sandbox.calls("items_batch", after=after) if call["catalog"] == catalog]


def last_call(sandbox):
    calls = sandbox.calls()
    return calls[-1]["seq"] if calls else 0


LONG_S = 3600.0
"""Until a batch lands that shall not land before ``let_land``."""


def let_land(sandbox, catalog):
    """What was delayed at Meta ends now."""
    with sandbox.world.lock:
        for batch in sandbox.world.model.batches.values():
            if batch.catalog_id == catalog:
                batch.duration_s = 0.0


def test_a_catalog_follows_its_store_through_all_three_jobs(site, sandbox):
    catalog = "1001"
    slug = "acme"
    site.add_feed(slug, sandbox.feed_url, catalog)
    store = {item["id"]: item for item in reversed(sandbox.control("store/items"))}

    first = site.sync("full", slug)
    assert list(first) == RUN_KEYS
    assert datetime.fromisoformat(first["started_at"]) <= datetime.fromisoformat(first["finished_at"])
    assert first["started_at"].endswith("Z")
    problems = site.json("issues", slug)
    by_rules = {row["retailer_id"] for row in problems if (row["source"], row["severity"]) == ("rules", "error")}
    by_meta = {row["retailer_id"] for row in problems if row["source"] in ("validation", "batch")}
    assert {name: first[name] for name in RUN_KEYS[1:4] + RUN_KEYS[6:]} == {
        "shop": slug,
        "job": "full",
        "state": "succeeded",
        "pulled": len(store) + 1,  # one id stands there twice
        "invalid": len(by_rules),
        "unchanged": 0,
        "created": len(store) - len(by_rules),
        "updated": 0,
        "removed": 0,
        "accepted": len(store) - len(by_rules) - len(by_meta),
        "rejected": len(by_meta),
        "pending": 0,
        "calls": 1,
        "error": None,
    }
    assert compare(sandbox.feed_url, sandbox.items(catalog), by_rules | by_meta).different == []

    seen = last_call(sandbox)
    again = site.sync("full", slug)
    assert sent(sandbox, catalog, after=seen) == []
    assert [again[name] for name in ("unchanged", "created", "updated", "removed", "accepted", "calls")] == [
        len(store) - len(by_rules), 0, 0, 0, 0, 0,
    ]  # fmt: skip

    mug = next(key for key in store if key.startswith("mug-"))
    sandbox.change_item(mug, price="123.45 USD")
    priced = site.sync("volatile", slug)
    (call,) = sent(sandbox, catalog, after=seen)
    (record,) = call["records"]
    assert record["method"] == "UPDATE"
    assert call["allow_upsert"] is False
    assert set(record["data"]) <= {"id"} | VOLATILE
    assert (record["data"]["id"], record["data"]["price"]) == (mug, "123.45 USD")
    assert [priced[name] for name in ("updated", "accepted", "rejected", "pending", "calls")] == [1, 1, 0, 0, 1]

    seen = last_call(sandbox)
    sandbox.change_item(mug, title="Mug for two")
    renamed = site.sync("delta", slug)
    (call,) = sent(sandbox, catalog, after=seen)
    assert [(entry["data"]["id"], entry["data"]["title"]) for entry in call["records"]] == [(mug, "Mug for two")]
    assert [renamed[name] for name in ("created", "updated", "accepted", "calls")] == [0, 1, 1, 1]

    seen = last_call(sandbox)
    gone = next(key for key in store if key.startswith("lamp-"))
    sandbox.control(f"store/items/{gone}", method="DELETE")
    removed = site.sync("full", slug)
    (call,) = sent(sandbox, catalog, after=seen)
    assert call["records"] == [{"method": "UPDATE", "data": {"id": gone, "status": "archived"}}]
    assert [removed[name] for name in ("created", "updated", "removed", "accepted", "calls")] == [0, 0, 1, 1, 1]
    assert sandbox.items(catalog)[gone]["status"] == "archived"

    sandbox.control("store/items", store[gone])
    returned = site.sync("full", slug)
    assert sandbox.items(catalog)[gone]["status"] == "active"
    assert returned["accepted"] == 1

    listed = site.json("runs", slug)
    assert [run["job"] for run in listed] == ["full", "full", "delta", "volatile", "full", "full"]
    assert listed[-1] == first
    assert site.json("runs", "show", first["run"]) == first


@on_embedded_defaults
def test_what_is_known_of_items_and_shops_can_be_asked(site, sandbox):
    catalog, slug, feed = "1002", "asked", site.directory / "asked.csv"
    items = {
        **products(3),
        "no-price": product(4, price=""),
        "to-domain": product(5, link="https://shop.example/"),
    }
    write_feed(feed, items)
    site.add_feed(slug, feed, catalog)
    before = site.json("shop", "status", slug)
    assert [before[0]["freshness"][job]["age_s"] for job in ("full", "delta", "volatile")] == [None, None, None]
    run = site.sync("full", slug)

    problems = site.json("issues", slug)
    named = ("retailer_id", "source", "severity", "code", "owner", "count")
    assert [tuple(row[name] for name in named) for row in problems] == [
        ("no-price", "rules", "error", "price.missing", "merchant", 1),
        ("to-domain", "batch", "error", "link.invalid", "merchant", 1),
    ]
    assert list(problems[0]) == (
        "retailer_id source severity code message action url owner first_seen last_seen count resolved_at".split()
    )
    assert [row["action"] for row in problems if not row["action"].endswith(".")] == []
    assert [row["resolved_at"] for row in problems] == [None, None]

    item = site.json("item", slug, "mug-1")
    (carried,) = item["sent"]
    (call,) = sent(sandbox, catalog)
    assert (item["state"], item["desired"], item["issues"]) == ("acknowledged", None, [])
    assert (carried["handle"], carried["state"]) == (call["handle"], "settled")
    assert carried["carried"] == ["content", "volatile"]
    assert carried["record"] in call["records"]
    assert site.json("item", slug, "no-price")["state"] == "quarantined"

    (status,) = site.json("shop", "status", slug)
    promised = ["shop", "state", "reason", "open_issues", "pending_items", "freshness"]
    assert list(status) == [*promised, "held_runs", "problems"]
    assert [status[name] for name in list(status)[:5]] == [slug, "active", None, 2, 0]
    assert {job: (fresh["promise_s"], fresh["met"]) for job, fresh in status["freshness"].items()} == {
        "full": (86400, True),
        "delta": (3600, True),
        "volatile": (900, True),
    }
    age = time.time() - datetime.fromisoformat(run["started_at"]).timestamp()
    assert all(0 <= fresh["age_s"] <= age + 1 for fresh in status["freshness"].values())
    assert all(datetime.fromisoformat(fresh["next_due"]) for fresh in status["freshness"].values())

    # The merchant does what the issue says: it is over, and the item goes.
    write_feed(feed, {**items, "no-price": product(4)})
    repaired = site.sync("delta", slug)
    assert [repaired[name] for name in ("created", "updated", "accepted")] == [1, 0, 1]
    assert [row["retailer_id"] for row in site.json("issues", slug)] == ["to-domain"]
    assert sorted(sandbox.items(catalog)) == ["mug-1", "mug-2", "mug-3", "no-price"]


@on_embedded_defaults
def test_a_paused_shop_calls_nothing_and_a_resumed_one_sends_what_waits(site, sandbox):
    catalog, slug, feed = "1003", "rests", site.directory / "rests.csv"
    write_feed(feed, products(20))
    site.add_feed(slug, feed, catalog)
    sandbox.fault("items_batch", "error", code=2, every=1, catalog=catalog)
    site.must("sync", "full", slug)
    until(lambda: sent(sandbox, catalog))
    site.must("shop", "pause", slug, "--reason", "Stocktaking.")
    (run,) = site.json("runs", slug)
    assert (run["state"], run["error"]) == ("canceled", "The shop was paused: Stocktaking.")
    sandbox.control("faults", method="DELETE")

    seen = last_call(sandbox)
    refused = site.run("sync", "full", slug, "--wait", "--json")
    assert (refused.code, refused.sentence) == (
        1,
        f"Shop '{slug}' is paused: Stocktaking. Use 'celery -A worker shop resume {slug}'.",
    )
    assert list(refused.json) == ["error"]
    (status,) = site.json("shop", "status", slug)
    assert (status["state"], status["reason"], status["pending_items"]) == ("paused", "Stocktaking.", 20)
    assert [call for call in sandbox.calls(after=seen) if call["catalog"] == catalog] == []

    site.must("shop", "resume", slug)
    until(lambda: len(sandbox.items(catalog)) == 20)

    site.must("shop", "remove", slug, "--yes")
    assert slug not in [row["shop"] for row in site.json("shop", "list")]
    assert site.run("sync", "full", slug).sentence == f"There is no shop '{slug}'. See 'celery -A worker shop list'."
    assert len(sandbox.items(catalog)) == 20


@pytest.mark.invariant("I11")
@pytest.mark.fault("G7")
def test_a_refused_token_stops_its_shop_alone_until_it_gets_another(site, sandbox):
    catalog, other = "1004", "1005"
    feed = site.directory / "tokens.csv"
    write_feed(feed, products(20))
    site.add_feed("refused", feed, catalog, token="test-token-2")
    site.add_feed("untouched", feed, other)
    sandbox.control("tokens", {"token": "test-token-2", "state": "revoked"})

    failed = site.run("sync", "full", "refused", "--wait", "--json")
    assert (failed.code, failed.json["state"], failed.json["accepted"]) == (1, "failed", 0)
    assert "token" in failed.json["error"]
    (status,) = site.json("shop", "status", "refused")
    assert (status["state"], status["reason"], status["pending_items"]) == ("needs_token", failed.json["error"], 20)
    seen = last_call(sandbox)
    refused = site.run("sync", "volatile", "refused", "--wait")
    assert (refused.code, refused.out) == (1, "")
    assert refused.sentence.endswith("Use 'celery -A worker shop token refused'.")
    assert site.sync("full", "untouched")["accepted"] == 20
    assert [call for call in sandbox.calls(after=seen) if call["catalog"] == catalog] == []

    assert site.run("shop", "token", "refused", typed="test-token-2\n").code == 1
    site.must("shop", "token", "refused", typed=f"{TOKEN}\n")
    until(lambda: len(sandbox.items(catalog)) == 20)
    (status,) = until(lambda: [row for row in site.json("shop", "status", "refused") if not row["pending_items"]])
    assert (status["state"], status["reason"]) == ("active", None)


@on_embedded_defaults
def test_a_wait_that_runs_out_leaves_the_run_going_on(site, sandbox):
    catalog, feed = "1006", site.directory / "slow.csv"
    write_feed(feed, products(5))
    site.add_feed("slow", feed, catalog)
    sandbox.fault("items_batch", "delay", seconds=LONG_S, catalog=catalog)

    done = site.run("sync", "full", "slow", "--wait", "1", "--json")
    assert (done.code, done.json["accepted"], done.json["finished_at"]) == (4, 0, None)
    assert done.json["state"] in ("queued", "pulling", "pushing")
    assert done.err.endswith("The run is not settled after 1 s; it goes on.\n")
    until(lambda: sent(sandbox, catalog))
    let_land(sandbox, catalog)
    until(lambda: site.json("runs", "show", done.json["run"])["state"] == "succeeded")
    assert len(sandbox.items(catalog)) == 5


@on_embedded_defaults
def test_the_plain_celery_way_starts_the_same_runs(site, sandbox):
    catalog, feed = "1007", site.directory / "plain.csv"
    write_feed(feed, products(5))
    site.add_feed("plain", feed, catalog)

    site.must("call", "worker.catalog.full_sync", "--args", '["plain"]')
    until(lambda: len(sandbox.items(catalog)) == 5)
    until(lambda: site.json("runs", "plain")[0]["state"] == "succeeded")
    write_feed(feed, {**products(5), "mug-2": product(2, title="A mug of its own", price="77.00 USD")})
    site.must("call", "worker.catalog.volatile_push", "--args", '["plain"]')
    until(lambda: sandbox.items(catalog)["mug-2"]["price"] == "77.00 USD")
    assert sandbox.items(catalog)["mug-2"]["title"] == "Plain mug 2"
    site.must("call", "worker.catalog.delta_sync", "--args", '["plain"]')
    until(lambda: sandbox.items(catalog)["mug-2"]["title"] == "A mug of its own")
    assert [run["job"] for run in site.json("runs", "plain")] == ["delta", "volatile", "full"]


@on_embedded_defaults
def test_requests_while_a_run_is_under_way_share_one_successor(site, sandbox):
    catalog, feed = "1008", site.directory / "twice.csv"
    write_feed(feed, products(5))
    site.add_feed("twice", feed, catalog)
    sandbox.fault("items_batch", "delay", seconds=LONG_S, catalog=catalog)
    first = site.must("sync", "full", "twice", "--json").json
    until(lambda: sent(sandbox, catalog))

    with ThreadPoolExecutor() as both:
        asks = [both.submit(site.must, "sync", "full", "twice", "--json") for _ in range(2)]
        asked = [ask.result().json for ask in asks]
    assert {run["run"] for run in asked} - {first["run"]} == {asked[0]["run"]}
    let_land(sandbox, catalog)
    until(lambda: [run["state"] for run in site.json("runs", "twice")] == ["succeeded", "succeeded"])
    assert len(sent(sandbox, catalog)) == 1
