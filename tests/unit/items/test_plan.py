"""Tables of what is sent for an item, and of where and when it waits for that."""

from __future__ import annotations

import pytest

from tests.unit.items.wants import LATER, NOW, RESTING, RIPE, acked, hidden, want
from worker.items.diff import carries_volatile, plan, routed
from worker.items.states import (
    ARCHIVED,
    BY_META,
    BY_RULES,
    FAR,
    GONE,
    LANE_CONTENT,
    LANE_DELETE,
    LANE_STATUS,
    LANE_VOLATILE,
    UNCERTAIN_CONTENT,
    UNCERTAIN_VOLATILE,
    Acked,
    Op,
    Want,
)


@pytest.mark.parametrize(
    ("known", "row", "op"),
    [
        pytest.param(None, want(), Op.CONTENT, id="Meta does not have it: created whole"),
        pytest.param(acked(), want(), Op.DROP, id="Meta has it as desired"),
        pytest.param(acked(), want(content_fp=101), Op.CONTENT, id="another content"),
        pytest.param(acked(), want(volatile_fp=201), Op.VOLATILE, id="another price"),
        pytest.param(
            acked(), want(volatile_fp=201, payload_id=None), Op.VOLATILE, id="a price alone needs no content at hand"
        ),
        pytest.param(acked(), want(content_fp=101, volatile_fp=201), Op.CONTENT, id="both: one record"),
        pytest.param(
            acked(), want(content_fp=101, volatile_fp=201, lane=LANE_VOLATILE), Op.VOLATILE, id="both, but urgent"
        ),
        pytest.param(acked(), want(uncertain=UNCERTAIN_CONTENT), Op.CONTENT, id="uncertain content, though equal"),
        pytest.param(acked(), want(uncertain=UNCERTAIN_VOLATILE), Op.VOLATILE, id="uncertain price, though equal"),
        pytest.param(acked(), want(uncertain=UNCERTAIN_CONTENT | UNCERTAIN_VOLATILE), Op.CONTENT, id="both uncertain"),
        pytest.param(hidden(), want(), Op.CONTENT, id="hidden at Meta and wanted as it was: sent whole"),
        pytest.param(hidden(), want(volatile_fp=201, lane=LANE_VOLATILE), Op.CONTENT, id="hidden: no price alone"),
        pytest.param(acked(), want(status=ARCHIVED), Op.ARCHIVE, id="to be hidden"),
        pytest.param(hidden(), want(status=ARCHIVED), Op.DROP, id="hidden already"),
        pytest.param(
            hidden(), want(status=ARCHIVED, uncertain=UNCERTAIN_CONTENT), Op.ARCHIVE, id="perhaps not hidden any more"
        ),
        pytest.param(None, want(status=ARCHIVED), Op.DROP, id="gone before it was sent"),
        pytest.param(
            None, want(status=ARCHIVED, uncertain=UNCERTAIN_CONTENT), Op.ARCHIVE, id="gone, and perhaps created"
        ),
        pytest.param(acked(), want(status=GONE), Op.ARCHIVE, id="gone: hidden first"),
        pytest.param(hidden(), want(status=GONE), Op.DELETE, id="gone and hidden"),
        pytest.param(
            hidden(), want(status=GONE, uncertain=UNCERTAIN_CONTENT), Op.ARCHIVE, id="gone, and perhaps shown again"
        ),
        pytest.param(
            hidden(), want(status=GONE, uncertain=UNCERTAIN_VOLATILE), Op.DELETE, id="gone and hidden at whatever price"
        ),
        pytest.param(None, want(status=GONE), Op.DROP, id="gone, and Meta has nothing"),
        pytest.param(
            None, want(status=GONE, uncertain=UNCERTAIN_CONTENT), Op.ARCHIVE, id="gone, and Meta has perhaps something"
        ),
    ],
)
def test_what_is_sent(known: Acked | None, row: Want, op: Op) -> None:
    assert plan(known, row, NOW) is op


@pytest.mark.parametrize(
    ("known", "row", "op"),
    [
        (None, want(content_quarantine=BY_RULES), Op.WAIT),
        (None, want(volatile_quarantine=BY_RULES), Op.WAIT),
        (None, want(content_quarantine=BY_META, volatile_quarantine=BY_META, **RESTING), Op.WAIT),
        (None, want(content_quarantine=BY_META, volatile_quarantine=BY_META, **RIPE), Op.CONTENT),
        (acked(), want(content_fp=101, content_quarantine=BY_RULES), Op.WAIT),
        (acked(), want(content_fp=101, content_quarantine=BY_META, **RESTING), Op.WAIT),
        (acked(), want(content_fp=101, content_quarantine=BY_META, **RIPE), Op.CONTENT),
        # Content in quarantine does not stop the prices of an item that Meta has.
        (acked(), want(content_fp=101, volatile_fp=201, content_quarantine=BY_RULES), Op.VOLATILE),
        (acked(), want(content_fp=101, volatile_fp=201, content_quarantine=BY_META, **RESTING), Op.VOLATILE),
        # Nor does a price in quarantine stop the content.
        (acked(), want(content_fp=101, volatile_fp=201, volatile_quarantine=BY_META, **RESTING), Op.CONTENT),
        (acked(), want(volatile_fp=201, volatile_quarantine=BY_META, **RESTING), Op.WAIT),
        (hidden(), want(volatile_quarantine=BY_META, **RESTING), Op.CONTENT),
        (acked(), want(status=ARCHIVED, content_quarantine=BY_META, **RESTING), Op.WAIT),
        (acked(), want(status=ARCHIVED, content_quarantine=BY_META, **RIPE), Op.ARCHIVE),
        (hidden(), want(status=GONE, content_quarantine=BY_META, **RESTING), Op.WAIT),
        (hidden(), want(status=GONE, content_quarantine=BY_META, **RIPE), Op.DELETE),
        # Content that is not at hand cannot be sent.
        (acked(), want(content_fp=101, payload_id=None), Op.WAIT),
    ],
)
def test_quarantine_is_per_half(known: Acked | None, row: Want, op: Op) -> None:
    assert plan(known, row, NOW) is op


@pytest.mark.parametrize(
    ("row", "carried"),
    [
        (want(), True),
        (want(volatile=None), False),
        (want(volatile_quarantine=BY_RULES), False),
        (want(volatile_quarantine=BY_META, **RESTING), False),
        (want(volatile_quarantine=BY_META, **RIPE), True),
    ],
)
def test_a_whole_record_leaves_a_refused_price_out(row: Want, carried: bool) -> None:
    assert carries_volatile(row, NOW) is carried


@pytest.mark.parametrize(
    ("known", "row", "lane", "due_at"),
    [
        (acked(), want(content_fp=101), LANE_CONTENT, NOW),
        (acked(), want(volatile_fp=201), LANE_VOLATILE, NOW),
        (acked(), want(status=ARCHIVED), LANE_STATUS, NOW),
        (acked(), want(status=GONE), LANE_STATUS, NOW),
        (hidden(), want(status=GONE, delete_at=LATER), LANE_DELETE, LATER),
        (hidden(), want(status=GONE, delete_at=NOW - 1), LANE_DELETE, NOW),
        (acked(), want(content_fp=101, content_quarantine=BY_RULES), LANE_CONTENT, FAR),
        (acked(), want(content_fp=101, content_quarantine=BY_META, **RESTING), LANE_CONTENT, LATER),
        # Meta's quarantine is over; what holds it now is ours, and time alone changes nothing.
        (None, want(content_quarantine=BY_RULES, volatile_quarantine=BY_META, **RIPE), LANE_CONTENT, FAR),
        (acked(), want(content_fp=101, payload_id=None), LANE_CONTENT, FAR),
    ],
)
def test_where_and_when_it_waits(known: Acked | None, row: Want, lane: int, due_at: int) -> None:
    placed = routed(known, row, NOW)
    assert (placed.lane, placed.due_at) == (lane, due_at)


def test_urgent_prices_go_first_even_where_content_waits_too() -> None:
    placed = routed(acked(), want(content_fp=101, volatile_fp=201), NOW, urgent=True)
    assert (placed.lane, placed.due_at, plan(acked(), placed, NOW)) == (LANE_VOLATILE, NOW, Op.VOLATILE)
