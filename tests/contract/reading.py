"""Read a store as the pull does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from worker.errors import StoreIncomplete, StoreRefused, Transient
from worker.stores import CursorExpired, Page, Record, Store, VolatileRecord

Read = Callable[[Store], Callable[[str | None], Page[Any]]]

DOUBT = (Transient, StoreRefused, StoreIncomplete, CursorExpired)
"""What says that nothing of a pull may be believed."""

MOST_PAGES = 1_000


def pages(read: Read, store: Store, cursor: str | None = None) -> list[Page[Any]]:
    """Every page of one pull, from ``cursor`` on. A fake wants no pause, so none is made.

    Raises ``StoreIncomplete`` where the store leads back to a page that was read, as the pull does.
    """
    found: list[Page[Any]] = []
    known = {cursor}
    while len(found) < MOST_PAGES:
        page = read(store)(cursor)
        found.append(page)
        assert page.last is (page.cursor is None)
        if page.last:
            return found
        if page.cursor in known:
            raise StoreIncomplete("The store leads back to a page that was read.")
        cursor = page.cursor
        known.add(cursor)
    raise AssertionError("a pull that does not end")


def full(store: Store) -> Callable[[str | None], Page[Record]]:
    return store.full


def changed(store: Store) -> Callable[[str | None], Page[Record]]:
    return lambda cursor: store.changed(None, cursor)


def volatile(store: Store) -> Callable[[str | None], Page[VolatileRecord]]:
    return lambda cursor: store.volatile(None, cursor)


def records(found: Sequence[Page[Any]]) -> list[Any]:
    return [record for page in found for record in page.records]


def names(found: Sequence[Page[Any]]) -> list[str]:
    return [record.retailer_id for record in records(found)]


def proves_absence(found: Sequence[Page[Any]]) -> bool:
    """Whether the pull may take for gone what it did not bring."""
    return not any(page.unidentified for page in found)
