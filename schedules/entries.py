"""What beat itself sends. The shops' schedules are rows: beat with thousands of entries is too slow to keep time."""

from __future__ import annotations

from typing import Any

DISPATCH_EVERY_S = 5.0
SWEEP_EVERY_S = 30.0
PULSE_EVERY_S = 30.0
RETAIN_EVERY_S = 300.0
_QUEUES_OF_LOAD = ("volatile", "delta", "full", "push", "settle")
_EXPIRES_S = 60.0


def _entry(task: str, every_s: float, queue: str = "control") -> dict[str, Any]:
    # A backlog of ticks says no more than the last of them. Not shorter: the clocks of two machines may differ.
    return {"task": task, "schedule": every_s, "options": {"queue": queue, "expires": _EXPIRES_S}}


def entries() -> dict[str, dict[str, Any]]:
    """Celery's ``beat_schedule``. Any number of beats may send these: the tasks claim their work in the database."""
    return {
        "dispatch": _entry("worker.sync.dispatch", DISPATCH_EVERY_S),
        "sweep": _entry("worker.sync.sweep", SWEEP_EVERY_S),
        "retain": _entry("worker.sync.retain", RETAIN_EVERY_S),
        # Whoever serves a queue shows so by finishing one of these, also on a day without work.
        **{f"pulse-{queue}": _entry("worker.sync.pulse", PULSE_EVERY_S, queue) for queue in _QUEUES_OF_LOAD},
    }
