"""What holds for every row, observation and order of events."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.items.wants import ACKED, FLOORS, LATER, NOW, SEEN, SEEN_VOLATILE, wants
from worker.items.diff import carries_volatile, observe, observe_absent, observe_volatile, plan, routed
from worker.items.states import (
    ACTIVE,
    ARCHIVED,
    BY_META,
    GONE,
    LANE_CONTENT,
    LANE_DELETE,
    LANE_STATUS,
    LANE_VOLATILE,
    NOTHING,
    UNCERTAIN_VOLATILE,
    Acked,
    Change,
    Floors,
    Op,
    Seen,
    SeenVolatile,
    Want,
)

KNOWN = st.tuples(st.none() | ACKED, st.none() | wants())
OBSERVATIONS = SEEN | SEEN_VOLATILE | st.integers(1, 9)

# The combinations that matter are a few in a hundred.
thoroughly = settings(max_examples=500)


def observed(known: tuple[Acked | None, Want | None], observation: Seen | SeenVolatile | int, floors: Floors) -> Change:
    """Merge a whole record, price and stock alone, or the absence noticed by a pull with this stamp."""
    if isinstance(observation, Seen):
        return observe(*known, observation, floors, seq=7, run_id="run-2", now_ms=NOW)
    if isinstance(observation, SeenVolatile):
        return observe_volatile(*known, observation, floors, run_id="run-2", now_ms=NOW)
    return observe_absent(*known, stamp=observation, run_id="run-2", now_ms=NOW)


def stamps(known: tuple[Acked | None, Want | None]) -> tuple[int, int]:
    """How new content (with the status) and price are, as far as known."""
    acked, want = known
    if want is not None:
        return max(want.content_stamp, want.status_stamp), want.volatile_stamp
    return (acked.content_stamp, acked.volatile_stamp) if acked is not None else (0, 0)


@thoroughly
@given(KNOWN, OBSERVATIONS, FLOORS)
@pytest.mark.invariant("I7")
def test_what_is_stale_never_replaces_what_is_newer_half_by_half(
    known: tuple[Acked | None, Want | None], observation: Seen | SeenVolatile | int, floors: Floors
) -> None:
    change = observed(known, observation, floors)
    stamp = observation if isinstance(observation, int) else observation.stamp
    content_known, volatile_known = stamps(known)
    before = known[1] or known[0]
    if change.want is None or before is None:
        return
    after = change.want
    if stamp < content_known:
        status = known[1].status if known[1] is not None else before.state & 1
        assert (after.content_fp, after.status) == (before.content_fp, status)
    if stamp < volatile_known:
        assert after.volatile_fp == before.volatile_fp
    assert stamps((known[0], after)) >= (content_known, volatile_known)
    assert after.volatile_stamp >= volatile_known


@thoroughly
@given(KNOWN, SEEN | SEEN_VOLATILE, FLOORS)
@pytest.mark.invariant("I7")
def test_nothing_from_before_a_complete_pull_is_believed(
    known: tuple[Acked | None, Want | None], observation: Seen | SeenVolatile, floors: Floors
) -> None:
    if observation.stamp < min(floors):
        assert observed(known, observation, floors) == NOTHING


@thoroughly
@given(KNOWN, OBSERVATIONS, FLOORS)
def test_the_same_observation_again_writes_nothing(
    known: tuple[Acked | None, Want | None], observation: Seen | SeenVolatile | int, floors: Floors
) -> None:
    acked, want = known
    change = observed(known, observation, floors)
    if change.src_fp is not None and acked is not None:
        acked = acked._replace(src_fp=change.src_fp)
    assert observed((acked, change.want or want), observation, floors) == NOTHING


@thoroughly
@given(KNOWN, OBSERVATIONS, FLOORS)
def test_an_observation_leaves_the_marks_of_the_lane_alone(
    known: tuple[Acked | None, Want | None], observation: Seen | SeenVolatile | int, floors: Floors
) -> None:
    want, after = known[1], observed(known, observation, floors).want
    if want is None or after is None:
        return
    assert (after.seq, after.batch_id, after.uncertain, after.strikes, after.share_limit, after.gate_run) == (
        want.seq, want.batch_id, want.uncertain, want.strikes, want.share_limit, want.gate_run
    )  # fmt: skip


@thoroughly
@given(KNOWN, OBSERVATIONS, FLOORS)
def test_what_meta_refused_is_either_free_or_knows_when_it_is_tried_again(
    known: tuple[Acked | None, Want | None], observation: Seen | SeenVolatile | int, floors: Floors
) -> None:
    after = observed(known, observation, floors).want
    if after is not None:
        assert (BY_META in (after.content_quarantine, after.volatile_quarantine)) == (after.retry_at is not None)


@thoroughly
@given(st.none() | ACKED, wants(), st.booleans())
def test_a_want_is_due_in_the_lane_of_what_is_sent_for_it_or_rests_until_later(
    acked: Acked | None, row: Want, urgent: bool
) -> None:
    placed = routed(acked, row, NOW, urgent=urgent)
    op = plan(acked, placed, NOW)
    if op is Op.WAIT:
        assert placed.due_at > NOW
        return
    assert placed.due_at == (max(NOW, row.delete_at or NOW) if op is Op.DELETE else NOW)
    if op is not Op.DROP:
        lanes = {Op.VOLATILE: LANE_VOLATILE, Op.CONTENT: LANE_CONTENT, Op.ARCHIVE: LANE_STATUS, Op.DELETE: LANE_DELETE}
        assert placed.lane == lanes[op]


@thoroughly
@given(st.none() | ACKED, wants())
def test_a_place_in_the_lane_is_kept(acked: Acked | None, row: Want) -> None:
    placed = routed(acked, row, NOW)
    assert routed(acked, placed, NOW) == placed


@thoroughly
@given(st.none() | ACKED, wants())
@pytest.mark.invariant("I3")
def test_what_is_sent_for_an_item_brings_meta_to_what_is_desired(acked: Acked | None, row: Want) -> None:
    """At most two calls, whichever comes first; quarantine apart, nothing else remains."""
    assume(row.volatile is not None or not needs_volatile(acked, row))
    for _ in range(2):
        op = plan(acked, row, NOW)
        if op in (Op.DROP, Op.WAIT):
            break
        acked, row = after_accepting(acked, row, op)
    op = plan(acked, row, NOW)
    assert op in (Op.DROP, Op.WAIT)
    if op is Op.DROP and acked is not None and row.status == ACTIVE:
        assert (acked.content_fp, acked.volatile_fp, acked.archived) == (row.content_fp, row.volatile_fp, False)
    if op is Op.DROP and row.status != ACTIVE:
        assert acked is None or (acked.archived and row.status == ARCHIVED)
    if op is Op.DROP and row.status == ACTIVE:
        assert not row.uncertain
    if op is Op.WAIT:
        assert (row.content_quarantine, row.volatile_quarantine) != (0, 0) or row.payload_id is None


def needs_volatile(acked: Acked | None, row: Want) -> bool:
    """What is to be sent is always at hand: whoever sets the fingerprint of a half brings the half along."""
    return acked is None or bool(row.uncertain & UNCERTAIN_VOLATILE) or row.volatile_fp != acked.volatile_fp


def after_accepting(acked: Acked | None, row: Want, op: Op) -> tuple[Acked | None, Want]:
    if op is Op.DELETE:
        return None, row._replace(uncertain=0)
    before = acked or Acked(7, 0, 0, 0, 0, 0, 0)
    if op is Op.ARCHIVE:
        return before._replace(state=1), row._replace(uncertain=0)
    if op is Op.VOLATILE:
        return before._replace(volatile_fp=row.volatile_fp), row._replace(uncertain=row.uncertain & 1)
    after, uncertain = before._replace(content_fp=row.content_fp, state=0), row.uncertain & 2
    if carries_volatile(row, NOW):
        after, uncertain = after._replace(volatile_fp=row.volatile_fp), 0
    return after, row._replace(uncertain=uncertain)


@thoroughly
@given(st.none() | ACKED, wants())
def test_an_item_that_meta_does_not_have_is_never_sent_in_part(acked: Acked | None, row: Want) -> None:
    op = plan(acked, row, LATER)
    if acked is None:
        assert op in (Op.DROP, Op.CONTENT, Op.WAIT) or (op is Op.ARCHIVE and row.uncertain)
        if op is Op.CONTENT and row.volatile is not None:
            assert carries_volatile(row, LATER)
    elif acked.archived:
        assert op is not Op.VOLATILE


@thoroughly
@given(st.none() | ACKED, wants())
@pytest.mark.invariant("I9")
def test_only_what_is_gone_and_certainly_hidden_is_deleted(acked: Acked | None, row: Want) -> None:
    if plan(acked, row, NOW) is Op.DELETE:
        assert (row.status, row.uncertain & 1) == (GONE, 0)
        assert acked is not None
        assert acked.archived


@thoroughly
@given(KNOWN, SEEN, FLOORS)
def test_whatever_is_observed_in_the_store_is_deleted_no_more(
    known: tuple[Acked | None, Want | None], observation: Seen, floors: Floors
) -> None:
    after = observed(known, observation, floors).want
    if (
        after is not None
        and after.status_stamp == observation.stamp != (known[1] or after._replace(status_stamp=0)).status_stamp
    ):
        assert after.status != GONE
        assert after.delete_at is None


@thoroughly
@given(ACKED, wants(), SEEN)
def test_the_return_of_what_is_gone_brings_both_halves(acked: Acked, row: Want, observation: Seen) -> None:
    row = row._replace(status=GONE, volatile_stamp=0, payload_id=None, volatile=None)
    back = observed((acked, row), observation._replace(archived=False, content_ok=True), Floors(0, 99)).want
    if back is not None and back.status == ACTIVE:
        assert back.payload_id is not None
        assert back.volatile is not None
