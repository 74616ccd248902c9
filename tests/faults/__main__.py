"""Write docs/faults.md from the marks of the tests: ``python -m tests.faults``.

With ``--check`` nothing is written: it exits 1 if the page is not current, or an invariant has no test.
"""

from __future__ import annotations

import argparse
import sys

from tests.faults.catalogue import INVARIANTS
from tests.faults.marks import WrongMark, collect
from tests.faults.page import PAGE, render


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is missing")
    check = parser.parse_args().check
    try:
        proofs = collect()
    except WrongMark as error:
        return _complain(str(error))
    text = render(proofs)
    if not check:
        PAGE.write_text(text)
        return 0
    if not PAGE.exists() or PAGE.read_text() != text:
        return _complain("docs/faults.md is not what the tests say. Run 'python -m tests.faults'.")
    untested = [row.id for row in INVARIANTS if row.id not in {proof.row for proof in proofs}]
    if untested:
        return _complain(f"No test proves {', '.join(untested)}.")
    return 0


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - a command prints
    return 1


if __name__ == "__main__":
    sys.exit(main())
