"""The story that the README promises: one command, everything converges, nothing of the user's is touched."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import CELERY, PATIENCE_S, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

DEMO = [*CELERY, "demo"]


@pytest.fixture
def place(tmp_path):
    """Where a user starts the demo, beside settings of their own that it must neither use nor break."""
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TMPDIR": str(tmp_path / "tmp"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "TOKEN_KEYS": "k" * 32,
    }
    return {"cwd": tmp_path / "home", "env": environment, "text": True}


def test_the_demo_converges_and_leaves_nothing_behind(place, tmp_path):
    done = subprocess.run(DEMO, **place, capture_output=True, timeout=PATIENCE_S, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Everything converged" in done.stdout
    _nothing_is_left(tmp_path)


def test_a_demo_that_is_told_twice_to_end_still_ends_its_broker(place, tmp_path):
    with subprocess.Popen([*DEMO, "--keep"], **place, stdout=subprocess.PIPE) as demo:
        assert any(line.startswith("Ready.") for line in demo.stdout)
        (up,) = (int(path.name.rpartition("-")[2]) for path in (tmp_path / "tmp").glob("*/var/run/up-*"))
        # It cannot end anything any more, as one that waits for a daemon that takes its time.
        os.kill(up, signal.SIGSTOP)
        demo.send_signal(signal.SIGTERM)
        until(lambda: _is_told_to_end(up))
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=PATIENCE_S)

    assert demo.returncode == 0
    _nothing_is_left(tmp_path)


def _is_told_to_end(pid):
    """Whether SIGTERM waits for a stopped process, whatever else does."""
    (pending,) = (
        line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("ShdPnd")
    )
    return bool(int(pending, 16) & 1 << signal.SIGTERM - 1)


def _nothing_is_left(directory):
    # Whoever was told to end may need a moment more than the demo that told it.
    until(lambda: not [pid for pid in Path("/proc").glob("[0-9]*") if _works_below(pid, directory)], 30)
    assert list((directory / "home").iterdir()) == []
    assert list((directory / "tmp").iterdir()) == []


def _works_below(process, directory):
    try:
        return (process / "cwd").readlink().is_relative_to(directory)
    except OSError:
        return False
