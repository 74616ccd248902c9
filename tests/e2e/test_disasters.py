"""Processes are killed and the broker forgets everything: with a beat and a worker, all of it goes on by itself."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from tests.e2e.processes import PATIENCE_S, Installation, products, until, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


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
    until(lambda: items_sent(sandbox, "2002"))
    with embedded.broker() as broker:
        broker.flushall()

    until(lambda: sandbox.items("2001")["mug-2"]["price"] == "41.00 USD")
    until(lambda: at_meta(sandbox, "2002") == in_store(items), every_s=0.5)
    ended = until(lambda: finished(embedded, run["run"]), every_s=1)
    assert (ended["state"], ended["created"], ended["accepted"], ended["pending"]) == ("succeeded", 6000, 6000, 0)
    assert items_sent(sandbox, "2002") == 6000
    fired = [one for one in embedded.json("runs", "clock") if one["job"] == "volatile"]
    assert [one["state"] for one in fired][-1] == "succeeded"
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
        until(partial(has_made, sandbox, calls), every_s=0.02)
        embedded.daemons[-1].kill()
        embedded.start_worker()

    ended = until(lambda: finished(embedded, run["run"]), every_s=1)
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
    until(lambda: calls_of(sandbox, *shops.values()), every_s=0.02)
    workers[0].kill()
    beats[0].kill()
    changed = {key: {**item, "price": "42.00 USD"} for key, item in products(200).items()}
    for slug in shops:
        write_feed(site.directory / f"{slug}.csv", changed)
    until(lambda: all(at_meta(sandbox, catalog) == in_store(changed) for catalog in shops.values()), every_s=0.5)

    runs = site.json("runs")
    slots = int(time.time() // 60 - scheduled_at // 60)
    for slug in shops:
        for job in ("full", "volatile"):
            # One run per slot, however many beats fire.
            assert 1 <= sum((run["shop"], run["job"]) == (slug, job) for run in runs) <= slots, (slots, runs)
    assert [run for run in runs if run["state"] not in ("succeeded", "pushing", "pulling", "queued")] == []
    assert_disjoint(sandbox)


def kill_at_steps(site, sandbox):
    """One run, whose worker dies each time where most is at stake: committed to, sent, answered."""
    feed, items = site.directory / "feed.csv", products(40)
    write_feed(feed, items)
    site.add_feed("acme", feed, "6001")
    run = site.must("sync", "full", "acme", "--json").json
    for failpoint in ("lane.3-commit:kill:1", "lane.5-post:kill:1", "settle.4-conclude:kill-before:1"):
        site.environment["FAILPOINTS"] = failpoint
        worker = site.start_worker(concurrency=1)
        until(partial(says, worker, f"failpoint {failpoint} in process"), every_s=0.02)
        worker.kill()
    del site.environment["FAILPOINTS"]
    site.start_worker()

    ended = until(lambda: finished(site, run["run"]), every_s=1)
    assert (ended["state"], ended["created"], ended["pending"]) == ("succeeded", 40, 0), ended
    assert at_meta(sandbox, "6001") == in_store(items)
    assert items_sent(sandbox, "6001") == 2 * 40  # once before the second death, once after it
    assert_disjoint(sandbox)


def says(worker, text):
    return text in worker.text


def ask_to_end(site, sandbox):
    """SIGTERM while a page is on its way, while a call is, and while Meta is asked what became of it."""
    site.add_feed("acme", f"{sandbox.url}/store/feed.csv", "7001")
    sandbox.fault("store", "slow", seconds=3, times=1)
    for route in ("items_batch", "batch_status"):
        sandbox.fault(route, "slow", seconds=3, times=1, catalog="7001")
    run = site.must("sync", "full", "acme", "--json").json
    for route in ("store", "items_batch", "batch_status"):
        worker = site.start_worker(concurrency=1)
        until(partial(was_asked, sandbox, route), every_s=0.02)
        worker.process.terminate()
        assert worker.process.wait(timeout=PATIENCE_S) == 0
        with closing(sqlite3.connect(site.directory / "var" / "shelfbeat.db")) as database:
            assert database.execute("SELECT lane FROM lease WHERE owner IS NOT NULL").fetchall() == []
    site.start_worker()

    ended = until(lambda: finished(site, run["run"]), every_s=1)
    assert (ended["state"], ended["pending"]) == ("succeeded", 0), ended
    assert items_sent(sandbox, "7001") == ended["created"] > 0
    assert sum(call["route"] == "store" for call in sandbox.calls("store")) == 1
    assert_disjoint(sandbox)


def wedge_the_worker(site, sandbox):
    """SIGSTOP to the main process and its pool while work is due: nothing dies, nothing answers."""
    write_feed(site.directory / "feed.csv", products(3))
    site.start("beat")
    worker = site.start_worker()
    site.add_feed("acme", site.directory / "feed.csv", "8001")
    site.must("shop", "schedule", "acme", "volatile", "* * * * *")
    site.sync("full", "acme")
    until(lambda: not problems(site), every_s=2)
    os.killpg(worker.process.pid, signal.SIGSTOP)
    try:
        told = until(lambda: problems(site).get("beat.silent"), 180, every_s=5)
    finally:
        os.killpg(worker.process.pid, signal.SIGCONT)
    assert told["owner"] == "operator"
    assert told["problem"].endswith("start 'celery -A worker beat', and a worker that takes the queue control.")
    until(lambda: not problems(site), every_s=2)
    assert_disjoint(sandbox)


def problems(site):
    """What ``health`` tells and ends with 1 for, by code. A busy machine may add that its broker is slow to answer."""
    done = site.run("health", "--json")
    assert (done.code, done.json["well"]) in [(0, True), (1, False)], done
    assert bool(done.code) == bool(done.json["problems"]), done
    return {problem["code"]: problem for problem in done.json["problems"]}


def was_asked(sandbox, route):
    return [call for call in sandbox.calls(route) if route == "store" or call["catalog"] == "7001"]


@pytest.fixture(scope="module")
def stories(tmp_path_factory, sandbox, servers_or_why_not):
    """All of them at once, each where nothing else runs: most of their time is waiting for a minute to come."""
    settings = {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": "2"}
    chapters = dict.fromkeys((forget_the_broker, kill_the_worker, ask_to_end, wedge_the_worker), settings)
    # The pool replaces whoever dies at a step, and who replaced him would die there too if it were time to send again
    # before everybody is killed.
    chapters[kill_at_steps] = {**settings, "META_DRAIN_S": "10"}
    if not isinstance(servers_or_why_not, str):
        chapters[kill_one_of_two] = {**settings, **servers_or_why_not}
    sites = {tell: Installation(tmp_path_factory.mktemp("site"), given) for tell, given in chapters.items()}
    try:
        with ThreadPoolExecutor(len(sites)) as together:
            yield {tell: together.submit(tell, site, sandbox) for tell, site in sites.items()}
    finally:
        for site in sites.values():
            site.close()


@pytest.mark.invariant("I12")
@pytest.mark.fault("N3")
def test_a_schedule_fires_by_itself_and_a_forgetful_broker_costs_no_work(stories):
    stories[forget_the_broker].result()


@pytest.mark.invariant("I2")
@pytest.mark.fault("N10")
def test_a_worker_killed_in_the_middle_of_a_full_sync_converges_when_started_again(stories):
    stories[kill_the_worker].result()


@pytest.mark.invariant("I8")
@pytest.mark.fault("N15")
def test_two_workers_and_two_beats_run_each_slot_once_also_when_one_of_each_dies(servers, stories):
    stories[kill_one_of_two].result()


@pytest.mark.invariant("I2", "I6")
@pytest.mark.fault("N10")
def test_a_worker_killed_where_most_is_at_stake_repeats_at_most_one_push(stories):
    stories[kill_at_steps].result()


@pytest.mark.invariant("I2")
@pytest.mark.fault("N12")
def test_a_worker_asked_to_end_finishes_its_step_and_leaves_nothing_behind(stories):
    stories[ask_to_end].result()


@pytest.mark.fault("N13")
def test_a_worker_that_hangs_is_told_within_three_minutes_with_what_to_do_and_no_longer_once_it_goes_on(stories):
    stories[wedge_the_worker].result()
