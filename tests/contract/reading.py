"""Read a store as the pull does."""

from __future__ import annotations

from worker.stores import Store


def pages(read, store: Store) -> list:
    """Every page of one pull. A fake wants no pause, so none is made."""
    found, cursor = [], None
    while True:
        page = read(store)(cursor)
        found.append(page)
        assert page.last is (page.cursor is None)
        if page.last:
            return found
        cursor = page.cursor


def full(store: Store):
    return store.full


def changed(store: Store):
    return lambda cursor: store.changed(None, cursor)


def volatile(store: Store):
    return lambda cursor: store.volatile(None, cursor)


def records(found: list) -> list:
    return [record for page in found for record in page.records]
