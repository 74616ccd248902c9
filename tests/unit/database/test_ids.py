from __future__ import annotations

import re

from worker.database.ids import new_ulid


def test_a_ulid_has_26_characters_of_crockfords_alphabet() -> None:
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", new_ulid(1_700_000_000_000))


def test_ulids_sort_by_time() -> None:
    assert new_ulid(1) < new_ulid(2) < new_ulid(1_700_000_000_000) < new_ulid(2**48 - 1)


def test_the_time_is_the_first_ten_characters() -> None:
    # The example of the ULID specification.
    assert new_ulid(1469918176385)[:10] == "01ARYZ6S41"


def test_two_ulids_of_one_instant_differ() -> None:
    assert new_ulid(1) != new_ulid(1)
