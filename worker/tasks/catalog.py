"""What anybody may call by name: ``celery -A worker call worker.catalog.full_sync --args '["SLUG"]'``.

Each asks for one run of one shop and enqueues it. A shop that does not exist, is paused or has no token fails the task
with a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

from celery import shared_task

from worker.sync.context import Context, Wake
from worker.sync.requests import request_run
from worker.tasks.running import RequestTask


@shared_task(base=RequestTask, bind=True, name="worker.catalog.full_sync")
def full_sync(self: RequestTask, slug: str) -> str:
    return _request(self, slug, "full")


@shared_task(base=RequestTask, bind=True, name="worker.catalog.delta_sync")
def delta_sync(self: RequestTask, slug: str) -> str:
    return _request(self, slug, "delta")


@shared_task(base=RequestTask, bind=True, name="worker.catalog.volatile_push")
def volatile_push(self: RequestTask, slug: str) -> str:
    return _request(self, slug, "volatile")


@shared_task(base=RequestTask, bind=True, name="worker.catalog.audit")
def audit(self: RequestTask, slug: str) -> str:
    return _request(self, slug, "audit")


def _request(task: RequestTask, slug: str, job: str) -> str:
    def use_case(context: Context) -> Sequence[Wake]:
        ticket = request_run(context, slug, job)
        context.progress(f"run {ticket.run_id} {ticket.state}")
        return ticket.wakes

    return task.carry_out(use_case)
