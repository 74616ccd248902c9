"""Builders for the rows that ``items.diff`` compares, and strategies for any of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from worker.items.states import (
    ACTIVE,
    ARCHIVED,
    BY_META,
    BY_RULES,
    GONE,
    LANE_CONTENT,
    LANE_DELETE,
    LANE_STATUS,
    LANE_VOLATILE,
    NOT_QUARANTINED,
    Acked,
    Floors,
    Seen,
    SeenVolatile,
    Want,
)

NOW = 1_800_000_000_000
LATER = NOW + 3_600_000
NO_FLOORS = Floors(0, 0)

RESTING: dict[str, Any] = {"attempts": 1, "retry_at": LATER}
RIPE: dict[str, Any] = {"attempts": 1, "retry_at": NOW}


def acked(**changes: Any) -> Acked:
    """Item 7: content 100, volatile 200, made from source 10, both halves seen at stamp 5."""
    return Acked(7, 10, 100, 200, 5, 5, 0)._replace(**changes)


def hidden(**changes: Any) -> Acked:
    """What the settling of an archive leaves."""
    return acked(state=1, src_fp=0)._replace(**changes)


def want(**changes: Any) -> Want:
    """The same item as the store says it is, its content at hand; equal to ``acked()`` as it stands."""
    row = Want(
        7, 10, 100, 200, 5, 5, ACTIVE, 0, 0, 3, 0, 50, b"v200", LANE_CONTENT, NOW, None, 0, None, 0, 0, 0,
        NOT_QUARANTINED, NOT_QUARANTINED, None, "run-1", None, None,
    )  # fmt: skip
    return row._replace(**changes)


def seen(**changes: Any) -> Seen:
    """A whole record equal to ``acked()``, seen at stamp 9."""
    row = Seen(9, 10, 100, True, 200, b"v200", True, 0, b"", archived=False, band=0)
    return row._replace(**changes)


def seen_volatile(**changes: Any) -> SeenVolatile:
    """Price and stock equal to those of ``acked()``, seen at stamp 9."""
    return SeenVolatile(9, 200, b"v200", True, 0, b"", 0)._replace(**changes)


STAMPS = st.integers(1, 9)
CONTENTS = st.sampled_from((100, 101))
VOLATILES = st.sampled_from((200, 201))
SOURCES = st.sampled_from((0, 10, 11))
QUARANTINES = st.sampled_from((NOT_QUARANTINED, BY_RULES, BY_META))

ACKED = st.builds(Acked, st.just(7), SOURCES, CONTENTS, VOLATILES, STAMPS, STAMPS, st.sampled_from((0, 1, 4, 5)))
FLOORS = st.builds(Floors, st.integers(0, 9), st.integers(0, 9))


@st.composite
def wants(draw: st.DrawFn) -> Want:
    """Any row that the machinery may write: a half in Meta's quarantine always knows when it is tried again."""
    row = want(
        src_fp=draw(SOURCES),
        content_fp=draw(CONTENTS),
        volatile_fp=draw(VOLATILES),
        content_stamp=draw(STAMPS),
        volatile_stamp=draw(STAMPS),
        status=draw(st.sampled_from((ACTIVE, ARCHIVED, GONE))),
        status_stamp=draw(STAMPS),
        payload_id=draw(st.sampled_from((None, 3))),
        volatile=draw(st.sampled_from((None, b"v200"))),
        lane=draw(st.sampled_from((LANE_VOLATILE, LANE_CONTENT, LANE_STATUS, LANE_DELETE))),
        batch_id=draw(st.sampled_from((None, 1))),
        uncertain=draw(st.integers(0, 3)),
        content_quarantine=draw(QUARANTINES),
        volatile_quarantine=draw(QUARANTINES),
        strikes=draw(st.integers(0, 3)),
        share_limit=draw(st.sampled_from((0, 1))),
    )
    if row.status == GONE:
        row = row._replace(delete_at=draw(st.sampled_from((None, NOW - 1, NOW, LATER))))
    if BY_META in (row.content_quarantine, row.volatile_quarantine):
        row = row._replace(attempts=draw(st.integers(1, 3)), retry_at=draw(st.sampled_from((NOW - 1, NOW, LATER))))
    return row


SEEN = st.builds(
    Seen,
    STAMPS,
    st.sampled_from((10, 11)),
    CONTENTS,
    st.booleans(),
    VOLATILES,
    st.just(b"v"),
    st.booleans(),
    st.sampled_from((200, 299)),
    st.just(b"fallback"),
    st.booleans(),
    st.integers(0, 3),
)
SEEN_VOLATILE = st.builds(
    SeenVolatile, STAMPS, VOLATILES, st.just(b"v"), st.booleans(), st.sampled_from((200, 299)), st.just(b"fallback"),
    st.integers(0, 3),
)  # fmt: skip
