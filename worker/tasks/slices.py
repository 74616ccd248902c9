"""The work itself, in slices of less than a minute that hand over to their successor."""

from __future__ import annotations

from celery import shared_task

from worker.sync import lane
from worker.sync import pull as pulling
from worker.sync import settle as settling
from worker.tasks.running import SliceTask


@shared_task(base=SliceTask, bind=True, name="worker.sync.pull")
def pull(self: SliceTask, run_id: str) -> str:
    return self.carry_out(lambda context: pulling.run_slice(context, run_id))


@shared_task(base=SliceTask, bind=True, name="worker.sync.push")
def push(self: SliceTask, shop_id: int) -> str:
    return self.carry_out(lambda context: lane.push(context, shop_id))


@shared_task(base=SliceTask, bind=True, name="worker.sync.settle")
def settle(self: SliceTask, shop_id: int) -> str:
    return self.carry_out(lambda context: settling.settle(context, shop_id))
