"""What beat fires, and a worker that starts. Neither is retried: the next tick comes anyway."""

from __future__ import annotations

from celery import shared_task

from worker.sync import dispatch as dispatching
from worker.sync import retain as retaining
from worker.sync import sweep as sweeping
from worker.tasks.running import SyncTask


@shared_task(base=SyncTask, bind=True, name="worker.sync.dispatch")
def dispatch(self: SyncTask) -> str:
    return self.carry_out(dispatching.dispatch)


@shared_task(base=SyncTask, bind=True, name="worker.sync.sweep")
def sweep(self: SyncTask) -> str:
    return self.carry_out(sweeping.sweep)


@shared_task(base=SyncTask, bind=True, name="worker.sync.recover")
def recover(self: SyncTask) -> str:
    """The sweep of a worker that has just found its broker: what another one held in memory is not waited for."""
    return self.carry_out(lambda context: sweeping.sweep(context, afresh=True))


@shared_task(base=SyncTask, bind=True, name="worker.sync.retain")
def retain(self: SyncTask) -> str:
    return self.carry_out(retaining.retain)


@shared_task(base=SyncTask, bind=True, name="worker.sync.pulse")
def pulse(self: SyncTask) -> str:
    """Nothing but a finished task: the sign of life that every task leaves."""
    return self.carry_out(lambda _: ())
