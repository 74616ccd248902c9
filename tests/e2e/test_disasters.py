"""Processes are killed and the broker forgets everything: with a beat and a worker, all of it goes on by itself."""

from __future__ import annotations

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


def test_a_schedule_fires_by_itself_and_a_forgetful_broker_costs_no_work(embedded, sandbox):
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


def has_made(sandbox, calls):
    return len(sandbox.calls("items_batch")) >= calls


def test_a_worker_killed_in_the_middle_of_a_full_sync_converges_when_started_again(embedded, sandbox):
    """Twice, with a call under way whose outcome nobody will know. No beat runs: the worker that starts sees to it."""
    sandbox.control("reset", {})
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
    before = len(sandbox.calls("items_batch"))
    assert embedded.sync("full", "acme")["unchanged"] == 8000
    assert len(sandbox.calls("items_batch")) == before


def test_two_workers_and_two_beats_run_each_slot_once_also_when_one_of_each_dies(servers, tmp_path, sandbox):
    site = Installation(tmp_path, {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": "2", **servers})
    shops = {f"shop-{number}": str(4000 + number) for number in range(3)}
    try:
        site.must("db", "upgrade")
        workers = [site.start_worker("-n", f"worker-{number}@%h") for number in range(2)]
        for slug, catalog in shops.items():
            write_feed(tmp_path / f"{slug}.csv", products(200))
            site.add_feed(slug, tmp_path / f"{slug}.csv", catalog)
            site.must("shop", "schedule", slug, "volatile", "* * * * *")
            site.must("shop", "schedule", slug, "full", "* * * * *")
        began = len(sandbox.calls("items_batch"))
        beats = [site.start("beat") for _ in range(2)]

        # The slot has fired and its work is under way.
        until(lambda: len(sandbox.calls("items_batch")) > began, 90, every_s=0.02)
        workers[0].kill()
        beats[0].kill()
        changed = {key: {**item, "price": "42.00 USD"} for key, item in products(200).items()}
        for slug in shops:
            write_feed(tmp_path / f"{slug}.csv", changed)
        until(lambda: all(at_meta(sandbox, catalog) == in_store(changed) for catalog in shops.values()), 180, 0.5)

        runs = [run for run in site.json("runs") if run["started_at"]]
        for slug in shops:
            for job in ("full", "volatile"):
                starts = [
                    datetime.fromisoformat(run["started_at"]).replace(second=0, microsecond=0)
                    for run in runs
                    if (run["shop"], run["job"]) == (slug, job)
                ]
                # One run per minute, however many beats fire: each begins in a minute of its own.
                assert 1 <= len(set(starts)) == len(starts), (slug, job, runs)
        assert {run["state"] for run in runs} <= {"succeeded", "pushing", "pulling"}
        assert_disjoint(sandbox)
    finally:
        site.close()
