from __future__ import annotations

import dataclasses

import pytest

from worker.sync.context import MAX_DELAY_S, Limits, Wake, label


def test_a_wake_up_is_due_at_once_and_names_no_pull_unless_told_otherwise() -> None:
    wake = Wake("push", "1")
    assert (wake.delay_s, wake.label, wake.job) == (0.0, "", None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        wake.delay_s = 1.0  # type: ignore[misc]


def test_flower_reads_shop_and_job() -> None:
    assert label("acme", "full") == "shop=acme full"


def test_the_limits_keep_metas_and_the_brokers() -> None:
    limits = Limits()
    assert (limits.batch_items <= 5000, limits.batch_bytes <= 28_000_000, limits.slice_s <= MAX_DELAY_S) == (True,) * 3
