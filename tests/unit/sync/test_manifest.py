from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.sync.manifest import ARCHIVE, CONTENT, VOLATILE, Line, pack, runs_of, unpack

NUMBERS = st.integers(-(2**63), 2**63 - 1)
RUNS = st.none() | st.sampled_from(["run-1", "run-2", "run-3"])
LINES = st.lists(
    st.builds(
        Line, st.text(max_size=20), st.sampled_from([CONTENT, VOLATILE, CONTENT | VOLATILE, ARCHIVE]), NUMBERS, NUMBERS,
        NUMBERS, NUMBERS, NUMBERS, st.integers(0, 2**15 - 1), RUNS, RUNS,
    ),
    max_size=8,
)  # fmt: skip


def line(number: int, run_id: str | None = None, volatile_run: str | None = None) -> Line:
    return Line(f"sku-{number}", CONTENT | VOLATILE, number, 2, 3, 4, 5, 6, run_id, volatile_run)


@given(LINES)
def test_a_manifest_comes_back_as_it_was_packed(lines: list[Line]) -> None:
    assert unpack(pack(lines)) == lines


def test_a_manifest_of_nothing_is_empty() -> None:
    assert unpack(pack([])) == []


def test_a_full_call_takes_little_more_than_its_numbers() -> None:
    lines = [line(number, "run-1") for number in range(3000)]
    assert len(pack(lines)) < 3000 * 62


def test_runs_beyond_what_a_byte_can_name_are_not_counted_and_nothing_else_is_lost() -> None:
    lines = [line(number, f"run-{number:03}") for number in range(300)]
    found = unpack(pack(lines))
    assert [row.run_id for row in found] == [row.run_id for row in lines[:255]] + [None] * 45
    assert [row._replace(run_id=None) for row in found] == [row._replace(run_id=None) for row in lines]


def test_the_runs_of_a_batch_are_those_that_wait_for_either_half() -> None:
    assert runs_of([line(1, "b"), line(2, "a", "c"), line(3)]) == ["a", "b", "c"]
