"""Runs several daemons as one foreground command: merged output, restarts, and an end that leaves nothing behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import click

from worker.errors import Permanent

WARM_STOP_S = 30.0
"""A daemon that was asked to end may finish its slice of work; then it is told more firmly."""

_COLD_STOP_S = 5.0

LONGEST_STOP_S = WARM_STOP_S + 2 * _COLD_STOP_S
"""After so long ``Supervisor.stop`` has ended, or killed, every daemon."""

_TOO_SOON_S = 10.0
_POLL_S = 0.2
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[str]
    started_at: float


@dataclass(slots=True)
class Supervisor:
    """Starts daemons, shows their lines on stderr, starts again who dies, and stops them all.

    Attributes:
        directory: Working directory of the daemons.
        environment: Their whole environment.
        prefixed: Whether each line says whose it is; not for JSON lines, which must stay whole.
        warm_stop_s: How long a daemon that was asked to end may take. One that supervises others needs more than they.
    """

    directory: Path
    environment: Mapping[str, str]
    prefixed: bool = True
    show: Callable[[str], None] = field(default=lambda line: click.echo(line, err=True))
    warm_stop_s: float = WARM_STOP_S
    _children: list[_Child] = field(default_factory=list)
    # No event: a handler that sets one deadlocks when its signal comes while this very thread begins to wait for it.
    _asked_to_stop: bool = False

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start ``celery -A worker ARGUMENTS``. It ends with this process, however this one ends (on Linux)."""
        command = [sys.executable, "-m", "celery", "-A", "worker", *arguments]
        self._children.append(_Child(name, command, self._launch(name, command), time.monotonic()))

    def stop_on_signals(self) -> None:
        """Let SIGINT and SIGTERM end ``run``. A second one kills what has not ended yet."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            if self._asked_to_stop:
                for child in self._children:
                    child.process.kill()
            self._asked_to_stop = True

        signal.signal(signal.SIGINT, ask)
        signal.signal(signal.SIGTERM, ask)

    @property
    def stopping(self) -> bool:
        return self._asked_to_stop

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Watch over the daemons until ``ready`` holds, at most ``timeout_s``; False also when asked to stop."""
        deadline = time.monotonic() + timeout_s
        while not self.stopping and time.monotonic() < deadline:
            self._revive()
            if ready():
                return True
            threading.Event().wait(_POLL_S)
        return False

    def run(self) -> None:
        """Watch over the daemons until somebody asks to stop. Raises ``Permanent`` if one cannot even start."""
        while not self._asked_to_stop:
            self._revive()
            threading.Event().wait(_POLL_S)

    def stop(self) -> None:
        """End all daemons, the last started first; then kill those that have not."""
        self._asked_to_stop = True
        children = self._children[::-1]
        for child in children:
            _tell(child, signal.SIGTERM)
        deadline = time.monotonic() + self.warm_stop_s
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if all(_ended(child, deadline) for child in children):
                return
            for child in children:
                _tell(child, number)
            deadline = time.monotonic() + _COLD_STOP_S
        for child in children:
            child.process.wait()

    def _launch(self, name: str, command: Sequence[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own commands
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C in the terminal goes to its whole process group: only we shall get it, and end them in order.
            process_group=0,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one system call
        )
        assert process.stdout is not None  # noqa: S101 - as asked for above
        threading.Thread(target=self._relay, args=(name, process.stdout), daemon=True).start()
        return process

    def _relay(self, name: str, lines: IO[str]) -> None:
        for line in lines:
            if line.strip():
                self.show(f"{name:>7} | {line.rstrip()}" if self.prefixed else line.rstrip())

    def _revive(self) -> None:
        for child in self._children:
            code = child.process.poll()
            if code is None or self.stopping:
                continue
            if time.monotonic() - child.started_at < _TOO_SOON_S:
                raise Permanent(f"The {child.name} ended with code {code} right after its start.", action="See above.")
            self.show(f"The {child.name} ended with code {code} and is started again.")
            child.process = self._launch(child.name, child.command)
            child.started_at = time.monotonic()


def _tell(child: _Child, number: signal.Signals) -> None:
    if child.process.poll() is None:
        child.process.send_signal(number)


def _ended(child: _Child, deadline: float) -> bool:
    try:
        child.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


if sys.platform == "linux":
    _libc = ctypes.CDLL(None, use_errno=True)
    _parent = os.getpid()


def _end_with_parent() -> None:
    """Between fork and exec: the kernel shall send SIGTERM when the parent dies, be it by kill -9."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != _parent:
        os._exit(1)
