"""The work itself, in slices of less than a minute that hand over to their successor."""

from __future__ import annotations

from celery import shared_task

from worker.sync import audit as auditing
from worker.sync import lane
from worker.sync import pull as pulling
from worker.sync import settle as settling
from worker.tasks.running import SliceTask

# A slice hands over within seconds, but the first page of a feed is its whole download, which the store adapter bounds
# at a quarter of an hour. The message may be delivered again meanwhile: the second finds the lease taken and ends.
_PULL_LIMIT_S = 1200


@shared_task(
    base=SliceTask, bind=True, name="worker.sync.pull", time_limit=_PULL_LIMIT_S, soft_time_limit=_PULL_LIMIT_S - 30
)
def pull(self: SliceTask, run_id: str) -> str:
    return self.carry_out(lambda context: pulling.run_slice(context, run_id))


@shared_task(base=SliceTask, bind=True, name="worker.sync.audit")
def audit(self: SliceTask, run_id: str) -> str:
    return self.carry_out(lambda context: auditing.run_slice(context, run_id))


@shared_task(base=SliceTask, bind=True, name="worker.sync.push")
def push(self: SliceTask, shop_id: int) -> str:
    return self.carry_out(lambda context: lane.push(context, shop_id))


@shared_task(base=SliceTask, bind=True, name="worker.sync.settle")
def settle(self: SliceTask, shop_id: int) -> str:
    return self.carry_out(lambda context: settling.settle(context, shop_id))
