from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.items.bitmap import Bitmap

NUMBERS = st.lists(st.integers(0, 20_000), max_size=60)


def test_a_new_bitmap_holds_nothing() -> None:
    bitmap = Bitmap()
    assert (0 in bitmap, 1_000_000 in bitmap, len(bitmap), bytes(bitmap)) == (False, False, 0, b"")


def test_a_million_items_take_little_more_than_a_bit_each() -> None:
    bitmap = Bitmap()
    for number in range(0, 1_000_000, 1000):
        bitmap.add(number)
    bitmap.add(999_999)
    assert len(bytes(bitmap)) <= 2 * 125_000
    assert 999_999 in bitmap
    assert 999_998 not in bitmap


@given(NUMBERS, NUMBERS)
def test_it_holds_what_was_added_and_nothing_else(added: list[int], others: list[int]) -> None:
    bitmap = Bitmap()
    for number in added:
        bitmap.add(number)
    assert [number in bitmap for number in added + others] == [number in set(added) for number in added + others]
    assert len(bitmap) == len(set(added))


@given(NUMBERS, NUMBERS)
def test_it_goes_on_from_its_bytes(before: list[int], after: list[int]) -> None:
    first = Bitmap()
    for number in before:
        first.add(number)
    second = Bitmap(bytes(first))
    for number in after:
        second.add(number)
    assert {number for number in range(20_001) if number in second} == {*before, *after}
    assert len(first) == len(set(before))
