"""What real stores made of Node and PostgreSQL have in common: installing, starting, stopping, and their databases.

Needs Node 20 or newer with npm, and a PostgreSQL that lets ``postgres`` in without a password (``PGHOST``, ``PGPORT``,
``PGUSER``; 127.0.0.1:5432 by default).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql

START_S = 240
INSTALL_S = 600


def why_not(store: str) -> str | None:
    """One sentence that says what is missing on this machine; None if the store of this name can run."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return f"The real {store} store needs Node 20 with npm, and there is none on this machine."
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not version.startswith("v") or int(version[1:].split(".")[0]) < 20:
        return f"The real {store} store needs Node 20, and this machine has {version or 'an unknown version'}."
    try:
        postgres("postgres").close()
    except psycopg.Error:
        server = database_server()
        where = f"{server['host']}:{server['port']}"
        return f"The real {store} store needs a PostgreSQL that lets user {server['user']} in, and {where} does not."
    return None


def installed(name: str, sources: Sequence[Path], npm: Sequence[str]) -> Path:
    """A directory with copies of ``sources`` and their packages, installed at its first use by ``npm`` arguments."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shelfbeat-tests"
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    home = cache / f"{name}-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        # Test processes that start at once install once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (home / "installed").exists():
            return home
        home.mkdir(exist_ok=True)
        for source in sources:
            shutil.copyfile(source, home / source.name)
        run(["npm", *npm, "--no-audit", "--no-fund", "--loglevel=error"], home, dict(os.environ), INSTALL_S)
        (home / "installed").touch()
    return home


@contextmanager
def serving(command: Sequence[str], home: Path, environment: Mapping[str, str], url: str, log: Path) -> Iterator[None]:
    """The server that ``command`` starts, from the time on when ``url``/health answers; stopped at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=output, stderr=output)
    try:
        _wait(process, url, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(command: list[str], directory: Path, environment: dict[str, str], timeout_s: int) -> None:
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"The store did not start:\n{log.read_text(errors='replace')[-4000:]}")


def database_server() -> dict[str, str | int]:
    return {
        "host": os.environ.get("PGHOST", "127.0.0.1"),
        "port": int(os.environ.get("PGPORT", "5432")),
        "user": os.environ.get("PGUSER", "postgres"),
    }


def postgres(database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dbname=database, autocommit=True, connect_timeout=30, **database_server())


def execute_sql(statement: str, *names: str) -> None:
    with closing(postgres("postgres")) as connection:
        connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


def has_database(name: str) -> bool:
    with closing(postgres("postgres")) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def drop_database(name: str) -> None:
    execute_sql("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
