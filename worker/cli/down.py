"""``celery -A worker down``: ends what belongs to this working directory."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import click
from celery.bin.base import CeleryCommand

from worker.cli.refusal import one_sentence

if TYPE_CHECKING:
    from worker.daemons import Daemon

_POLL_S = 0.1
_GRACE_S = 10.0


@click.command(cls=CeleryCommand)
@one_sentence
def down() -> None:
    """Stop the daemons of this working directory, then the embedded broker.

    A server named by REDIS_URL is never touched. Nothing is lost: what was under way goes on with the next start.
    """
    from worker.broker import broker_runs, stop_broker
    from worker.cli.supervise import WARM_STOP_S
    from worker.daemons import running
    from worker.settings import read_settings

    settings = read_settings()
    # ``up`` and the broker it stops itself are gone when the rest is looked for.
    had_broker = broker_runs(settings)
    stopped = []
    # ``up`` first: it ends its own children in order, and would start again what is stopped behind its back.
    for kinds in ({"up"}, {"worker", "beat", "flower"}):
        chosen = [daemon for daemon in running() if daemon.kind in kinds]
        _stop(chosen, signal.SIGTERM, WARM_STOP_S + _GRACE_S)
        _stop([daemon for daemon in running() if daemon in chosen], signal.SIGKILL, _GRACE_S)
        stopped += [daemon.kind for daemon in chosen]
    if stop_broker(settings) or had_broker:
        stopped.append("embedded broker")
    click.echo(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running here.")


def _stop(daemons: list[Daemon], number: signal.Signals, timeout_s: float) -> None:
    from worker.daemons import running

    for daemon in daemons:
        try:
            os.kill(daemon.pid, number)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + timeout_s
    while any(daemon in daemons for daemon in running()) and time.monotonic() < deadline:
        threading.Event().wait(_POLL_S)
