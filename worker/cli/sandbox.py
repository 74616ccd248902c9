"""``celery -A worker sandbox``: a local Graph API and a sample store, to try everything without a Meta account."""

from __future__ import annotations

import shutil
import signal
import sys

import click

from worker.cli.refusal import one_sentence

PORT = 8765


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen here; whoever reaches it is in control.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option("--latency", type=click.FloatRange(0), default=0.2, show_default=True, metavar="SECONDS",
              help="How long a batch takes until its handle is finished.")  # fmt: skip
@click.option("--items", type=click.IntRange(0), default=300, show_default=True,
              help="About how many items the sample feed has.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Decides ids and the order of application.")
@one_sentence
def sandbox(host: str, port: int, latency: float, items: int, seed: int) -> None:
    """Serve a local Graph API and a sample store until Ctrl-C.

    It behaves as Meta's documentation says, refuses what Meta would refuse, and takes any text as a token. Under
    /_sandbox it shows every call and every item, changes the store, and switches faults on.
    """
    from worker.errors import BadInput
    from worker.sandbox import Sandbox

    try:
        server = Sandbox(host, port, latency_s=latency, seed=seed, sample_items=items)
    except OSError as error:
        raise BadInput(
            f"The sandbox cannot listen on {host} port {port}: {error.strerror}.", action="Choose another --port."
        ) from None
    # Blocked before the server has threads, so that they come to the one line that waits for them.
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    # Whoever listens on all interfaces reaches it on loopback too.
    reachable = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{server.port}"  # noqa: S104 - a comparison
    with server:
        click.echo(_instructions(reachable))
        signal.sigwait(ending)


def _instructions(url: str) -> str:
    celery = "celery" if shutil.which("celery") else sys.argv[0]
    return f"""The sandbox serves {url}, its control page is {url}/_sandbox.

In a second terminal, in a directory of your choice:

    export META_GRAPH_URL={url}
    {celery} -A worker up

In a third one, in the same directory:

    export META_GRAPH_URL={url} SANDBOX_TOKEN=any-text
    {celery} -A worker shop add sample --store feed --store-url {url}/store/feed.csv \\
        --catalog 1001 --token-env SANDBOX_TOKEN
    {celery} -A worker sync full sample --wait
    {celery} -A worker issues sample
    curl {url}/_sandbox/items/1001

Ctrl-C here ends it."""
