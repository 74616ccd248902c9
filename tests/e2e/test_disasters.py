"""Processes are killed and the broker forgets everything: with a beat and a worker, all of it goes on by itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial

import pytest

from tests.e2e.processes import Installation, products, until, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def at_meta(sandbox, catalog):
    return {key: (item["title"], item["price"], item["status"]) for key, item in sandbox.items(catalog).items()}


def in_store(items):
    return {key: (item["title"], item["price"], "active") for key, item in items.items()}


def items_sent(sandbox, catalog):
    return sum(call["items"] for call in sandbox.calls("items_batch") if call["catalog"] == catalog)


def assert_disjoint(sandbox):
    """No item travelled while a batch that held it could still land."""
    assert [call["overlapping"] for call in sandbox.calls("items_batch") if call.get("overlapping")] == []


def forget_the_broker(embedded, sandbox):
    feed, clock = embedded.directory / "feed.csv", embedded.directory / "clock.csv"
    embedded.start("beat")
    embedded.start_worker()
    write_feed(clock, products(3))
    embedded.add_feed("clock", clock, "2001")
    embedded.sync("full", "clock")
    items = products(6000)
    write_feed(feed, items)
    embedded.add_feed("big", feed, "2002")
    embedded.must("shop", "schedule", "clock", "volatile", "* * * * *")
    changed = {**products(3), "mug-2": {**products(3)["mug-2"], "price": "41.00 USD"}}
    write_feed(clock, changed)

    sandbox.fault("items_batch", "delay", seconds=3, times=2, catalog="2002")
    run = embedded.must("sync", "full", "big", "--json").json
    until(lambda: items_sent(sandbox, "2002"), 60)
    with embedded.broker() as broker:
        broker.flushall()

    until(lambda: sandbox.items("2001")["mug-2"]["price"] == "41.00 USD", 90)
    until(lambda: at_meta(sandbox, "2002") == in_store(items), 120, every_s=0.5)
    ended = until(lambda: finished(embedded, run["run"]), 60, every_s=1)
    assert (ended["state"], ended["created"], ended["accepted"], ended["pending"]) == ("succeeded", 6000, 6000, 0)
    assert items_sent(sandbox, "2002") == 6000
    fired = [one for one in embedded.json("runs", "clock") if one["job"] == "volatile"]
    assert [one["state"] for one in fired][-1] == "succeeded"
    for one in fired:
        late = datetime.fromisoformat(one["started_at"]).second
        assert late <= 15, fired
    assert_disjoint(sandbox)


def finished(site, run_id):
    run = site.json("runs", "show", run_id)
    return run if run["finished_at"] else None


def calls_of(sandbox, *catalogs):
    return [call for call in sandbox.calls("items_batch") if call["catalog"] in catalogs]


def has_made(sandbox, calls):
    return len(calls_of(sandbox, "3001")) >= calls


def kill_the_worker(embedded, sandbox):
    """Twice, with a call under way whose outcome nobody will know. No beat runs: the worker that starts sees to it."""
    feed = embedded.directory / "feed.csv"
    items = products(8000)
    write_feed(feed, items)
    embedded.start_worker()
    embedded.add_feed("acme", feed, "3001")
    sandbox.fault("items_batch", "slow", seconds=2, skip=1, times=1, catalog="3001")
    run = embedded.must("sync", "full", "acme", "--json").json
    for calls in (1, 2):
        until(partial(has_made, sandbox, calls), 60, every_s=0.02)
        embedded.daemons[-1].kill()
        embedded.start_worker()

    ended = until(lambda: finished(embedded, run["run"]), 120, every_s=1)
    assert (ended["state"], ended["created"], ended["pending"]) == ("succeeded", 8000, 0), ended
    assert at_meta(sandbox, "3001") == in_store(items)
    assert_disjoint(sandbox)
    before = len(calls_of(sandbox, "3001"))
    assert embedded.sync("full", "acme")["unchanged"] == 8000
    assert len(calls_of(sandbox, "3001")) == before


def kill_one_of_two(site, sandbox):
    shops = {f"shop-{number}": str(4000 + number) for number in range(3)}
    site.must("db", "upgrade")
    workers = [site.start_worker("-n", f"worker-{number}@%h") for number in range(2)]
    scheduled_at = time.time()
    for slug, catalog in shops.items():
        write_feed(site.directory / f"{slug}.csv", products(200))
        site.add_feed(slug, site.directory / f"{slug}.csv", catalog)
        site.must("shop", "schedule", slug, "volatile", "* * * * *")
        site.must("shop", "schedule", slug, "full", "* * * * *")
    assert calls_of(sandbox, *shops.values()) == []
    beats = [site.start("beat") for _ in range(2)]

    # The slot has fired and its work is under way.
    until(lambda: calls_of(sandbox, *shops.values()), 90, every_s=0.02)
    workers[0].kill()
    beats[0].kill()
    changed = {key: {**item, "price": "42.00 USD"} for key, item in products(200).items()}
    for slug in shops:
        write_feed(site.directory / f"{slug}.csv", changed)
    until(lambda: all(at_meta(sandbox, catalog) == in_store(changed) for catalog in shops.values()), 180, 0.5)

    runs = site.json("runs")
    slots = int(time.time() // 60 - scheduled_at // 60)
    for slug in shops:
        for job in ("full", "volatile"):
            # One run per slot, however many beats fire.
            assert 1 <= sum((run["shop"], run["job"]) == (slug, job) for run in runs) <= slots, (slots, runs)
    assert {run["state"] for run in runs} <= {"succeeded", "pushing", "pulling", "queued"}
    assert_disjoint(sandbox)


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory, sandbox):
    """All of them at once, each where nothing else runs: most of their time is waiting for a minute to come."""
    settings = {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": "2"}
    chapters = {forget_the_broker: settings, kill_the_worker: settings}
    with suppress(pytest.skip.Exception):
        chapters[kill_one_of_two] = {**settings, **request.getfixturevalue("servers")}
    sites = {tell: Installation(tmp_path_factory.mktemp("site"), given) for tell, given in chapters.items()}
    try:
        with ThreadPoolExecutor() as together:
            yield {tell: together.submit(tell, site, sandbox) for tell, site in sites.items()}
    finally:
        for site in sites.values():
            site.close()


def test_a_schedule_fires_by_itself_and_a_forgetful_broker_costs_no_work(stories):
    stories[forget_the_broker].result()


def test_a_worker_killed_in_the_middle_of_a_full_sync_converges_when_started_again(stories):
    stories[kill_the_worker].result()


def test_two_workers_and_two_beats_run_each_slot_once_also_when_one_of_each_dies(servers, stories):
    stories[kill_one_of_two].result()
