"""``celery -A worker demo``: the whole story on this machine, checked item by item."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.refusal import one_sentence
from worker.errors import Permanent, Transient

if TYPE_CHECKING:
    from worker.cli.supervise import Supervisor
    from worker.sandbox import Sandbox

CATALOG = "1001"
ITEMS = 300
READY_S = 60.0
COMMAND_S = 60.0
# Longer than a broker that has to be killed needs to end, behind all daemons.
BROKER_STOP_S = 25.0
SHOWN_ISSUES = 12


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running, with Flower, until Ctrl-C.")
@one_sentence
def demo(*, keep: bool) -> None:
    """Show a full sync, a price change and rejected items, in under a minute.

    Everything runs in a private temporary directory against a local stand-in of Meta's Graph API; your settings, your
    database and your broker are not touched. Ends with 0 only if the catalog became exactly what the store says.
    """
    from worker.sandbox import Sandbox

    # Ctrl-C and a polite kill both clean up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="shelfbeat-demo-"))
    try:
        with Sandbox(sample_items=ITEMS) as sandbox:
            story = _Story(directory, sandbox)
            try:
                story.tell()
                click.echo(f"\nEverything converged, {time.monotonic() - began:.0f} s after the start.")
                if keep:
                    story.keep()
            finally:
                story.end()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class _Story:
    """One telling; each chapter prints what it does and raises when something is not as it must be."""

    def __init__(self, directory: Path, sandbox: Sandbox) -> None:
        from worker.cli.supervise import LONGEST_STOP_S, Supervisor

        self._directory = directory
        self._sandbox = sandbox
        self._environment = _environment(sandbox.url)
        self._lines: list[str] = []
        self._ready = ""
        self._problems: list[dict[str, Any]] = []
        self._supervisor: Supervisor = Supervisor(
            directory,
            self._environment,
            prefixed=False,
            show=self._hear,
            warm_stop_s=LONGEST_STOP_S + BROKER_STOP_S,
        )

    def tell(self) -> None:
        self._start()
        self._add_a_shop()
        self._full_sync()
        self._again()
        self._change_a_price()
        self._show_issues()
        self._compare()

    def keep(self) -> None:
        self._supervisor.stop_on_signals()
        click.echo(f"\n{self._ready}")
        click.echo(f"To ask it more: cd {self._directory} && export META_GRAPH_URL={self._sandbox.url}")
        self._supervisor.run()

    def end(self) -> None:
        """End everything in the directory, so that it may go; a second Ctrl-C only makes it quicker."""
        self._supervisor.stop_on_signals()
        self._supervisor.stop()
        # An ``up`` that was killed left its broker, and maybe daemons that would start one again.
        done = self._celery("down")
        if done.returncode:
            click.echo(done.stderr.strip(), err=True)

    def _start(self) -> None:
        _say("Starting the sandbox, broker, worker, beat and Flower.")
        self._supervisor.start("up", ["up"])
        try:
            ready = self._supervisor.wait_until(lambda: bool(self._ready), READY_S)
        except Permanent:
            ready = False
        if not ready:
            raise Transient("The daemons did not start.", action="\n".join(self._lines[-20:]))

    def _add_a_shop(self) -> None:
        _say("A merchant: one store tied to one catalog.")
        feed = self._sandbox.feed_url
        self._command("shop", "add", "demo", "--store", "feed", "--store-url", feed, "--catalog", CATALOG,
                      "--token-env", "DEMO_TOKEN")  # fmt: skip

    def _full_sync(self) -> None:
        _say("A full sync: read the store, check every item, send what Meta does not have.")
        run = self._run("full")
        click.echo(
            f"  read {run['pulled']} items, sent {run['created']} in {_count(run['calls'], 'call')}: "
            f"Meta accepted {run['accepted']}, rejected {run['rejected']}; {run['invalid']} never left, "
            "because our rules found what Meta would refuse"
        )

    def _again(self) -> None:
        _say("Once more: nothing changed, so nothing may be sent.")
        run = self._run("full")
        click.echo(f"  {run['unchanged']} items unchanged, {_count(run['calls'], 'call')}")
        if run["calls"]:
            raise Permanent("A full sync without any change called Meta.")

    def _change_a_price(self) -> None:
        _say("The merchant changes a price. Prices and stock have a lane of their own.")
        catalog = self._sandbox.items(CATALOG)
        retailer_id = next(
            item["id"]
            for item in self._sandbox.control("store/items")
            if item["id"] in catalog and "sale_price" not in item
        )
        before = catalog[retailer_id]["price"]
        sent_before = self._sandbox.calls("items_batch")[-1]["seq"]
        self._sandbox.change_item(retailer_id, price="123.45 USD")
        self._run("volatile")
        calls = self._sandbox.calls("items_batch", after=sent_before)
        now = self._sandbox.items(CATALOG)[retailer_id]["price"]
        click.echo(f"  {retailer_id} cost {before}, and costs {now} at Meta now; all that was sent:")
        for call in calls:
            click.echo(f"  {json.dumps(call['records'])}")
        if now != "123.45 USD":
            raise Permanent(f"The price of {retailer_id} did not arrive.")

    def _show_issues(self) -> None:
        _say("What could not be sold as it is, and who can do what about it:")
        self._problems = [issue for issue in self._json("issues", "demo") if issue["severity"] == "error"]
        for issue in self._problems[:SHOWN_ISSUES]:
            click.echo(f"  {issue['retailer_id'][:40]}  {issue['message']}")
            click.echo(f"      {issue['owner']}: {issue['action']}")
        if len(self._problems) > SHOWN_ISSUES:
            click.echo(f"  … and {len(self._problems) - SHOWN_ISSUES} more")

    def _compare(self) -> None:
        from worker.cli.comparison import compare

        _say("Now the demo itself compares catalog and store, item by item; what differs must have an issue.")
        refused = {issue["retailer_id"] for issue in self._problems}
        result = compare(self._sandbox.feed_url, self._sandbox.items(CATALOG), refused)
        click.echo(f"  {result.equal} items are equal, {result.explained} are missing or older and have an issue")
        if result.different:
            raise Permanent(f"{len(result.different)} items differ: {'; '.join(result.different[:5])}.")

    def _run(self, job: str) -> dict[str, Any]:
        run: dict[str, Any] = self._json("sync", job, "demo", "--wait", f"{COMMAND_S:.0f}")
        if run["state"] != "succeeded":
            raise Permanent(f"The {job} run ended as {run['state']}: {run['error']}.")
        return run

    def _json(self, *arguments: str) -> Any:
        return json.loads(self._command(*arguments, hidden=("--json",)))

    def _command(self, *arguments: str, hidden: tuple[str, ...] = ()) -> str:
        click.echo(f"  $ celery -A worker {' '.join(arguments)}")
        done = self._celery(*arguments, *hidden)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Permanent(f"'{' '.join(arguments)}' ended with {done.returncode}: {lines[-1] if lines else ''}")
        return done.stdout

    def _celery(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own interpreter and our own commands
            [sys.executable, "-m", "celery", "-A", "worker", *arguments],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=2 * COMMAND_S,
            check=False,
            # Ctrl-C in the terminal is for the demo alone, which has to end the rest in order.
            process_group=0,
        )

    def _hear(self, line: str) -> None:
        self._lines.append(line)
        if line.startswith("Ready."):
            self._ready = line


def _environment(graph_url: str) -> Mapping[str, str]:
    """The process's own, without anything that belongs to the user's installation."""
    from worker.settings import Settings

    ours = {name.upper() for name in Settings.model_fields} | {"BROKER_URL", "CELERY_BROKER_URL"}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return {**kept, "META_GRAPH_URL": graph_url, "LOG_FORMAT": "console", "DEMO_TOKEN": "demo-token"}


def _say(text: str) -> None:
    click.echo(f"\n{text}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
