"""Real daemons on embedded defaults: started, killed, stopped."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import redis

from tests.e2e.processes import PATIENCE_S, until
from worker.broker import files
from worker.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

LOGIN = "operator:test-password"
SWEPT = r"worker\.sync\.recover.*succeeded"


class Place:
    """A working directory with whatever was started in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ours = {name.upper() for name in Settings.model_fields}
        self.environment = {name: value for name, value in os.environ.items() if name not in ours}
        self.environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "LOG_FORMAT": "console"}
        self.started: list[Started] = []

    def start(self, *arguments: str, **environment: str) -> Started:
        started = Started(self._popen(arguments, environment, stdout=subprocess.PIPE))
        self.started.append(started)
        return started

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self._popen(arguments, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err

    def _popen(self, arguments, environment, **streams):
        return subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "worker", *arguments],
            cwd=self.directory,
            env={**self.environment, **environment},
            text=True,
            **{"stderr": subprocess.STDOUT, **streams},
        )

    @property
    def broker_pid(self) -> int:
        """0 in the moment in which a new server has not yet written its own."""
        return int(files(self.directory).pid.read_text() or 0)

    def waiting(self, queue: str) -> int:
        """Messages that nobody took, or that nobody acknowledged."""
        with self._broker() as client:
            return client.llen(queue) + client.hlen("unacked")

    @property
    def unacknowledged(self) -> int:
        with self._broker() as client:
            return client.hlen("unacked")

    def _broker(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(files(self.directory).socket))

    def processes(self) -> list[int]:
        """Everything alive whose working directory is this one or lies below it."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(self.directory) and "State:\tZ" not in (
                    process / "status"
                ).read_text():
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def end(self) -> None:
        for started in self.started:
            started.process.kill()
            started.process.wait()
        self.run("down")
        for started in self.started:
            started.close()


class Started:
    """A process and the lines it has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def close(self) -> None:
        self._reader.join()
        self.process.stdout.close()

    def line(self, pattern: str) -> re.Match[str] | None:
        return next((found for line in self.lines if (found := re.search(pattern, line))), None)


@pytest.fixture
def place(tmp_path):
    directory = tmp_path / "my shop"
    directory.mkdir()
    place = Place(directory)
    yield place
    place.end()


@pytest.mark.fault("N2")
def test_a_killed_broker_comes_back_and_the_worker_goes_on(place):
    worker = place.start("worker", "-c", "1", "-l", "INFO")
    # A task under way would be acknowledged to nobody, and come again after ten minutes only.
    until(lambda: worker.line(SWEPT) and place.waiting("control") == 0)
    first = place.broker_pid
    os.kill(first, signal.SIGKILL)

    until(lambda: place.broker_pid not in (0, first))
    assert place.run("call", "worker.sync.sweep")[0] == 0
    until(lambda: place.waiting("control") == 0)
    assert worker.process.poll() is None


@pytest.mark.fault("N2")
def test_a_worker_that_holds_a_message_survives_a_killed_broker(place):
    worker = place.start("worker", "-c", "1", "-l", "INFO")
    until(lambda: worker.line(SWEPT))
    assert place.run("call", "worker.sync.sweep", "--countdown", "600")[0] == 0
    until(lambda: place.unacknowledged == 1)
    first = place.broker_pid
    os.kill(first, signal.SIGKILL)

    until(lambda: place.broker_pid not in (0, first))
    # What was under way went with the memory of a connection, so it looks again for what is due.
    until(lambda: sum(1 for line in worker.lines if re.search(SWEPT, line)) >= 2)
    assert worker.process.poll() is None


def test_any_command_may_be_the_first_to_need_the_broker(place):
    code, out, _ = place.run("call", "worker.sync.sweep")

    assert code == 0
    assert re.fullmatch(r"[0-9a-f-]{36}\n", out)
    assert place.waiting("control") == 1


def test_down_ends_what_belongs_here_and_only_that(place, tmp_path):
    other = Place(tmp_path / "other")
    other.directory.mkdir()
    try:
        other.run("call", "worker.sync.sweep")
        beats = [place.start("beat") for _ in range(2)]
        until(lambda: len(list((place.directory / "var/run").glob("beat-*"))) == 2)

        assert place.run("down") == (0, "Stopped: beat, beat, embedded broker.\n", "")
        assert [beat.process.wait(PATIENCE_S) for beat in beats] == [0, 0]
        until(lambda: place.processes() == [])
        assert other.processes() == [other.broker_pid]
        assert place.run("down") == (0, "Nothing was running here.\n", "")
    finally:
        other.end()


def test_up_serves_everything_and_stops_cleanly(place):
    up = place.start("up", "-c", "1", FLOWER_BASIC_AUTH=LOGIN)
    until(lambda: up.line(r"^Ready\. Flower: (\S+)\. Ctrl-C"))
    address = up.line(r"Flower: (http://127\.0\.0\.1:\d+)")[1]
    basic = base64.b64encode(LOGIN.encode()).decode()

    with pytest.raises(HTTPError) as refused:
        urlopen(f"{address}/tasks", timeout=PATIENCE_S)
    refused.value.close()
    assert refused.value.code == 401
    with urlopen(Request(f"{address}/tasks", headers={"Authorization": f"Basic {basic}"}), timeout=PATIENCE_S) as page:
        assert page.status == 200
    code, _, err = place.run("up")
    assert (code, err) == (
        1,
        f"Error: It already runs here, as process {up.process.pid}. Stop it with: celery -A worker down.\n",
    )

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(PATIENCE_S) == 0
    until(lambda: place.processes() == [])
    assert not up.line("Traceback")


def test_down_names_the_broker_that_up_ends_itself(place):
    up = place.start("up", "-c", "1")
    until(lambda: up.line(r"^Ready\."))

    assert place.run("down") == (0, "Stopped: up, embedded broker.\n", "")
    assert up.process.wait(PATIENCE_S) == 0
    until(lambda: place.processes() == [])


def test_nothing_but_the_broker_outlives_a_killed_up(place):
    up = place.start("up", "-c", "1")
    until(lambda: up.line(r"^Ready\."))
    assert up.line(r"\(user shelfbeat, password \S{16}\)")
    up.process.kill()
    up.process.wait()

    until(lambda: place.processes() == [place.broker_pid])
    assert place.run("down")[1] == "Stopped: embedded broker.\n"
    until(lambda: place.processes() == [])


def test_a_daemon_that_dies_under_up_is_started_again(place):
    up = place.start("up", "-c", "1")
    until(lambda: up.line(r"^Ready\."))
    beats = place.directory / "var/run"
    until(lambda: len(list(beats.glob("beat-*"))) == 1)
    (first,) = beats.glob("beat-*")
    # One that dies sooner is one that cannot start.
    until(lambda: time.time() - first.stat().st_mtime > 10)
    os.kill(int(first.name.rsplit("-", 1)[1]), signal.SIGKILL)

    until(lambda: up.line(r"The beat ended with code -9 and is started again\."))
    until(lambda: len(list((place.directory / "var/run").glob("beat-*"))) == 2)


def test_flower_does_not_start_without_a_password(place):
    code, out, err = place.run("flower")

    assert (code, out) == (1, "")
    assert err == (
        "Error: Flower shows every task and can stop them, so it does not start without FLOWER_BASIC_AUTH. "
        "Set it to user:password.\n"
    )
    assert place.processes() == []


@pytest.mark.fault("N20")
def test_a_worker_refuses_to_start_on_a_database_without_our_schema(place, postgres_server):
    code, out, err = place.run(
        "worker", DATABASE_URL=postgres_server.make(), TOKEN_KEYS="k" * 32, REDIS_URL="redis://127.0.0.1:1/0"
    )

    assert (code, out, err) == (1, "", "The database has no tables yet. Run: celery -A worker db upgrade.\n")
