"""From hidden to deleted: when an item that the store no longer has is deleted at Meta. Pure.

Hiding loses nothing and is undone by the item's return; deleting loses what its ads have learned. So the want of an
item that is gone and hidden waits: for the shop's grace time, and for one more complete pull that misses the item too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from worker.errors import BadInput
from worker.items.diff import plan
from worker.items.states import LANE_DELETE, Acked, Op, Want

OPTION: Final = "delete-after"
LIMIT: Final = "delete_after"
"""How the grace time is called where people write it, and in a shop's limits: days, 0 for never."""

_DAYS: Final = 30
_DAY_MS: Final = 86_400_000


def grace_ms(limits: Mapping[str, Any] | None) -> int | None:
    """How long a shop keeps a hidden item that is gone; None: for ever."""
    days: int = (limits or {}).get(LIMIT, _DAYS)
    return days * _DAY_MS or None


def parse(text: str) -> int:
    """A grace time as a person writes it, such as ``30d`` or ``off``, in days. Raises ``BadInput``."""
    if text == "off":
        return 0
    days = re.fullmatch(r"([0-9]{1,4})d", text)
    if days is None or int(days[1]) == 0:
        raise BadInput(f"{text!r} is no number of days.", action="Write it like 30d, one day at least, or off.")
    return int(days[1])


def in_force(limits: Mapping[str, Any] | None) -> str:
    """A shop's grace time as people read it."""
    grace = grace_ms(limits)
    return "off" if grace is None else f"{grace // _DAY_MS}d"


def awaits_deletion(acked: Acked | None, want: Want, now_ms: int) -> bool:
    """Whether deleting is all that is left to do for an item, and it has no batch."""
    return want.batch_id is None and plan(acked, want, now_ms) is Op.DELETE


def timed(want: Want, grace_ms: int | None, content_floor: int, now_ms: int) -> Want | None:
    """Give a want that awaits deletion its time: due now, if the item may be deleted. None: it never is.

    It is nobody's work meanwhile, so no run waits for it, and it keeps no payload.

    Args:
        content_floor: Stamp of the last complete full; what is gone was missed by it if it is newer.
    """
    if grace_ms is None:
        return None
    delete_at = want.delete_at
    if delete_at is None:
        delete_at = now_ms + grace_ms
    elif delete_at <= now_ms and content_floor <= want.status_stamp:
        delete_at = now_ms + _DAY_MS
    return want._replace(
        lane=LANE_DELETE,
        due_at=max(delete_at, now_ms),
        delete_at=delete_at,
        payload_id=None,
        payload_offset=None,
        payload_length=None,
        volatile=None,
        run_id=None,
        volatile_run=None,
    )
