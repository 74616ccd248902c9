"""A feed that is cut to a tenth: held, decided about, and right in the end; with real processes."""

from __future__ import annotations

import pytest

from tests.e2e.processes import products, until, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.mark.parametrize("site", ["embedded"], indirect=True, scope="module")
@pytest.mark.invariant("I9")
@pytest.mark.fault("S14")
def test_a_feed_cut_to_a_tenth_is_held_rejected_restored_and_at_last_approved(site, sandbox):
    catalog = "7001"
    items = products(100)
    feed = site.directory / "cut.csv"
    write_feed(feed, items)
    site.add_feed("cut", feed, catalog)
    assert site.sync("full", "cut")["accepted"] == 100

    def shown():
        return {key for key, item in sandbox.items(catalog).items() if item["status"] == "active"}

    def run(run_id):
        return site.json("runs", "show", run_id)

    rest = dict(list(items.items())[:10])
    write_feed(feed, rest)
    held = site.run("sync", "full", "cut", "--wait", "--json")
    assert (held.code, held.json["state"], held.json["removed"], held.json["pending"]) == (3, "held", 90, 90)
    assert "90 of the 100 that Meta shows are missing" in held.json["error"]
    assert len(shown()) == 100

    # Everything else goes on.
    key = next(iter(rest))
    write_feed(feed, rest | {key: {**items[key], "price": "6.75 USD"}})
    assert site.sync("volatile", "cut")["accepted"] == 1
    assert run(held.json["run"])["state"] == "held"

    assert site.run("sync", "reject", held.json["run"]).code == 0
    assert run(held.json["run"])["state"] == "canceled"
    write_feed(feed, items)
    restored = site.sync("full", "cut")
    assert (restored["state"], restored["removed"], len(shown())) == ("succeeded", 0, 100)

    write_feed(feed, rest)
    again = site.run("sync", "full", "cut", "--wait", "--json")
    assert (again.code, again.json["removed"]) == (3, 90)
    assert site.json("shop", "status", "cut")[0]["held_runs"] == [again.json["run"]]
    assert site.run("sync", "approve", again.json["run"]).code == 0
    until(lambda: run(again.json["run"])["state"] == "succeeded")
    assert shown() == set(rest)
