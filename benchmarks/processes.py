"""Start what a user would start, in a directory of its own, and watch how much memory each process holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Self
from urllib.request import urlopen

_READY_S = 60.0
_LOOK_EVERY_S = 0.3
_MARK = "SHELFBEAT_BENCHMARK"


class Sandbox:
    """``celery -A worker sandbox`` with handles that are finished at once, as a process of its own."""

    def __init__(self, directory: Path) -> None:
        self._process = _celery(directory, _environment({}), "sandbox", "--port", "0", "--latency", "0")
        assert self._process.stdout is not None
        found = re.search(r"https?://\S+?(?=,)", self._process.stdout.readline())
        if found is None:
            raise SystemExit("The sandbox did not start.")
        self.url = found[0]
        threading.Thread(target=self._process.stdout.read, daemon=True).start()

    def calls(self) -> int:
        """How many ``items_batch`` calls have arrived so far."""
        with urlopen(f"{self.url}/_sandbox/calls?route=items_batch") as answer:
            return len(json.load(answer))

    def cpu_s(self) -> float:
        return _cpu_s(self._process.pid)

    def stop(self) -> None:
        _end(self._process)


class Installation:
    """One directory in which a user works: its broker, its database, a worker, and the commands typed there.

    Args:
        settings: The environment beside what a shell has.
    """

    def __init__(self, settings: dict[str, str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="shelfbeat-benchmark-"))
        self._mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self._environment = _environment({**settings, _MARK: self._mark})
        self._daemons: list[subprocess.Popen[str]] = []
        self._log: IO[str] = (self.directory / "worker.log").open("w")

    def start_worker(self) -> float:
        """Seconds from the command to the first answer of the worker."""
        began = time.monotonic()
        log = self.directory / "worker.log"
        worker = _celery(self.directory, self._environment, "worker", "--loglevel", "info", output=self._log)
        self._daemons.append(worker)
        while "ready" not in log.read_text():
            if worker.poll() is not None or time.monotonic() - began > _READY_S:
                raise SystemExit(f"The worker did not start:\n{log.read_text()[-2000:]}")
            threading.Event().wait(0.05)
        return time.monotonic() - began

    def start_beat(self) -> None:
        self._daemons.append(_celery(self.directory, self._environment, "beat", output=self._log))

    def command(self, *arguments: str) -> str:
        """Run one command to its end; its standard output. Stops the benchmark where it fails."""
        process = _celery(self.directory, self._environment, *arguments)
        output, _ = process.communicate()
        if process.returncode:
            sys.stderr.write((self.directory / "worker.log").read_text()[-4000:])
            raise SystemExit(f"celery -A worker {' '.join(arguments)} ended with {process.returncode}.\n{output}")
        return output

    def ours(self) -> list[int]:
        """Every process that works for this directory, however it was started."""
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and self._owns(path)]

    def stop(self) -> None:
        for daemon in self._daemons:
            _end(daemon)
        self.command("down")
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _owns(self, process: Path) -> bool:
        try:
            # The broker is started without our environment, below the directory.
            below = (process / "cwd").readlink().is_relative_to(self.directory)
            return below or f"{_MARK}={self._mark}".encode() in (process / "environ").read_bytes()
        except OSError:
            return False


class Watch:
    """What the processes of an installation take while the block runs.

    Attributes:
        peaks_mb: The peak of resident memory (VmHWM), per kind of process; shared pages count in each.
        cpu_s: Processor time of all of them, which neighbours on a busy machine do not add to.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before: dict[int, float] = {}
        self._after: dict[int, float] = {}
        self.peaks_mb: dict[str, float] = {}

    @property
    def cpu_s(self) -> float:
        return sum(used - self._before.get(pid, 0.0) for pid, used in self._after.items())

    def __enter__(self) -> Self:
        for pid in self._installation.ours():
            # proc(5): 5 resets the peak to what is resident now.
            Path(f"/proc/{pid}/clear_refs").write_text("5")
            self._before[pid] = _cpu_s(pid)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        ended = False
        while not ended:
            ended = self._done.wait(_LOOK_EVERY_S)
            for pid in self._installation.ours():
                self._look(pid)

    def _look(self, pid: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            name = _role(Path(f"/proc/{pid}/cmdline").read_bytes(), parent=_field(status, "PPid"))
            peak = _field(status, "VmHWM") / 1024
            self._after[pid] = _cpu_s(pid)
        except (OSError, ValueError):
            return
        if name:
            self.peaks_mb[name] = max(self.peaks_mb.get(name, 0.0), peak)


def _cpu_s(pid: int) -> float:
    # proc(5): the 14th and 15th field; the second is a name in brackets, which may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _field(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    if found is None:
        raise ValueError(name)
    return int(found[1])


def _role(command: bytes, parent: int) -> str | None:
    words = command.decode(errors="replace").split("\0")
    if not any("celery" in word for word in words):
        return "broker" if words[0] else None
    if "worker" not in words[words.index("-A") + 2 :]:
        return "command"
    try:
        above = Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return None
    return "pool process" if above == command else "worker"


def _celery(
    directory: Path, environment: dict[str, str], *arguments: str, output: IO[str] | int = subprocess.PIPE
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "celery", "-A", "worker", *arguments]
    errors = subprocess.STDOUT if output != subprocess.PIPE else subprocess.DEVNULL
    return subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=errors, text=True)


def _environment(more: dict[str, str]) -> dict[str, str]:
    ours = ("DATABASE_URL", "REDIS_URL", "META_", "TOKEN_KEYS", "STORE_", "FLOWER_", "LOG_FORMAT")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
