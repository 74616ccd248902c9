"""The table of faults is what the tests say, and no invariant is without one."""

from __future__ import annotations

import subprocess
import sys

from tests.unit.project.checkout import ROOT


def test_the_page_of_faults_is_current_and_every_invariant_is_tested() -> None:
    # A process of its own: pytest does not collect inside pytest.
    checked = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")
