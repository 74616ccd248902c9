"""How many records go in one ``items_batch`` call."""

from __future__ import annotations

from collections.abc import Sequence

# Meta takes up to 5,000 records and recommends fewer than about 3,000; a body may have 28 MB.
MAX_ITEMS = 3000
BODY_BYTES = 28_000_000
# Room for ``item_type``, ``allow_upsert`` and the brackets around the records.
ENVELOPE_BYTES = 1024


def cut(sizes: Sequence[int], max_items: int = MAX_ITEMS, max_bytes: int = BODY_BYTES - ENVELOPE_BYTES) -> int:
    """How many leading records fit in one call.

    Args:
        sizes: Bytes of each record.

    Returns:
        At least 1 where there is a record: one that is too large by itself goes alone, so that its refusal is its own.
    """
    total = 0
    for count, size in enumerate(sizes[:max_items]):
        total += size + 1  # the comma
        if total > max_bytes:
            return max(count, 1)
    return min(len(sizes), max_items)
