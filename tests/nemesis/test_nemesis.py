"""A short nemesis, on whatever servers this machine has. The long one is ``python -m tests.nemesis``."""

from __future__ import annotations

import pytest

from tests.nemesis.faults import FAULTS, plan
from tests.nemesis.run import run
from tests.nemesis.servers import Broker, Database
from tests.nemesis.site import EVERY_MINUTE

SEED = 3


def test_a_seed_repeats_its_events():
    assert plan(1, 300, "servers") == plan(1, 300, "servers")
    assert plan(1, 300, "servers") != plan(2, 300, "servers")


def test_a_longer_run_begins_like_a_shorter_one():
    assert plan(1, 600, "servers")[:50] == plan(1, 300, "servers")[:50]


@pytest.mark.parametrize("kind", ["servers", "embedded"])
def test_every_fault_of_a_site_comes_up(kind):
    kinds = {event.kind for event in plan(1, 3600, kind)}
    assert kinds == {name for name, fault in FAULTS.items() if kind in fault.sites}


@pytest.mark.e2e
@pytest.mark.timeout(900)
@pytest.mark.invariant("I2", "I3", "I6", "I8", "I12", "I13", "I14")
@pytest.mark.fault("N11")
def test_whatever_goes_wrong_meta_equals_the_stores_when_it_is_quiet_again():
    kind = "embedded" if Database.missing() or Broker.missing() else "servers"
    sizes = {"corner": 20, "street": 60, "market": 400}
    report = run(
        kind,
        SEED,
        25,
        cadences=dict.fromkeys(EVERY_MINUTE, "* * * * * */15"),
        every_s=1.5,
        pace=0.2,
        sizes=sizes,
    )
    assert report.problems == [], report
    assert report.kills > 0
