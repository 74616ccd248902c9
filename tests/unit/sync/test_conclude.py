"""What an outcome does to the snapshot and to what is pending, half by half."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.items.wants import acked, hidden, want
from tests.unit.sync.ledger_rows import Ledger
from worker.items.states import (
    ARCHIVED,
    BY_META,
    LANE_CONTENT,
    LANE_VOLATILE,
    NOT_QUARANTINED,
    UNCERTAIN_CONTENT,
    UNCERTAIN_VOLATILE,
    Acked,
    Want,
)
from worker.sync import conclude
from worker.sync.manifest import ARCHIVE, CONTENT, VOLATILE, Line

IMAGE = "Image could not be fetched."
PRICE = "Invalid value: The price is not a price."
MISSING = "Could not find Product Item for catalog id 1001, retailer id a"
DAY_MS = 86_400_000


def line(parts: int = CONTENT | VOLATILE, **changes: Any) -> Line:
    """What ``want(content_fp=101, volatile_fp=201)`` looks like on its way."""
    return Line("a", parts, 11, 101, 201, 8, 9, 5, "run-1", None)._replace(**changes)


def wanted(**changes: Any) -> Want:
    return want(src_fp=11, content_fp=101, volatile_fp=201, content_stamp=8, volatile_stamp=9, batch_id=1)._replace(
        **changes
    )


def accept(ledger: Ledger, *lines: Line) -> None:
    ledger.locked(lambda connection, shop_row: conclude.accept(connection, shop_row, lines, ledger.now))


def reject(ledger: Ledger, sent: Line, *messages: str) -> None:
    ledger.locked(
        lambda connection, shop_row: conclude.reject(
            connection, shop_row, {sent.retailer_id: (sent, messages)}, "batch", ledger.now
        )
    )


def reopen(ledger: Ledger, *lines: Line, **options: Any) -> None:
    ledger.locked(lambda connection, shop_row: conclude.reopen(connection, shop_row, lines, ledger.now, **options))


def counted(ledger: Ledger, run_id: str = "run-1") -> tuple[int, int]:
    row = ledger.run(run_id)
    return row.accepted, row.rejected


@pytest.fixture(autouse=True)
def _runs(ledger: Ledger) -> None:
    ledger.add_run("run-1")
    ledger.add_run("run-22", "volatile")


# Accepted


@pytest.mark.parametrize(
    ("before", "row", "sent", "after"),
    [
        pytest.param(None, wanted(), line(), acked(src_fp=11, content_fp=101, volatile_fp=201, content_stamp=8,
                     volatile_stamp=9, state=10), id="created"),
        pytest.param(acked(), wanted(), line(), acked(src_fp=11, content_fp=101, volatile_fp=201, content_stamp=8,
                     volatile_stamp=9, state=10), id="both halves"),
        pytest.param(acked(), wanted(content_fp=100), line(VOLATILE, content_fp=100, src_fp=0),
                     acked(src_fp=0, volatile_fp=201, volatile_stamp=9, state=10), id="price alone"),
        pytest.param(acked(), wanted(status=ARCHIVED), line(ARCHIVE),
                     acked(src_fp=0, content_stamp=8, state=1), id="archived"),
        pytest.param(hidden(), wanted(), line(), acked(src_fp=11, content_fp=101, volatile_fp=201, content_stamp=8,
                     volatile_stamp=9, state=10), id="shown again"),
    ],
)  # fmt: skip
@pytest.mark.invariant("I1")
def test_the_snapshot_takes_what_the_manifest_says_was_sent(
    ledger: Ledger, before: Acked | None, row: Want, sent: Line, after: Acked
) -> None:
    ledger.know("a", before, row)
    accept(ledger, sent)
    assert ledger.known("a") == (after, None)
    assert counted(ledger) == (1, 0)


@pytest.mark.invariant("I1", "I3")
def test_what_the_store_said_meanwhile_stays_to_be_sent_and_belongs_to_who_found_it(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted(content_fp=102, run_id="run-3"))
    accept(ledger, line())
    found = ledger.known("a")
    assert found.acked is not None
    assert found.want is not None
    assert (found.acked.content_fp, found.acked.volatile_fp, found.acked.src_fp) == (101, 201, 11)
    assert (found.want.content_fp, found.want.batch_id, found.want.run_id) == (102, None, "run-3")
    assert (found.want.lane, found.want.due_at) == (LANE_CONTENT, ledger.now_ms)


def test_an_accepted_price_leaves_content_pending(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted(lane=LANE_VOLATILE, volatile_run="run-22"))
    accept(ledger, line(VOLATILE, run_id=None, volatile_run="run-22"))
    found = ledger.known("a")
    assert found.acked is not None
    assert found.want is not None
    assert (found.acked.content_fp, found.acked.volatile_fp) == (100, 201)
    assert (found.want.lane, found.want.volatile_run, found.want.run_id) == (LANE_CONTENT, None, "run-1")
    assert (counted(ledger), counted(ledger, "run-22")) == ((0, 0), (1, 0))


def test_acceptance_takes_back_the_doubt_about_what_it_carried_and_no_other(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted(uncertain=UNCERTAIN_CONTENT | UNCERTAIN_VOLATILE, strikes=2, share_limit=1))
    accept(ledger, line(VOLATILE))
    found = ledger.known("a").want
    assert found is not None
    assert (found.uncertain, found.strikes, found.share_limit) == (UNCERTAIN_CONTENT, 0, 0)


def test_an_accepted_price_does_not_solve_what_is_wrong_with_the_content(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted())
    reject(ledger, line(), IMAGE)
    accept(ledger, line(VOLATILE))
    assert ledger.open_issues() == [("a", "image_link.invalid")]
    accept(ledger, line(CONTENT))
    assert ledger.open_issues() == []


# Rejected


@pytest.mark.parametrize(
    ("before", "sent", "messages", "content", "volatile"),
    [
        pytest.param(None, line(), (IMAGE,), BY_META, BY_META, id="a creation is refused whole"),
        pytest.param(acked(), line(), (IMAGE,), BY_META, NOT_QUARANTINED, id="the content is to blame"),
        pytest.param(acked(), line(), (PRICE,), NOT_QUARANTINED, BY_META, id="the price is to blame"),
        pytest.param(acked(), line(), (PRICE, IMAGE), BY_META, NOT_QUARANTINED, id="both: the content first"),
        pytest.param(acked(), line(VOLATILE), (IMAGE,), NOT_QUARANTINED, BY_META, id="only the price was sent"),
        pytest.param(acked(), line(CONTENT), (PRICE,), BY_META, NOT_QUARANTINED, id="only the content was sent"),
    ],
)
def test_a_rejection_puts_the_half_to_rest_that_it_is_about(
    ledger: Ledger, before: Acked | None, sent: Line, messages: tuple[str, ...], content: int, volatile: int
) -> None:
    ledger.know("a", before, wanted())
    reject(ledger, sent, *messages)
    found = ledger.known("a")
    assert found.acked == before
    assert found.want is not None
    assert (found.want.content_quarantine, found.want.volatile_quarantine) == (content, volatile)
    assert (found.want.batch_id, found.want.attempts, found.want.retry_at) == (None, 1, ledger.now_ms + DAY_MS)
    assert (counted(ledger), len(ledger.open_issues())) == ((0, 1), len(messages))


def test_each_further_rejection_waits_twice_as_long_up_to_a_week(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted())
    waits = []
    for _ in range(5):
        reject(ledger, line(), IMAGE)
        found = ledger.known("a").want
        assert found is not None
        assert found.retry_at is not None
        waits.append((found.retry_at - ledger.now_ms) // DAY_MS)
    assert waits == [1, 2, 4, 7, 7]


def test_a_rejection_of_what_the_store_has_changed_since_puts_nothing_to_rest(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted(content_fp=102, volatile_fp=202))
    reject(ledger, line(), IMAGE)
    found = ledger.known("a").want
    assert found is not None
    assert (found.content_quarantine, found.attempts, found.due_at) == (NOT_QUARANTINED, 0, ledger.now_ms)


@pytest.mark.parametrize(
    ("row", "created_again"), [(wanted(), True), (wanted(payload_id=None), False), (wanted(volatile=None), False)]
)
def test_an_item_that_meta_lost_is_created_again_if_all_of_it_is_at_hand(
    ledger: Ledger, row: Want, created_again: bool
) -> None:
    ledger.know("a", acked(), row)
    reject(ledger, line(VOLATILE), MISSING)
    found = ledger.known("a")
    assert (found.acked, found.want is not None) == (None, created_again)
    if found.want is not None:
        assert (found.want.lane, found.want.due_at, found.want.attempts) == (LANE_CONTENT, ledger.now_ms, 0)


def test_removing_what_meta_does_not_have_is_success(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted(status=ARCHIVED))
    reject(ledger, line(ARCHIVE), MISSING)
    assert (ledger.known("a"), counted(ledger)) == ((None, None), (1, 0))


# Sent again


@pytest.mark.parametrize(
    ("parts", "doubt"),
    [
        (CONTENT | VOLATILE, UNCERTAIN_CONTENT | UNCERTAIN_VOLATILE),
        (CONTENT, UNCERTAIN_CONTENT),
        (VOLATILE, UNCERTAIN_VOLATILE),
        (ARCHIVE, UNCERTAIN_CONTENT),
    ],
)
@pytest.mark.invariant("I5")
def test_an_unknown_outcome_leaves_a_doubt_about_what_was_carried(ledger: Ledger, parts: int, doubt: int) -> None:
    ledger.know("a", acked(), wanted())
    reopen(ledger, line(parts), uncertain=True)
    found = ledger.known("a")
    assert found.acked == acked()
    assert found.want is not None
    assert (found.want.uncertain, found.want.batch_id, found.want.attempts) == (doubt, None, 0)


def test_what_was_not_taken_goes_again_without_a_trace(ledger: Ledger) -> None:
    ledger.know("a", acked(), wanted())
    reopen(ledger, line(), delay_s=5.0)
    found = ledger.known("a").want
    assert found is not None
    assert (found.uncertain, found.strikes, found.share_limit, found.attempts) == (0, 0, 0, 0)
    assert (found.batch_id, found.due_at, counted(ledger)) == (None, ledger.now_ms + 5000, (0, 0))


@pytest.mark.invariant("I10")
def test_every_second_strike_halves_the_call_and_alone_an_item_is_put_to_rest(ledger: Ledger) -> None:
    lines = [line(retailer_id=name) for name in "abcd"]
    for one in lines:
        ledger.know(one.retailer_id, None, wanted())

    def limits() -> list[int]:
        return [row.share_limit for name in "abcd" if (row := ledger.known(name).want) is not None]

    reopen(ledger, *lines, strikes=1)
    assert limits() == [0, 0, 0, 0]
    reopen(ledger, *lines, strikes=1)
    assert limits() == [2, 2, 2, 2]
    reopen(ledger, *lines[:2], strikes=2)
    assert limits() == [1, 1, 2, 2]
    reopen(ledger, lines[0], strikes=2, reason="Meta refuses any call with this item.")
    found = ledger.known("a").want
    assert found is not None
    assert (found.content_quarantine, found.volatile_quarantine, found.strikes) == (BY_META, BY_META, 0)
    assert (found.retry_at, counted(ledger)) == (ledger.now_ms + DAY_MS, (0, 1))
    assert [retailer_id for retailer_id, _ in ledger.open_issues()] == ["a"]
