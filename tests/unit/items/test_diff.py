"""What one observation of an item changes."""

from __future__ import annotations

import pytest

from tests.unit.items.wants import LATER, NO_FLOORS, NOW, RESTING, acked, hidden, seen, seen_volatile, want
from worker.items.diff import observe, observe_absent, observe_volatile, plan
from worker.items.states import (
    ACTIVE,
    ARCHIVED,
    BY_META,
    BY_RULES,
    FAR,
    GONE,
    IN_THIS_CHUNK,
    LANE_CONTENT,
    LANE_DELETE,
    LANE_STATUS,
    LANE_VOLATILE,
    NOT_QUARANTINED,
    NOTHING,
    UNCERTAIN_CONTENT,
    UNCERTAIN_VOLATILE,
    Acked,
    Change,
    Floors,
    Op,
    Seen,
    SeenVolatile,
    Want,
)


def whole(known: Acked | None, row: Want | None, observation: Seen, floors: Floors = NO_FLOORS) -> Change:
    return observe(known, row, observation, floors, seq=8, run_id="run-2", now_ms=NOW)


def slim(known: Acked | None, row: Want | None, observation: SeenVolatile, floors: Floors = NO_FLOORS) -> Change:
    return observe_volatile(known, row, observation, floors, run_id="run-2", now_ms=NOW)


def absent(known: Acked | None, row: Want | None, stamp: int = 9) -> Change:
    return observe_absent(known, row, stamp=stamp, run_id="run-2", now_ms=NOW)


def changed(change: Change) -> Want:
    assert change.want is not None
    return change.want


# Whole records


def test_a_new_item_is_created_whole() -> None:
    row = changed(whole(None, None, seen()))
    assert row == want(
        seq=8, src_fp=10, content_stamp=9, volatile_stamp=9, status_stamp=9, payload_id=IN_THIS_CHUNK,
        payload_offset=None, payload_length=None, due_at=NOW, run_id="run-2",
        volatile=b"v200",
    )  # fmt: skip
    assert plan(None, row, NOW) is Op.CONTENT


def test_an_item_that_is_hidden_in_the_store_and_was_never_sent_is_left_alone() -> None:
    assert whole(None, None, seen(archived=True)) == NOTHING


@pytest.mark.parametrize("row", [None, want()])
def test_a_record_as_known_writes_nothing(row: Want | None) -> None:
    assert whole(acked(), row, seen()) == NOTHING


def test_a_raw_record_that_changed_without_the_item_moves_the_source_alone() -> None:
    assert whole(acked(), None, seen(src_fp=11)) == Change(src_fp=11)
    assert whole(acked(), want(content_fp=101), seen(content_fp=101, src_fp=11)) == Change(
        want=want(content_fp=101, src_fp=11)
    )


def test_a_price_change_seen_in_a_whole_record_needs_no_content() -> None:
    row = changed(whole(acked(), None, seen(volatile_fp=201, volatile=b"v201")))
    assert (row.content_fp, row.volatile_fp, row.volatile, row.payload_id) == (100, 201, b"v201", None)
    assert (row.lane, row.due_at, plan(acked(), row, NOW)) == (LANE_VOLATILE, NOW, Op.VOLATILE)


def test_an_item_that_returns_to_its_acknowledged_value_keeps_its_row_until_settle_or_lane_removes_it() -> None:
    row = changed(whole(acked(), want(content_fp=101, batch_id=4), seen()))
    assert (row.content_fp, row.batch_id, row.payload_id) == (100, 4, IN_THIS_CHUNK)
    assert plan(acked(), row, NOW) is Op.DROP
    # Should the batch turn out to have no outcome, the value is at hand to be sent again.
    assert plan(acked(), row._replace(uncertain=UNCERTAIN_CONTENT), NOW) is Op.CONTENT


@pytest.mark.parametrize(
    ("observation", "content_fp", "volatile_fp"),
    [
        (seen(stamp=4, content_fp=101, volatile_fp=201), None, None),
        (seen(stamp=6, content_fp=101, volatile_fp=201), 101, 201),
        (seen(stamp=5, content_fp=101), 101, 200),
    ],
)
def test_a_stale_record_changes_nothing(observation: Seen, content_fp: int | None, volatile_fp: int | None) -> None:
    row = whole(acked(), None, observation).want
    assert (row and row.content_fp, row and row.volatile_fp) == (content_fp, volatile_fp)


@pytest.mark.invariant("I7")
def test_the_halves_of_a_record_are_stale_apart() -> None:
    record = seen(stamp=7, content_fp=101, volatile_fp=201)
    newer_price = changed(whole(acked(volatile_stamp=8), None, record))
    assert (newer_price.content_fp, newer_price.volatile_fp, newer_price.volatile_stamp) == (101, 200, 8)
    newer_content = changed(whole(acked(content_stamp=8), None, record))
    assert (newer_content.content_fp, newer_content.volatile_fp, newer_content.content_stamp) == (100, 201, 8)
    assert (newer_price.src_fp, newer_content.src_fp) == (0, 0)


@pytest.mark.parametrize(
    ("floors", "content_fp", "volatile_fp"),
    [(Floors(10, 10), None, None), (Floors(0, 10), 101, 200), (Floors(10, 0), 100, 201), (Floors(9, 9), 101, 201)],
)
def test_a_page_from_before_a_complete_pull_is_late(
    floors: Floors, content_fp: int | None, volatile_fp: int | None
) -> None:
    row = whole(acked(), None, seen(content_fp=101, volatile_fp=201), floors).want
    assert (row and row.content_fp, row and row.volatile_fp) == (content_fp, volatile_fp)


@pytest.mark.invariant("I7")
def test_a_late_page_does_not_bring_back_what_a_newer_complete_pull_missed() -> None:
    assert whole(None, None, seen(), Floors(10, 0)) == NOTHING


def test_a_new_item_takes_its_price_from_the_record_whatever_the_floor_of_prices() -> None:
    assert changed(whole(None, None, seen(), Floors(0, 10))).volatile_fp == 200


def test_an_archived_item_that_comes_back_byte_for_byte_is_sent_whole() -> None:
    row = changed(whole(hidden(), None, seen()))
    assert (row.status, row.content_fp, row.volatile_fp, row.payload_id) == (ACTIVE, 100, 200, IN_THIS_CHUNK)
    assert plan(hidden(), row, NOW) is Op.CONTENT


def test_a_record_that_says_hidden_archives_the_item_once() -> None:
    row = changed(whole(acked(), None, seen(archived=True)))
    assert (row.status, row.lane, plan(acked(), row, NOW)) == (ARCHIVED, LANE_STATUS, Op.ARCHIVE)
    assert whole(hidden(), None, seen(archived=True, content_fp=101)) == NOTHING


def test_what_our_rules_refuse_is_kept_and_not_sent() -> None:
    row = changed(whole(acked(), None, seen(content_fp=101, content_ok=False)))
    assert (row.content_quarantine, row.payload_id, row.due_at) == (BY_RULES, None, FAR)
    assert whole(acked(), row, seen(content_fp=101, content_ok=False)) == NOTHING


def test_a_relaxed_rule_frees_what_it_freed() -> None:
    row = changed(whole(None, None, seen(content_ok=False)))
    freed = changed(whole(None, row, seen()))
    assert (freed.content_quarantine, freed.payload_id, freed.due_at) == (NOT_QUARANTINED, IN_THIS_CHUNK, NOW)


def test_an_item_that_meta_has_and_whose_price_became_invalid_is_sent_sold_out() -> None:
    invalid = {"volatile_fp": 201, "volatile_ok": False, "fallback_fp": 299, "fallback": b"sold out"}
    for change in (whole(acked(), None, seen(**invalid)), slim(acked(), None, seen_volatile(**invalid))):
        row = changed(change)
        assert (row.volatile_fp, row.volatile, row.volatile_quarantine) == (299, b"sold out", NOT_QUARANTINED)
        assert plan(acked(), row, NOW) is Op.VOLATILE
    assert changed(whole(None, None, seen(**invalid))).volatile_quarantine == BY_RULES


@pytest.mark.parametrize(
    ("known", "observation", "freed"),
    [
        (acked(), seen(content_fp=102), ("content",)),
        (acked(), seen(content_fp=101, volatile_fp=202), ("volatile",)),
        (acked(), seen(content_fp=102, volatile_fp=202), ("content", "volatile")),
        (acked(), seen(content_fp=101, volatile_fp=201, src_fp=11), ()),
        # One that Meta does not have can only be created whole: either half is worth another try.
        (None, seen(content_fp=101, volatile_fp=202), ("content", "volatile")),
    ],
)
def test_a_change_of_its_data_frees_a_half_from_metas_quarantine(
    known: Acked | None, observation: Seen, freed: tuple[str, ...]
) -> None:
    refused = want(content_fp=101, volatile_fp=201, content_quarantine=BY_META, volatile_quarantine=BY_META, **RESTING)
    # Halves that the observation does not name are as they were refused.
    observation = observation._replace(volatile_fp=201) if observation.volatile_fp == 200 else observation
    row = changed(whole(known, refused, observation))
    assert row.content_quarantine == (NOT_QUARANTINED if "content" in freed else BY_META)
    assert row.volatile_quarantine == (NOT_QUARANTINED if "volatile" in freed else BY_META)
    assert (row.attempts, row.retry_at) == ((0, None) if len(freed) == 2 else (1, LATER))


# Price and stock alone


def test_a_volatile_pull_sends_a_changed_price_first() -> None:
    row = changed(slim(acked(), None, seen_volatile(volatile_fp=201, volatile=b"v201")))
    assert (row.volatile_fp, row.volatile, row.volatile_stamp, row.lane) == (201, b"v201", 9, LANE_VOLATILE)
    assert (row.content_fp, row.content_stamp, row.src_fp, row.run_id, row.volatile_run) == (100, 5, 0, None, "run-2")


@pytest.mark.parametrize(
    ("known", "row"),
    [
        pytest.param(None, None, id="nobody knows it"),
        pytest.param(acked(volatile_fp=201), None, id="as acknowledged"),
        pytest.param(hidden(), None, id="hidden"),
        pytest.param(acked(), want(status=ARCHIVED), id="to be hidden"),
        pytest.param(acked(), want(volatile_fp=201), id="as desired"),
        pytest.param(acked(volatile_stamp=10), None, id="acknowledged later"),
        pytest.param(acked(), want(volatile_stamp=10), id="desired later"),
    ],
)
def test_a_volatile_pull_leaves_alone_what_it_does_not_change(known: Acked | None, row: Want | None) -> None:
    assert slim(known, row, seen_volatile(volatile_fp=201)) == NOTHING


def test_a_price_from_before_a_complete_pull_is_late() -> None:
    observation = seen_volatile(volatile_fp=201)
    assert slim(acked(), None, observation, Floors(0, 10)) == NOTHING
    assert changed(slim(acked(), None, observation, Floors(10, 9))).volatile_fp == 201


def test_a_price_that_returns_while_another_is_in_flight_is_desired_again() -> None:
    row = changed(slim(acked(), want(volatile_fp=201, batch_id=4), seen_volatile()))
    assert (row.volatile_fp, row.batch_id, plan(acked(), row, NOW)) == (200, 4, Op.DROP)
    assert plan(acked(), row._replace(uncertain=UNCERTAIN_VOLATILE), NOW) is Op.VOLATILE


def test_a_new_price_of_an_item_not_yet_created_goes_with_its_creation() -> None:
    row = changed(slim(None, want(), seen_volatile(volatile_fp=201, volatile=b"v201")))
    assert (row.volatile, row.lane, row.run_id, row.volatile_run) == (b"v201", LANE_CONTENT, "run-1", None)
    assert plan(None, row, NOW) is Op.CONTENT


def test_a_new_price_frees_the_price_and_not_the_content() -> None:
    refused = want(content_fp=101, content_quarantine=BY_META, volatile_quarantine=BY_META, **RESTING)
    row = changed(slim(acked(), refused, seen_volatile(volatile_fp=201)))
    assert (row.content_quarantine, row.volatile_quarantine) == (BY_META, NOT_QUARANTINED)
    assert (row.retry_at, row.due_at, plan(acked(), row, NOW)) == (LATER, NOW, Op.VOLATILE)


# Absence


def test_what_a_complete_pull_missed_is_archived() -> None:
    row = changed(absent(acked(), None))
    assert (row.status, row.status_stamp, row.src_fp, row.lane) == (GONE, 9, 0, LANE_STATUS)
    assert (row.content_fp, row.volatile_fp, plan(acked(), row, NOW)) == (100, 200, Op.ARCHIVE)


@pytest.mark.parametrize(
    ("known", "row"),
    [
        pytest.param(None, None, id="nobody knows it"),
        pytest.param(acked(), want(status=ARCHIVED), id="to be hidden"),
        pytest.param(hidden(), want(status=GONE, delete_at=LATER), id="gone already"),
        pytest.param(acked(content_stamp=10), None, id="content acknowledged later"),
        pytest.param(acked(volatile_stamp=10), None, id="price acknowledged later"),
        pytest.param(acked(), want(content_stamp=10), id="content desired later"),
        pytest.param(acked(), want(volatile_stamp=10), id="price desired later"),
    ],
)
def test_absence_changes_nothing_where_something_newer_is_known(known: Acked | None, row: Want | None) -> None:
    assert absent(known, row) == NOTHING


def test_what_is_hidden_already_and_missed_is_to_be_deleted() -> None:
    row = changed(absent(hidden(), None))
    assert (row.status, row.delete_at, row.lane, plan(hidden(), row, NOW)) == (GONE, None, LANE_DELETE, Op.DELETE)


def test_a_creation_that_was_never_sent_and_is_missed_is_dropped() -> None:
    assert plan(None, changed(absent(None, want())), NOW) is Op.DROP


def test_what_is_missed_takes_its_refusals_along() -> None:
    refused = want(content_fp=101, content_quarantine=BY_META, volatile_quarantine=BY_META, **RESTING)
    gone = changed(absent(acked(), refused))
    assert (gone.due_at, gone.attempts, gone.retry_at, plan(acked(), gone, NOW)) == (NOW, 0, None, Op.ARCHIVE)
    back = changed(whole(acked(), gone, seen(stamp=10, content_fp=101)))
    assert (back.content_quarantine, back.volatile_quarantine, back.due_at) == (NOT_QUARANTINED, NOT_QUARANTINED, NOW)


def test_an_item_that_returns_before_it_was_archived_is_not_archived() -> None:
    gone = changed(absent(acked(), None))
    back = changed(whole(acked(), gone, seen(stamp=10)))
    assert (back.status, plan(acked(), back, NOW)) == (ACTIVE, Op.DROP)
    assert whole(acked(), gone, seen(stamp=8)) == NOTHING
