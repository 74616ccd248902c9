"""The broker or the database is away, full, locked or silent, one at a time: nothing is done meanwhile, all afterwards.

Daemons are never restarted here: what they get wrong while their server is away, nobody mends.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.e2e.processes import Installation, products, until, write_feed
from tests.nemesis.proxy import Proxy
from tests.nemesis.servers import Broker, Database

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]

EVERY_10_S = "* * * * * */10"

LEASE_S = 150
"""A sender that cannot write to its database cannot give its lease back either: 90 s, and the next sweep."""

_DRAIN_S = "6"


class Shop:
    """One shop of three items whose prices are read every ten seconds, and what becomes of a change."""

    def __init__(self, site, sandbox, catalog):
        self.site, self.sandbox, self.catalog = site, sandbox, catalog
        self.feed = site.directory / "feed.csv"
        self.cents = 1000
        write_feed(self.feed, products(3))
        site.add_feed("acme", self.feed, catalog)
        self.worker = site.start_worker(concurrency=3)
        site.sync("full", "acme")
        site.must("shop", "schedule", "acme", "volatile", EVERY_10_S)

    @property
    def price(self):
        return f"{self.cents // 100}.{self.cents % 100:02} USD"

    def change(self):
        self.cents += 1
        changed = {**products(3), "mug-2": {**products(3)["mug-2"], "price": self.price}}
        write_feed(self.feed, changed)

    def arrives(self, within_s):
        """The newest change is at Meta."""
        try:
            until(lambda: self.sandbox.items(self.catalog)["mug-2"]["price"] == self.price, within_s)
        except AssertionError as error:
            raise AssertionError(self.site.logs()) from error

    def calls(self):
        return [call for call in self.sandbox.calls("items_batch") if call["catalog"] == self.catalog]

    def is_sending(self):
        """Make a change, and return when its call has reached Meta, which takes its time to answer."""
        before = len(self.calls())
        self.sandbox.fault("items_batch", "slow", seconds=4, times=1, catalog=self.catalog)
        self.change()
        until(lambda: len(self.calls()) > before, every_s=0.02)
        return before

    def comes_to_rest(self, within_s=120):
        """Every run has ended well, and nothing is left to send."""
        self.site.must("shop", "schedule", "acme", "volatile", "off")
        until(lambda: all(run["finished_at"] for run in self.site.json("runs", "acme")), within_s, every_s=1)
        ends = {run["state"] for run in self.site.json("runs", "acme")}
        assert ends == {"succeeded"}, self.site.json("runs", "acme")
        assert [call["overlapping"] for call in self.calls() if call.get("overlapping")] == []
        assert self.worker.process.poll() is None, self.worker.text[-3000:]


def broker_trouble(sandbox, stack):
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outage-")))
    broker = Broker(directory, persistent=False)
    stack.callback(broker.kill)
    network = stack.enter_context(Proxy(("127.0.0.1", broker.port)))
    site = _site(stack, sandbox, REDIS_URL=f"redis://127.0.0.1:{network.port}/0")
    shop = Shop(site, sandbox, "6001")
    beats = [site.start("beat") for _ in range(3)]
    began = time.time()
    told = {}

    def away_with_a_call_under_way():
        before = shop.is_sending()
        broker.kill()
        shop.arrives(60)  # Meta has it already; what is left is to learn that
        time.sleep(8)
        broker.start()
        shop.change()
        shop.arrives(120)
        assert [call["items"] for call in shop.calls()[before:]] == [1, 1]

    def forgets_everything():
        broker.kill()
        broker.start()
        shop.change()
        shop.arrives(90)

    def full():
        with broker.client() as client:
            client.config_set("maxmemory", 1)
        shop.change()
        until(lambda: all("OOM" in beat.text or "maxmemory" in beat.text for beat in beats))
        asked = site.run("sync", "delta", "acme", "--json")
        assert asked.code == 0, asked
        with broker.client() as client:
            client.config_set("maxmemory", 0)
        shop.arrives(60)

    def half_open():
        assert network.half_open() > 0
        shop.change()
        shop.arrives(75)

    for trouble in (away_with_a_call_under_way, forgets_everything, full, half_open):
        at = time.monotonic()
        trouble()
        told[trouble.__name__] = time.monotonic() - at
    shop.comes_to_rest()
    fired = [run for run in site.json("runs", "acme") if run["job"] == "volatile"]
    # Three beats, one run for each slot.
    assert len(fired) <= (time.time() - began) / 10 + 1
    return told


def database_trouble(sandbox, stack):
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outage-")))
    database = Database(directory)
    stack.callback(database.stop)
    network = stack.enter_context(Proxy(("127.0.0.1", database.port)))
    site = _site(
        stack, sandbox, DATABASE_URL=database.url(network.port), TOKEN_KEYS="a-key-for-tests-with-32-characters"
    )
    site.must("db", "upgrade")
    shop = Shop(site, sandbox, "6002")
    site.start("beat")

    # Before the call: without a row that says so, nothing is sent.
    database.stop("fast")
    before = len(shop.calls())
    shop.change()
    time.sleep(12)
    assert len(shop.calls()) == before
    database.start()
    shop.arrives(90)

    # During the call: what became of it is written down by nobody, so it counts as unknown.
    shop.is_sending()
    database.stop("immediate")
    time.sleep(6)
    database.start()

    # The connections are forgotten by whatever lies between; meanwhile the sender's lease has to run out, too.
    shop.change()
    network.half_open()
    shop.arrives(LEASE_S)
    shop.comes_to_rest(LEASE_S)


def lock_trouble(sandbox, stack):
    site = _site(stack, sandbox)
    shop = Shop(site, sandbox, "6003")
    site.start("beat")
    with closing(sqlite3.connect(site.directory / "var/shelfbeat.db", timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shop.change()
        before = len(shop.calls())
        time.sleep(35)  # longer than anybody waits for the lock
        assert len(shop.calls()) == before
        other.execute("ROLLBACK")
    shop.arrives(90)
    shop.comes_to_rest()


def _site(stack, sandbox, **settings):
    # A path short enough for the broker's socket.
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outage-", ignore_cleanup_errors=True)))
    site = Installation(directory, {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": _DRAIN_S, **settings})
    stack.callback(site.close)
    return site


@pytest.fixture(scope="module")
def stories(sandbox):
    """All of them at once: most of their time is waiting."""
    tales = {lock_trouble: None, broker_trouble: Broker.missing(), database_trouble: Database.missing()}

    def tell(tale):
        with ExitStack() as stack:
            return tale(sandbox, stack)

    with ThreadPoolExecutor(len(tales)) as together:
        yield {tale: why or together.submit(tell, tale) for tale, why in tales.items()}


def told(stories, tale):
    if isinstance(stories[tale], str):
        pytest.skip(stories[tale])
    return stories[tale].result()


@pytest.mark.invariant("I12", "I8")
@pytest.mark.fault("N1", "N2", "N3", "N4", "N15")
def test_a_broker_that_is_away_forgetful_full_or_silent_costs_time_and_no_work(stories):
    told(stories, broker_trouble)


@pytest.mark.invariant("I5")
@pytest.mark.fault("N6", "N24")
def test_without_its_database_a_worker_sends_nothing_and_goes_on_by_itself(stories):
    told(stories, database_trouble)


@pytest.mark.fault("N7")
def test_a_database_that_somebody_else_has_locked_is_waited_for(stories):
    told(stories, lock_trouble)
