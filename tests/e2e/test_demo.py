"""The story that the README promises: one command, everything converges, nothing of the user's is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def test_the_demo_converges_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    # Settings of the user's own, which the demo must neither use nor break.
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TMPDIR": str(tmp_path / "tmp"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "TOKEN_KEYS": "k" * 32,
    }
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "demo"],
        cwd=tmp_path / "home",
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "Everything converged" in done.stdout
    assert list((tmp_path / "home").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if _works_below(pid, tmp_path)]


def _works_below(process, directory):
    try:
        return (process / "cwd").readlink().is_relative_to(directory)
    except OSError:
        return False
