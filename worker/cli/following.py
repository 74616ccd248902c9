"""``--wait``: follow one run in the database until it settles, and show how far it is.

The database alone is believed. Workers are asked only while nobody has taken the run up, because a run that no worker
will ever take up would otherwise be waited for without end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from worker.database import outages, reports
from worker.database.engine import reading
from worker.database.outages import Outage
from worker.errors import Transient

if TYPE_CHECKING:
    from celery import Celery

R = TypeVar("R")

_SETTLED = ("succeeded", "failed", "held", "superseded", "canceled")

_FIRST_POLL_S = 0.2
_LONGEST_POLL_S = 1.0
_DATABASE_AWAY_S = 60.0

_PING_S = 1.0
_SILENT_PINGS = 3
_PING_EVERY_S = 5.0

_LINE_EVERY_S = 5.0
_BAR = 24


@dataclass(frozen=True, slots=True)
class Followed:
    """How the waiting ended.

    Attributes:
        run: The run's report at that moment.
        why: Whether the run is over, nobody is there to do it, or the time is up.
        sentence: What a person should know beside the report; "" when it says all.
    """

    run: dict[str, Any]
    why: Literal["settled", "no worker", "timeout"]
    sentence: str = ""


def follow(engine: Engine, app: Celery, run_id: str, wait_s: float) -> Followed:
    """Wait until the run is over, at most ``wait_s`` seconds (infinite: without limit).

    Raises:
        BadInput: The run is gone, because its shop was removed.
        Transient: The database does not answer for a minute.
    """
    ends_at = time.monotonic() + wait_s
    workers = _Workers(app)
    display = _bar() if sys.stderr.isatty() else _lines()
    poll_s = _FIRST_POLL_S
    pause = Event()
    try:
        while True:
            asked_at = time.monotonic()
            run, stopped = _read(engine, run_id)
            # Counting the pending items of a huge catalog costs something: at most a tenth of a core goes into it.
            cost_s = (time.monotonic() - asked_at) * 10
            display(run, stopped)
            if run["state"] in _SETTLED:
                return Followed(run, "settled", _hint(run))
            if time.monotonic() >= ends_at:
                return Followed(run, "timeout", f"The run is not settled after {wait_s:g} s; it goes on.")
            if not _taken_up(engine, run) and workers.are_missing():
                # Taken up in the second that the question took?
                run, _ = _read(engine, run_id)
                if not _taken_up(engine, run):
                    return Followed(run, "no worker", _NO_WORKER)
            pause.wait(max(0.0, min(max(poll_s, cost_s), ends_at - time.monotonic())))
            poll_s = min(poll_s * 1.2, _LONGEST_POLL_S)
    except KeyboardInterrupt:
        click.echo(f"\nThe run goes on. Follow it with: celery -A worker runs show {run_id}", err=True)
        raise SystemExit(130) from None
    finally:
        display(None, None)


_NO_WORKER = (
    "Error: No worker is running, so the run waits until there is one."
    " Start one with: celery -A worker worker (or everything: celery -A worker up)."
)


def _hint(run: dict[str, Any]) -> str:
    if run["state"] == "held":
        decide = " or ".join(f"celery -A worker sync {word} {run['run']}" for word in ("approve", "reject"))
        return f"Run {run['run']} is held. {run['error']} Decide with: {decide}"
    if run["rejected"] or run["invalid"]:
        return f"Some items have problems: celery -A worker issues {run['shop']}"
    return ""


def _read(engine: Engine, run_id: str) -> tuple[dict[str, Any], Outage | None]:
    """The run, and the stop of all sending that it may have to wait for."""
    return _patiently(engine, lambda connection: (reports.one_run(connection, run_id), outages.stopped(connection)))


def _taken_up(engine: Engine, run: dict[str, Any]) -> bool:
    """A worker has begun it, or is at work on the run before it."""
    if run["state"] != "queued" or run["started_at"]:
        return True
    return _patiently(engine, lambda connection: reports.is_busy(connection, run["shop"], run["job"]))


def _patiently(engine: Engine, read: Callable[[Connection], R]) -> R:
    """Read in a transaction; a database that restarts is waited for."""
    gives_up_at = time.monotonic() + _DATABASE_AWAY_S
    while True:
        try:
            with reading(engine) as connection:
                return read(connection)
        except (Transient, DBAPIError):
            if time.monotonic() >= gives_up_at:
                raise
            Event().wait(_LONGEST_POLL_S)


class _Workers:
    """Whether any worker answers, asked now and then. One that is busy answers too: its main process does."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._silent = 0
        self._ask_at = 0.0

    def are_missing(self) -> bool:
        """True once nobody has answered several times in a row."""
        if time.monotonic() < self._ask_at:
            return False
        if self._answer():
            self._silent = 0
            self._ask_at = time.monotonic() + _PING_EVERY_S
            return False
        self._silent += 1
        return self._silent >= _SILENT_PINGS

    def _answer(self) -> bool:
        try:
            # The first answer is enough; ``control.ping`` would collect others to the end of its time.
            return bool(self._app.control.broadcast("ping", reply=True, timeout=_PING_S, limit=1))
        except (KombuError, RedisError, OSError):
            return False


Display = Callable[[dict[str, Any] | None, Outage | None], None]


def describe(run: dict[str, Any], stopped: Outage | None = None) -> tuple[str, float | None]:
    """How far a run is, in words, and as a share where its size is known; what it waits for, if a person stopped it."""
    state = run["state"]
    if state == "pulling":
        return f"pulling: {run['pulled']:,} items read", None
    settled = run["accepted"] + run["rejected"]
    total = settled + run["pending"]
    if state == "pushing" and total:
        why = f"; waiting: {stopped.reason}" if stopped is not None else ""
        return f"pushing: {settled:,} of {total:,} items settled, {run['calls']:,} calls{why}", settled / total
    return state, None


def _lines() -> Display:
    """One line whenever the state changes, and every few seconds while the numbers do."""
    last = ("", "")
    shown_at = 0.0

    def show(run: dict[str, Any] | None, stopped: Outage | None) -> None:
        nonlocal last, shown_at
        if run is None:
            return
        now = (run["state"], describe(run, stopped)[0])
        due = now[0] != last[0] or (now != last and time.monotonic() - shown_at >= _LINE_EVERY_S)
        if due:
            click.echo(f"{run['run']} {now[1]}", err=True)
            last, shown_at = now, time.monotonic()

    return show


def _bar() -> Display:
    """One line that is drawn over."""

    def show(run: dict[str, Any] | None, stopped: Outage | None) -> None:
        if run is None:
            click.echo("\r\033[K", nl=False, err=True)
            return
        text, share = describe(run, stopped)
        filled = round((share or 0.0) * _BAR)
        bar = f"[{'#' * filled}{'.' * (_BAR - filled)}] " if share is not None else ""
        click.echo(f"\r\033[K{run['job']} {bar}{text}", nl=False, err=True)

    return show
