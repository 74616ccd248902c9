"""Which tests claim to prove which rows, as pytest itself collects them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.catalogue import INVARIANTS, ROWS

TESTS = Path(__file__).parents[1]

# Only files that spell a mark can hold one; collecting these alone takes a third of the time.
_SPELLED = re.compile(r"mark\.(?:invariant|fault)\b")


class WrongMark(Exception):
    """A mark that names a row nobody knows, or a test file that cannot be collected."""


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """One test function, whatever its parameters, and one row that it proves.

    Attributes:
        path: Of its file, from the checkout.
        name: Of the function, behind its class if it has one.
        fails: Why it is expected to fail; empty for a test that has to pass.
    """

    row: str
    path: str
    name: str
    fails: str = ""


class _Collected:
    def __init__(self) -> None:
        self.items: Sequence[pytest.Item] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def collect() -> list[Proof]:
    """Every mark of the suite, in order. Raises ``WrongMark``."""
    files = [path for path in sorted(TESTS.rglob("test_*.py")) if _SPELLED.search(path.read_text())]
    if not files:
        return []
    collected, said = _Collected(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", f"--rootdir={TESTS.parent}", *map(str, files)],
            plugins=[collected],
        )
    if code != pytest.ExitCode.OK:
        raise WrongMark(said.getvalue()[-2000:])
    return sorted({proof for item in collected.items for proof in _proofs(item)})


def _proofs(item: pytest.Item) -> list[Proof]:
    found = []
    path, _, name = item.nodeid.partition("[")[0].partition("::")
    expected = item.get_closest_marker("xfail")
    fails = str(expected.kwargs.get("reason", "no reason given")) if expected else ""
    for kind in ("invariant", "fault"):
        for mark in item.iter_markers(kind):
            for row in mark.args:
                if row not in ROWS or (kind == "invariant") != (ROWS[row] in INVARIANTS):
                    raise WrongMark(f"{item.nodeid}: there is no {kind} {row!r}. See tests/faults/catalogue.py.")
                found.append(Proof(row, path, name, fails))
    return found
