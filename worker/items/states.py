"""What is known of an item, as rows and observations carry it, and what can be done about it. Pure.

``Acked`` is what Meta confirmed, ``Want`` what the store says where that differs (the *desired* state).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

FAR: Final = 253402300799000  # 9999-12-31 in ms: not before the item's own data changes

ACTIVE: Final = 0
ARCHIVED: Final = 1  # the store has it and hides it
GONE: Final = 2  # the store no longer has it: archived, and deleted after a time (see ``items.removal``)

LANE_VOLATILE: Final = 0
LANE_CONTENT: Final = 1
LANE_STATUS: Final = 2
LANE_DELETE: Final = 3
LANES: Final = (LANE_VOLATILE, LANE_CONTENT, LANE_STATUS, LANE_DELETE)

NOT_QUARANTINED: Final = 0
BY_RULES: Final = 1
BY_META: Final = 2

UNCERTAIN_CONTENT: Final = 1
UNCERTAIN_VOLATILE: Final = 2

IN_THIS_CHUNK: Final = -1
"""Payload id of a want whose content half comes with the observation; the merge puts the stored place there."""


class Acked(NamedTuple):
    """A snapshot row: what Meta confirmed."""

    seq: int
    src_fp: int
    content_fp: int
    volatile_fp: int
    content_stamp: int
    volatile_stamp: int
    state: int

    @property
    def archived(self) -> bool:
        return bool(self.state & 1)


class Want(NamedTuple):
    """A pending row, in the column order of the table after its key."""

    seq: int
    src_fp: int
    content_fp: int
    volatile_fp: int
    content_stamp: int
    volatile_stamp: int
    status: int
    status_stamp: int
    band: int
    payload_id: int | None
    payload_offset: int | None
    payload_length: int | None
    volatile: bytes | None
    lane: int
    due_at: int
    batch_id: int | None
    attempts: int
    retry_at: int | None
    strikes: int
    share_limit: int
    uncertain: int
    content_quarantine: int
    volatile_quarantine: int
    gate_run: str | None
    run_id: str | None
    volatile_run: str | None
    delete_at: int | None


class Floors(NamedTuple):
    content: int
    volatile: int


class Seen(NamedTuple):
    """One observation of a whole record.

    ``volatile_fp``, ``volatile`` and ``volatile_ok`` are what would be sent for an item that Meta does not have;
    the ``fallback`` pair is sent instead for one that it has and whose price or availability became invalid.
    """

    stamp: int
    src_fp: int
    content_fp: int
    content_ok: bool
    volatile_fp: int
    volatile: bytes
    volatile_ok: bool
    fallback_fp: int
    fallback: bytes
    archived: bool
    band: int


class SeenVolatile(NamedTuple):
    """One observation of the volatile half alone."""

    stamp: int
    volatile_fp: int
    volatile: bytes
    volatile_ok: bool
    fallback_fp: int
    fallback: bytes
    band: int


class Op(IntEnum):
    """What the lane does with a pending row now."""

    DROP = 0  # Meta already holds the desired state
    VOLATILE = 1
    CONTENT = 2  # the whole record: it may create the item
    ARCHIVE = 3
    WAIT = 4  # quarantined
    DELETE = 5  # hidden already; when it is due, see ``items.removal``


class Change(NamedTuple):
    """What a merge writes. All None: nothing.

    ``src_fp`` updates the snapshot row alone: the raw record changed, the item did not.
    """

    want: Want | None = None
    src_fp: int | None = None


NOTHING: Final = Change()
