"""The one base class of all tasks: hands a use case its context, shows its progress, enqueues what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from inspect import signature
from typing import Any

import structlog
from celery import Task
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from worker.database import heartbeats
from worker.database.engine import database_now, writing
from worker.errors import Fenced, ShelfbeatError, Transient
from worker.sync.context import Context, Wake
from worker.tasks.messages import enqueue
from worker.wiring import process_context

log = structlog.get_logger(__name__)

PROGRESS_EVERY_S = 1.0
LIFE_EVERY_S = 15.0

# When this process last showed a sign of life for a queue, in its monotonic seconds.
_shown_at: dict[str, float] = {}


class SyncTask(Task):  # type: ignore[type-arg]  # celery.Task takes no parameters at run time
    """Runs one use case and answers with the text that Flower shows as its result."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> str | None:
        try:
            signature(self.run).bind(*args, **kwargs)
        except TypeError as error:
            # What is due is a row, which this version's sweeper finds: the message of another is not missed.
            log.warning("task.of_another_version", task=self.name, reason=str(error))
            return None
        done: str = self.run(*args, **kwargs)
        return done

    def carry_out(self, use_case: Callable[[Context], Iterable[Wake]]) -> str:
        """Call ``use_case``, enqueue each wake-up as it comes. What is unexpected propagates; Celery logs it once."""
        progress = Progress(self)
        request = self.request
        with structlog.contextvars.bound_contextvars(
            task=self.name, task_id=request.id, about=getattr(request, "argsrepr", None), attempt=request.retries
        ):
            followers: set[str] = set()
            sent = True
            try:
                for wake in use_case(replace(process_context(), progress=progress)):
                    sent = enqueue([wake]) and sent
                    followers.add(wake.task)
            except Fenced:
                return "somebody else has taken over"
            finally:
                _show_life(request)
        next_steps = " ".join(sorted(followers))
        done = progress.last or "done"
        if not followers:
            return done
        return f"{done}; next: {next_steps}" if sent else f"{done}; the broker is away, {next_steps} will follow"


def _show_life(request: Any) -> None:
    """Note that this worker, and whoever serves this queue, has finished a task; now and then is enough."""
    queue = (request.delivery_info or {}).get("routing_key")
    if queue is None or time.monotonic() - _shown_at.get(queue, float("-inf")) < LIFE_EVERY_S:
        return
    _shown_at[queue] = time.monotonic()
    try:
        with writing(process_context().engine) as connection:
            names = [heartbeats.of_queue(queue), heartbeats.of_worker(request.hostname)]
            heartbeats.show(connection, names, database_now(connection))
    except (DBAPIError, ShelfbeatError) as error:
        # The task has done its work, or says itself why not.
        log.debug("life.not_shown", reason=str(error))


class SliceTask(SyncTask):
    """A slice of work is tried again while the database restarts.

    Nothing else is: use cases turn the trouble of stores and of Meta into wake-ups of their own.
    """

    abstract = True
    autoretry_for = (Transient, OperationalError, InterfaceError)
    retry_backoff = 2
    retry_backoff_max = 60
    max_retries = 20


class RequestTask(SyncTask):
    """A refused request fails its task with a sentence, which Celery notes without a traceback."""

    abstract = True
    throws = (ShelfbeatError,)


class Progress:
    """Shows the text of a running task in Flower, at most once a second; ``last`` keeps the newest."""

    def __init__(self, task: SyncTask) -> None:
        self._task = task
        self._shown_at = float("-inf")
        self.last = ""

    def __call__(self, text: str) -> None:
        self.last = text
        if time.monotonic() - self._shown_at < PROGRESS_EVERY_S:
            return
        self._shown_at = time.monotonic()
        try:
            self._task.send_event("task-progress", retry=False, result=text)
        except (KombuError, RedisError, OSError) as error:
            # A missing line on a screen is no reason to disturb a sync.
            log.debug("progress.not_shown", reason=str(error))
