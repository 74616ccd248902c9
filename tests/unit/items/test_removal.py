"""When what is gone and hidden is deleted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.items.wants import ACKED, NOW, acked, hidden, want, wants
from worker.errors import BadInput
from worker.items import limits, removal
from worker.items.diff import plan
from worker.items.removal import awaits_deletion, grace_ms, timed
from worker.items.states import BY_META, GONE, LANE_DELETE, UNCERTAIN_CONTENT, Acked, Op, Want

DAY = 24 * 3600 * 1000
GRACE = 30 * DAY
MISSED_AT = 9


def gone(**changes: Any) -> Want:
    return want(status=GONE, status_stamp=MISSED_AT)._replace(**changes)


@pytest.mark.parametrize(
    ("delete_at", "content_floor", "due_at"),
    [
        pytest.param(None, 10, NOW + GRACE, id="its grace time begins"),
        pytest.param(None, 9, NOW + GRACE, id="whatever was read since"),
        pytest.param(NOW + 5, 10, NOW + 5, id="it goes on"),
        pytest.param(NOW + 5, 9, NOW + 5, id="a later pull may still miss it"),
        pytest.param(NOW, 10, NOW, id="it is over, and a later complete pull has missed the item"),
        pytest.param(NOW - DAY, 10, NOW, id="it was over a day ago"),
        pytest.param(NOW, 9, NOW + DAY, id="it is over, and the last complete pull is the one that missed it first"),
        pytest.param(NOW - DAY, 0, NOW + DAY, id="it is over, and there was no complete pull"),
    ],
)
@pytest.mark.invariant("I9")
def test_when_what_is_gone_is_deleted(delete_at: int | None, content_floor: int, due_at: int) -> None:
    row = timed(gone(delete_at=delete_at), GRACE, content_floor, NOW)
    assert row is not None
    assert (row.due_at, row.lane) == (due_at, LANE_DELETE)
    if row.due_at > NOW:
        assert (row.delete_at, timed(row, GRACE, content_floor, NOW)) == (due_at, row)


def test_a_shop_that_deletes_nothing_keeps_no_row() -> None:
    assert timed(gone(delete_at=NOW), None, 10, NOW) is None


def test_what_waits_is_no_runs_work_and_keeps_no_payload() -> None:
    row = timed(gone(volatile_run="run-1"), GRACE, 0, NOW)
    assert row is not None
    assert (row.run_id, row.volatile_run, row.payload_id, row.volatile) == (None, None, None, None)


@given(st.none() | ACKED, wants())
def test_only_a_row_without_a_batch_awaits_its_deletion(known: Acked | None, row: Want) -> None:
    assert awaits_deletion(known, row, NOW) is (row.batch_id is None and plan(known, row, NOW) is Op.DELETE)


@pytest.mark.parametrize(
    ("known", "row"),
    [
        (acked(), gone()),
        (None, gone()),
        (hidden(), gone(uncertain=UNCERTAIN_CONTENT)),
        (hidden(), gone(batch_id=4)),
        (hidden(), gone(content_quarantine=BY_META, retry_at=NOW + 1)),
    ],
)
def test_what_has_something_before_it_does_not_await_its_deletion(known: Acked | None, row: Want) -> None:
    assert not awaits_deletion(known, row, NOW)


def test_the_grace_time_is_written_as_it_is_read() -> None:
    assert (grace_ms(None), grace_ms({"delete_after": 5}), grace_ms({"delete_after": 0})) == (GRACE, 5 * DAY, None)
    assert [limits.parse("delete-after", text) for text in ("60d", "off", "default")] == [
        ("delete_after", 60), ("delete_after", 0), ("delete_after", None)
    ]  # fmt: skip
    assert limits.in_force({"delete_after": 0, "missing": 0.2}) == {
        "missing": "20%", "rewritten": "50%", "repriced": "50%", "sold-out": "50%", "delete-after": "off"
    }  # fmt: skip
    assert removal.in_force(None) == "30d"


@pytest.mark.parametrize("text", ["0d", "30", "12h", "-1d", "", "20%", "10000d", "٣d"])
def test_a_grace_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no number of days"):
        limits.parse("delete-after", text)


@pytest.mark.parametrize("option", ["lost", "", "delete_after"])
def test_a_limit_that_there_is_not_is_refused(option: str) -> None:
    with pytest.raises(BadInput, match="is no limit"):
        limits.parse(option, "20%")
