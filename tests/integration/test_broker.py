"""The embedded broker with a real server."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection

from tests.e2e.processes import PATIENCE_S, until
from worker.broker import SOCKET_PATH_BYTES, broker_url, ensure_broker, files, stop_broker
from worker.settings import Settings

EMBEDDED = Settings(_env_file=None)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from _working_directory(tmp_path / "shop", monkeypatch)


def _working_directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path.mkdir(parents=True)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.chdir(path)
    yield path
    stop_broker(EMBEDDED)


def _client() -> redis.Redis:
    return redis.Redis(unix_socket_path=str(files(Path.cwd()).socket))


def _pid() -> int:
    return int(files(Path.cwd()).pid.read_text())


def test_the_first_call_starts_a_server_and_the_second_finds_it(directory: Path) -> None:
    ensure_broker(EMBEDDED)
    first = _pid()
    ensure_broker(EMBEDDED)

    assert _client().ping() is True
    assert _pid() == first
    assert _client().config_get("port", "appendonly", "maxmemory-policy") == {
        "port": "0",
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
    }


def test_processes_that_start_at_once_get_exactly_one(directory: Path) -> None:
    code = (
        "from worker.broker import ensure_broker, files\n"
        "from worker.settings import Settings\n"
        "from pathlib import Path\n"
        "ensure_broker(Settings(_env_file=None)); print(files(Path.cwd()).pid.read_text().strip())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    starters = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    pids = {starter.communicate(timeout=PATIENCE_S)[0].strip() for starter in starters}

    assert [starter.returncode for starter in starters] == [0] * 5
    assert pids == {str(_pid())}
    until(lambda: _servers(directory) == [_pid()])


@pytest.mark.fault("N2")
def test_a_killed_server_starts_again_on_the_same_files(directory: Path) -> None:
    ensure_broker(EMBEDDED)
    killed = _pid()
    _client().lpush("push", "message")
    _client().execute_command("WAITAOF", 1, 0, 60_000)
    os.kill(killed, signal.SIGKILL)
    ensure_broker(EMBEDDED)

    assert _pid() != killed
    assert _client().lrange("push", 0, -1) == [b"message"]


def test_a_server_whose_socket_was_removed_is_replaced(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.broker._START_S", 12.0)
    ensure_broker(EMBEDDED)
    lost = _pid()
    files(directory).socket.unlink()
    ensure_broker(EMBEDDED)

    assert _pid() != lost
    until(lambda: _servers(directory) == [_pid()])


def test_everything_under_var_is_private(directory: Path) -> None:
    (directory / "var").mkdir(mode=0o755)
    ensure_broker(EMBEDDED)
    _client().set("key", "value")

    modes = {path.relative_to(directory): stat.S_IMODE(path.stat().st_mode) for path in _tree(directory / "var")}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert len(modes) > 5


@pytest.mark.parametrize("name", ["my shop's files", "50% off; why?", "geschäft #1"])
def test_any_path_works_for_celery_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as short:
        for directory in _working_directory(Path(short) / name, monkeypatch):
            with Connection(ensure_broker(EMBEDDED)) as connection:
                connection.ensure_connection(max_retries=1, timeout=PATIENCE_S)
                assert connection.connected
            assert files(directory).socket.is_relative_to(directory)
        monkeypatch.chdir("/")


def test_a_long_path_gets_a_short_private_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in _working_directory(tmp_path / ("long" * 30), monkeypatch):
        with Connection(ensure_broker(EMBEDDED)) as connection:
            connection.ensure_connection(max_retries=1, timeout=PATIENCE_S)
        where = files(directory)

        assert len(os.fsencode(where.socket)) <= SOCKET_PATH_BYTES
        assert stat.S_IMODE(where.socket.parent.stat().st_mode) == 0o700
        assert where.pid.parent == directory / "var" / "broker"
        stop_broker(EMBEDDED)
        assert not where.socket.parent.exists()


def test_a_stopped_broker_keeps_its_messages(directory: Path) -> None:
    ensure_broker(EMBEDDED)
    _client().lpush("push", "message")
    assert stop_broker(EMBEDDED) is True
    until(lambda: _servers(directory) == [])
    assert stop_broker(EMBEDDED) is False
    ensure_broker(EMBEDDED)

    assert _client().lrange("push", 0, -1) == [b"message"]


def test_the_server_outlives_its_starter_in_a_session_of_its_own(directory: Path) -> None:
    ensure_broker(EMBEDDED)

    assert os.getsid(_pid()) != os.getsid(0)
    assert _parent(_pid()) != os.getpid()


def test_a_server_of_redis_url_is_never_started_or_stopped(directory: Path) -> None:
    settings = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0")

    assert ensure_broker(settings) == broker_url(settings) == "redis://127.0.0.1:1/0"
    assert stop_broker(settings) is False
    assert not (directory / "var").exists()


def _servers(directory: Path) -> list[int]:
    """Living processes whose working directory is that of the broker."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == directory / "var" / "broker":
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _tree(directory: Path) -> Iterator[Path]:
    yield directory
    yield from directory.rglob("*")
