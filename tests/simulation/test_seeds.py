"""Whatever goes wrong and in whatever order: at rest Meta equals the store, and the snapshot believes nothing untrue.

``SIMULATION_SECONDS`` says for how long seeds are simulated, 10 by default and always from 0 on;
``python -m tests.simulation FROM TO`` does thousands and takes the time for it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter

import pytest

from tests.simulation import meta_faults
from tests.simulation.__main__ import simulate
from tests.simulation.ablations import ABLATIONS, CROSSED
from tests.simulation.chaos import TROUBLE

SECONDS = float(os.environ.get("SIMULATION_SECONDS", "10"))

# Several times as many as it takes on average to notice the least noticed one; "python -m tests.simulation 0 200
# --without NAME" tells how many do.
TRIED = 60


@pytest.mark.timeout(SECONDS * 2 + 120)
@pytest.mark.invariant("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I13")
@pytest.mark.fault("G20")
def test_chaos_ends_as_it_should(capsys: pytest.CaptureFixture[str]) -> None:
    ends = time.monotonic() + SECONDS
    wrong: dict[int, str] = {}
    happened: Counter[str] = Counter()
    seeds = 0
    for seed in itertools.count():
        outcome = simulate(seed)
        seeds += 1
        happened += outcome.happened
        if outcome.problem is not None:
            wrong[seed] = outcome.problem
        if time.monotonic() > ends:
            break
    with capsys.disabled():
        print(f" {seeds} seeds, {len(wrong)} wrong ", end="")  # noqa: T201 - how many fit in is part of the result
    assert wrong == {}
    if seeds > 100:
        # A quiet day would prove nothing.
        assert {*TROUBLE, *meta_faults.NAMES} <= happened.keys()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("safeguard", sorted(ABLATIONS.keys() - set(CROSSED)))
def test_without_a_safeguard_the_chaos_ends_wrong(safeguard: str) -> None:
    assert any(simulate(seed, safeguard, safeguard).problem for seed in range(TRIED)), (
        f"no seed notices a missing {safeguard}"
    )
