"""What is improbable of one item, and how many of those are too many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.items.wants import ACKED, NOW, acked, hidden, want, wants
from worker.errors import BadInput
from worker.items.band import band_of, currency_mark
from worker.items.breaker import (
    DEFAULTS,
    REPRICED,
    REWRITTEN,
    SOLD_OUT,
    in_force,
    parse,
    suspicions,
    thresholds,
    too_many,
    too_much_missing,
    written,
)
from worker.items.diff import plan
from worker.items.gates import gated, rejected
from worker.items.money import Money
from worker.items.states import ARCHIVED, FAR, Acked, Op, Want


def band(minor: int, currency: str = "USD", *, buyable: bool = True) -> int:
    return band_of(Money(currency, minor, ""), buyable=buyable)


def priced(minor: int, currency: str = "USD", *, buyable: bool = True) -> Want:
    """Another volatile half than the acknowledged one."""
    return want(volatile_fp=201, band=band(minor, currency, buyable=buyable))


TEN = acked(state=band(1000) << 1)


@pytest.mark.parametrize(
    ("known", "row", "kinds"),
    [
        pytest.param(None, priced(100_000), 0, id="a new item is what it is"),
        pytest.param(hidden(), want(content_fp=101), 0, id="so is one that comes back"),
        pytest.param(TEN, want(band=band(1000)), 0, id="nothing changed"),
        pytest.param(TEN, want(content_fp=101, band=band(1000)), REWRITTEN, id="content"),
        pytest.param(acked(content_fp=0), want(), 0, id="unknown content before"),
        pytest.param(TEN, want(content_fp=0, band=band(1000)), 0, id="unknown content now"),
        pytest.param(TEN, priced(1500), 0, id="dearer by half"),
        pytest.param(TEN, priced(3999), 0, id="four times as dear"),
        pytest.param(TEN, priced(8192), REPRICED, id="eight times"),
        pytest.param(TEN, priced(100_000), REPRICED, id="units for cents"),
        pytest.param(TEN, priced(10), REPRICED, id="cents for units"),
        pytest.param(TEN, priced(1), REPRICED, id="one cent"),
        pytest.param(TEN, priced(1000, "EUR"), REPRICED, id="another currency"),
        pytest.param(acked(state=0), priced(1000), 0, id="no price before"),
        pytest.param(TEN, priced(1000, buyable=False), SOLD_OUT, id="out of stock"),
        pytest.param(TEN, want(volatile_fp=201, band=0), SOLD_OUT, id="no valid price"),
        pytest.param(acked(state=band(1000, buyable=False) << 1), priced(1000), 0, id="back in stock"),
        pytest.param(TEN, want(status=ARCHIVED), SOLD_OUT, id="hidden or deleted"),
        pytest.param(TEN, priced(100_000)._replace(content_fp=101), REWRITTEN | REPRICED, id="both halves"),
    ],
)
def test_what_is_improbable_of_one_item(known: Acked | None, row: Want, kinds: int) -> None:
    assert suspicions(known, row) == kinds


def test_a_band_without_a_currency_is_no_other_currency() -> None:
    unmarked = acked(state=(9 << 1 | 1) << 1)
    assert (currency_mark(unmarked.state >> 1), suspicions(unmarked, priced(1000, "EUR"))) == (0, 0)


@pytest.mark.parametrize(
    ("count", "total", "is_over"), [(9, 10, False), (10, 20, False), (10, 19, True), (11, 20, True)]
)
def test_too_many_are_ten_at_least_and_more_than_the_share(count: int, total: int, is_over: bool) -> None:
    assert too_many(count, 0.5, total) is is_over


@pytest.mark.parametrize(
    ("missing", "share", "live", "is_over"),
    [(9, 0.1, 20, False), (10, 0.1, 100, False), (11, 0.1, 100, True), (1, 0.1, 1, True), (1, 0.1, 2, False),
     (2, 0.1, 3, True), (0, 0.1, 0, False), (60, 0.6, 100, False), (61, 0.6, 100, True), (100, 1.0, 100, False)],
)  # fmt: skip
def test_of_what_is_missing_more_than_half_is_too_much_of_any_shop(
    missing: int, share: float, live: int, is_over: bool
) -> None:
    assert too_much_missing(missing, share, live) is is_over


def test_thresholds_are_written_as_they_are_read() -> None:
    assert in_force(None) == {"missing": "10%", "rewritten": "50%", "repriced": "50%", "sold-out": "50%"}
    assert [written(parse(text)) for text in in_force(None).values()] == [*in_force(None).values()]
    assert thresholds({"missing": 0.25}) == DEFAULTS._replace(missing=0.25)
    assert parse("12.5%") == 0.125


@pytest.mark.parametrize("text", ["0%", "101%", "20", "-5%", "", "many", "1000%", "٢%", "30d"])
def test_a_limit_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no share"):
        parse(text)


@given(st.none() | ACKED, wants(), st.booleans())
def test_what_is_left_of_a_rejected_want_sends_nothing_of_its_run(
    known: Acked | None, row: Want, volatile_only: bool
) -> None:
    held = gated(row, "run-2", volatile=volatile_only)
    left = rejected(known, held, NOW, volatile_only=volatile_only)
    if left is None:
        assert held.batch_id is None
        assert not held.uncertain
        return
    assert (left.gate_run, left.volatile, left.src_fp) == (None, None, 0)
    assert (left.batch_id, left.uncertain, left.seq) == (held.batch_id, held.uncertain, held.seq)
    op = plan(known, left, NOW)
    assert op is not Op.VOLATILE
    if not volatile_only:
        # Hidden at Meta for all that is known: that may be made certain, and nothing else is sent.
        assert op in (Op.WAIT, Op.DROP) or (op is Op.ARCHIVE and known is not None and known.archived)
        assert left.payload_id is None
    if op is Op.WAIT:
        assert left.due_at == FAR or left.retry_at is not None


@given(wants(), st.booleans())
def test_a_gate_leaves_what_is_on_its_way_to_whoever_sent_it(row: Want, volatile: bool) -> None:
    held = gated(row, "run-2", volatile=volatile)
    kept: Any = held.run_id if volatile else held.volatile_run
    before = row.run_id if volatile else row.volatile_run
    assert kept == (before if row.batch_id is not None else None)
    assert (held.volatile_run if volatile else held.run_id, held.gate_run) == ("run-2", "run-2")
