"""A Redis and a PostgreSQL of one's own, to be killed, stopped and emptied at will. Never anybody else's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.broker import _server as _bundled_server
from worker.errors import BadInput

_UP_S = 120.0


class Broker:
    """A Redis on a TCP port, with an append-only file: the installed one, or the bundled server of the embedded broker.

    Args:
        persistent: Whether it has that file; without, a restart is a loss of everything.
        most: Limit of its memory, such as "3mb"; beyond it refuses to store more.
    """

    def __init__(self, directory: Path, *, persistent: bool = True, most: str = "0") -> None:
        self.port = _free_port()
        self._directory = directory
        server = shutil.which("redis-server") or shutil.which("valkey-server") or _bundled_server()
        self._command = [server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        self._command += ["--appendonly", "yes" if persistent else "no", "--save", "", "--maxmemory", most]
        self._command += ["--maxmemory-policy", "noeviction"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @staticmethod
    def missing() -> str | None:
        """One sentence why there can be none here; None: there can."""
        if shutil.which("redis-server") or shutil.which("valkey-server"):
            return None
        try:
            _bundled_server()
        except BadInput as error:
            return str(error)
        return None

    def client(self) -> redis.Redis:
        """Gives up within a second: the server may be hanging because we made it."""
        return redis.Redis(port=self.port, socket_timeout=1, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Does nothing where it runs: two who killed it may both bring it back."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        _until(self._answers, "The Redis of this test did not come up.")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop_answering(self) -> None:
        """SIGSTOP: connections stay open, and nothing comes."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def answer_again(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class Database:
    """A PostgreSQL cluster in a directory of its own, run by the user postgres where we are root."""

    def __init__(self, directory: Path) -> None:
        self.port = _free_port()
        self._data = directory / "cluster"
        self._log = directory / "postgres.log"
        if self._owner is not None:
            account = pwd.getpwnam(self._owner)
            os.chown(directory, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C")
        # Processes die here, not machines: what the kernel has is not lost.
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "fsync": "off", "max_connections": 100}
        settings |= {"unix_socket_directories": "", "shared_buffers": "16MB"}
        self._options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self.start()

    @staticmethod
    def missing() -> str | None:
        """One sentence why there can be none here; None: there can."""
        if not (_program("initdb") and _program("pg_ctl")):
            return "There are no PostgreSQL programs (initdb, pg_ctl) on this machine."
        if os.getuid() == 0:
            try:
                pwd.getpwnam("postgres")
            except KeyError:
                return "PostgreSQL does not run as root, and there is no user postgres."
        return None

    def url(self, port: int | None = None) -> str:
        """The address of the database, or of a proxy before it."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        self._control("start", "-o", self._options, "-l", str(self._log))

    def stop(self, mode: Literal["fast", "immediate"] = "immediate") -> None:
        self._control("stop", "-m", mode)

    def kill_connections(self) -> None:
        self._sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shelfbeat'")

    def _sql(self, statement: str) -> None:
        self._run("psql", "-qAt", "-c", statement, self.url())

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", f"{_UP_S:.0f}", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        path = _program(program)
        assert path is not None, program
        # Files and not pipes: the server that pg_ctl leaves behind would keep a pipe open.
        with self._log.with_name("pg_ctl.log").open("ab") as log:
            done = subprocess.run(
                [path, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._owner, cwd="/",
                check=False,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)} ended with {done.returncode}; see {log.name}.")

    @property
    def _owner(self) -> str | None:
        return "postgres" if os.getuid() == 0 else None


def _program(name: str) -> str | None:
    """A program of PostgreSQL's. Debian keeps those of the server outside the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + _UP_S
    while not holds():
        if time.monotonic() > ends:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
