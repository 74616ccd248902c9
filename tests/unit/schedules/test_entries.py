from __future__ import annotations

import subprocess
import sys

from schedules import entries


def test_beat_sends_a_handful_of_entries_that_do_not_pile_up() -> None:
    assert entries() == {
        "dispatch": {
            "task": "worker.sync.dispatch",
            "schedule": 5.0,
            "options": {"queue": "control", "expires": 60.0},
        },
        "sweep": {"task": "worker.sync.sweep", "schedule": 30.0, "options": {"queue": "control", "expires": 60.0}},
        "retain": {"task": "worker.sync.retain", "schedule": 300.0, "options": {"queue": "control", "expires": 60.0}},
        **{
            f"pulse-{queue}": {
                "task": "worker.sync.pulse",
                "schedule": 30.0,
                "options": {"queue": queue, "expires": 60.0},
            }
            for queue in ("volatile", "delta", "full", "push", "settle")
        },
    }


def test_schedules_import_nothing_of_the_worker() -> None:
    code = "import sys, schedules; print([name for name in sys.modules if name.split('.')[0] in ('worker', 'celery')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
