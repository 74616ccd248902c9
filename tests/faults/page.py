"""The page that says for each row what is expected, where it is tested, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from tests.faults.catalogue import GRAPH, INFRASTRUCTURE, INVARIANTS, STORE, Row
from tests.faults.marks import TESTS, Proof

PAGE = TESTS.parent / "docs" / "faults.md"

_HEAD = """\
# What may go wrong, and what comes of it

`python -m tests.faults` writes this page from the marks of the tests. A row *holds* if every test named in it passes,
which CI sees to; it *does not hold* if one of them is marked as failing, with the reason. How to add a row:
[Development](development.md#recipes).
"""

_SECTIONS = (
    ("Invariants", INVARIANTS),
    ("Faults of the store", STORE),
    ("Faults of the Graph API", GRAPH),
    ("Faults of the infrastructure", INFRASTRUCTURE),
)


def render(proofs: Sequence[Proof]) -> str:
    by_row: dict[str, list[Proof]] = {}
    for proof in proofs:
        by_row.setdefault(proof.row, []).append(proof)
    parts = [_HEAD]
    for title, rows in _SECTIONS:
        invariants = rows is INVARIANTS
        parts.append(f"## {title}\n")
        head = (
            "| | expected | holds | tested where |" if invariants else "| | fault | expected | holds | tested where |"
        )
        parts.append(f"{head}\n|{'---|' * (head.count('|') - 1)}")
        parts += [_line(row, by_row.get(row.id, [])) for row in rows]
        parts.append("")
    return "\n".join(parts)


def _line(row: Row, proofs: Sequence[Proof]) -> str:
    cells = [row.id, row.fault, row.expected] if row.fault else [row.id, row.expected]
    return "| " + " | ".join([*cells, _verdict(row, proofs), "<br>".join(_places(proofs))]) + " |"


def _verdict(row: Row, proofs: Sequence[Proof]) -> str:
    if row.not_yet:
        return f"does not apply: {row.not_yet}"
    if not proofs:
        return "not tested"
    reasons = sorted({proof.fails for proof in proofs if proof.fails})
    return f"does not hold: {'; '.join(reasons)}" if reasons else "holds"


def _places(proofs: Iterable[Proof]) -> list[str]:
    """One entry per file: a link, and the tests in it."""
    places = []
    for path, group in groupby(sorted(proofs), key=lambda proof: proof.path):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(proof.name for proof in group))
        places.append(f"[{path.removeprefix('tests/').removesuffix('.py')}](../{path}): {names}")
    return places
