"""``celery -A worker up``: everything on this machine at once."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from celery.bin.base import CeleryCommand, CeleryOption

from worker.cli.refusal import one_sentence
from worker.errors import BadInput, Transient

if TYPE_CHECKING:
    from celery import Celery

    from worker.cli.supervise import Supervisor

READY_S = 60.0
FLOWER_PORT = 5555


@click.command(cls=CeleryCommand)
@click.option("-c", "--concurrency", cls=CeleryOption, type=click.IntRange(1), default=4, show_default=True,
              help="Processes of the worker.")  # fmt: skip
@click.option("--flower-port", cls=CeleryOption, type=click.IntRange(1, 65535), default=None,
              help=f"Port of Flower on 127.0.0.1. Default: {FLOWER_PORT}, or the next free one.")  # fmt: skip
@click.pass_context
@one_sentence
def up(ctx: click.Context, concurrency: int, flower_port: int | None) -> None:
    """Run everything on this machine: broker, worker, beat and Flower.

    Without REDIS_URL the embedded broker is started. Flower's address and password are printed. Ctrl-C stops it all.
    """
    from worker import daemons
    from worker.broker import ensure_broker, stop_broker
    from worker.cli.supervise import Supervisor
    from worker.settings import read_settings

    settings = read_settings()
    for other in daemons.running():
        if other.kind == "up":
            raise BadInput(
                f"It already runs here, as process {other.pid}.", action="Stop it with: celery -A worker down."
            )
    daemons.register("up")
    auth = settings.flower_basic_auth
    login = auth.get_secret_value() if auth else f"shelfbeat:{secrets.token_urlsafe(12)}"
    environment = {**os.environ, "FLOWER_BASIC_AUTH": login, "LOG_FORMAT": settings.log_format}
    supervisor = Supervisor(Path.cwd(), environment, prefixed=settings.log_format == "console")
    supervisor.stop_on_signals()
    try:
        ensure_broker(settings)
        with reserved_port() if flower_port is None else nullcontext(flower_port) as port:
            url = start_daemons(supervisor, ctx.obj.app, concurrency=concurrency, flower_port=port)
            if url is not None:
                shown = f" (user {login.partition(':')[0]}, password {login.partition(':')[2]})" if auth is None else ""
                click.echo(f"Ready. Flower: {url}{shown}. Ctrl-C stops everything.")
                supervisor.run()
    finally:
        click.echo("Stopping.", err=True)
        supervisor.stop()
        # A worker or beat that somebody started beside us still needs it.
        if all(daemon.pid == os.getpid() for daemon in daemons.running()):
            stop_broker(settings)


def start_daemons(supervisor: Supervisor, app: Celery, *, concurrency: int, flower_port: int) -> str | None:
    """Start worker, beat and Flower and wait until they serve.

    Returns:
        Flower's address; None when somebody asked to stop meanwhile.

    Raises:
        ShelfbeatError: One of them cannot start, or they take longer than a minute.
    """
    node = f"worker@{socket.gethostname()}"
    supervisor.start("worker", ["--quiet", "worker", "-n", node, "-c", str(concurrency)])
    supervisor.start("beat", ["--quiet", "beat"])
    supervisor.start("flower", ["--quiet", "flower", "--address=127.0.0.1", f"--port={flower_port}"])

    def ready() -> bool:
        return _listens(flower_port) and bool(app.control.ping(destination=[node], timeout=0.5))

    if supervisor.wait_until(ready, READY_S):
        return f"http://127.0.0.1:{flower_port}"
    if supervisor.stopping:
        return None
    raise Transient(f"Worker and Flower did not answer within {READY_S:.0f} s.", action="Their lines above say why.")


@contextmanager
def reserved_port() -> Iterator[int]:
    """The first port from Flower's own on that is free, and that nobody else takes meanwhile who asks here.

    Flower needs seconds until it listens. What marks its port as taken from now on is the UDP port of the same number:
    it keeps Flower from nothing, and the system frees it however this process ends.
    """
    for port in range(FLOWER_PORT, FLOWER_PORT + 100):
        with closing(socket.socket(type=socket.SOCK_DGRAM)) as mark, closing(socket.socket()) as probe:
            try:
                mark.bind(("127.0.0.1", port))
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            probe.close()
            yield port
            return
    raise BadInput(f"No port from {FLOWER_PORT} on is free for Flower.", action="Name one with --flower-port.")


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
