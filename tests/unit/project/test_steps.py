"""Every transaction and every network call of the use cases has its name in the catalogue of steps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.failpoints import CALLS, STEPS, TRANSACTIONS

PROJECT = Path(__file__).parents[3]
SYNC = PROJECT / "worker" / "sync"
PAGE = PROJECT / "docs" / "failpoints.md"


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in ``worker.sync`` of a function of one of these names, with the place where it is."""
    for path in sorted(SYNC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                yield f"{path.relative_to(SYNC)}:{node.lineno}", node


def named(node: ast.Call) -> str | None:
    name = node.args[-1]
    return name.value if isinstance(name, ast.Constant) else None


def test_every_transaction_of_the_use_cases_is_one_step_of_the_catalogue() -> None:
    found = [(place, named(node)) for place, node in calls("writing")]
    assert [place for place, name in found if name not in TRANSACTIONS] == []
    assert sorted(name for _, name in found) == sorted(TRANSACTIONS)


@pytest.mark.parametrize("side", ["before", "after"])
def test_every_network_call_is_a_step_with_two_sides(side: str) -> None:
    assert sorted(str(named(node)) for _, node in calls(f"failpoints.{side}")) == sorted(CALLS)


def test_the_page_lists_every_step() -> None:
    listed = re.findall(r"^\| `([\w.-]+)` \| (\w+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    expected = [(name, "call" if name in CALLS else "transaction", what) for name, what in STEPS.items()]
    assert sorted(listed) == sorted(expected)
