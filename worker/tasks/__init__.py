"""Celery tasks: an id in, one use case called, the wake-ups it returns enqueued.

A message is a hint and carries ids only. Losing one costs time, running one twice costs nothing.
Their names are given explicitly, because they are part of what others may rely on.
"""

from worker.tasks import catalog, slices, ticks

__all__ = ["catalog", "slices", "ticks"]
