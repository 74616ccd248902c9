"""Turns wake-ups into Celery messages. Call it after the transaction that made them has committed."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from celery import current_app
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from worker.sync.context import Wake, queue_of

log = structlog.get_logger(__name__)

# Long enough for a broker that restarts, short enough for a person who waits at a prompt.
_RETRY_POLICY = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 1.0}


def enqueue(wakes: Sequence[Wake]) -> bool:
    """Send one message per wake-up.

    Returns:
        Whether all of them left. If the broker is away nothing is lost: what is due is a row, which the sweeper finds.
    """
    sent = 0
    try:
        with current_app.producer_or_acquire() as producer:
            for wake in wakes:
                current_app.send_task(
                    f"worker.sync.{wake.task}",
                    args=[int(wake.key) if wake.job is None else wake.key],
                    argsrepr=wake.label or wake.key,
                    kwargsrepr="",
                    countdown=wake.delay_s or None,
                    queue=wake.task if wake.job is None else queue_of(wake.job),
                    producer=producer,
                    retry=True,
                    retry_policy=_RETRY_POLICY,
                )
                sent += 1
    except (KombuError, RedisError, OSError) as error:
        log.warning("wakes.not_sent", count=len(wakes) - sent, reason=str(error))
    return sent == len(wakes)
