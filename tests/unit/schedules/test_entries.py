from __future__ import annotations

import subprocess
import sys

from schedules import entries


def test_beat_sends_a_dispatch_and_a_sweep_that_do_not_pile_up() -> None:
    assert entries() == {
        "dispatch": {
            "task": "worker.sync.dispatch",
            "schedule": 5.0,
            "options": {"queue": "control", "expires": 60.0},
        },
        "sweep": {"task": "worker.sync.sweep", "schedule": 30.0, "options": {"queue": "control", "expires": 60.0}},
    }


def test_schedules_import_nothing_of_the_worker() -> None:
    code = "import sys, schedules; print([name for name in sys.modules if name.split('.')[0] in ('worker', 'celery')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
