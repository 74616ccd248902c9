"""A call that takes a long time holds up its own shop alone."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.e2e.processes import product, products, until, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CALL_S = 45
"""Less than a caller waits, and more than the other shop's two runs take on any machine."""


@pytest.mark.fault("G23")
@pytest.mark.parametrize("site", ["embedded"], indirect=True, scope="module")
def test_while_one_shops_call_takes_a_long_time_the_others_keep_their_pace(site, sandbox):
    slow, quick = site.directory / "slow.csv", site.directory / "quick.csv"
    for feed, slug, catalog in ((slow, "slow", "1001"), (quick, "quick", "1002")):
        write_feed(feed, products(5))
        site.add_feed(slug, feed, catalog)
    sandbox.fault("items_batch", "slow", seconds=CALL_S, times=1, catalog="1001")
    run_id = site.json("sync", "full", "slow")["run"]
    until(lambda: [call for call in sandbox.calls("items_batch") if call["catalog"] == "1001"])

    others = [site.sync("full", "quick")]
    write_feed(quick, {**products(5), "mug-1": product(1, price="20.00 USD")})
    others.append(site.sync("volatile", "quick"))
    assert [run["accepted"] for run in others] == [5, 1]

    run = until(lambda: (run := site.json("runs", "show", run_id))["state"] == "succeeded" and run)
    assert all(other["finished_at"] < run["finished_at"] for other in others), (run, others)
    assert (_took_s(run) >= CALL_S, run["accepted"], run["calls"]) == (True, 5, 1)


def _took_s(run):
    return (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
