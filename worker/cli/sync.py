"""``celery -A worker sync``: run a job now, and follow it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from worker.cli.output import (
    EXIT_HELD,
    EXIT_TIMEOUT,
    AnsweringCommand,
    AnsweringGroup,
    answers_json,
    database,
    show_json,
    show_pairs,
)
from worker.cli.runs import show_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from worker.cli.following import Followed
    from worker.database.reports import AuditFindings
    from worker.sync.context import Context, Wake

_EXIT_OF = {"succeeded": 0, "held": EXIT_HELD}


class WaitCommand(AnsweringCommand):
    """A command whose ``--wait`` takes a number or nothing: ``--wait acme`` does not swallow the shop."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = []
        for place, arg in enumerate(args):
            alone = arg == "--wait" and not _is_number(args[place + 1] if place + 1 < len(args) else "")
            given.append("--wait=inf" if alone else arg)
        return super().parse_args(ctx, given)


@click.group(cls=AnsweringGroup)
def sync() -> None:
    """Sync a shop now.

    \b
    full       read the whole store; what it no longer has is archived at Meta
    delta      read what changed since the last delta
    volatile   read prices and stock alone, and send what differs
    audit      read Meta's side back, set right what differs from what it confirmed

    \b
    Examples:
      celery -A worker sync full acme --wait
      celery -A worker sync volatile acme --wait 60 --json
      celery -A worker sync full acme --dry-run
      celery -A worker sync full acme --dry-run --mapping acme.toml
      celery -A worker sync audit acme --wait
    """


def _job(name: str, summary: str) -> None:
    @sync.command(name, cls=WaitCommand, help=f"{summary}\n\n{_JOB_HELP}", short_help=summary)
    @click.argument("slug")
    @click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(min=0),
        metavar="[SECONDS]",
        help="Show progress until every item of the run is settled; with a number, for so long at most.",
    )
    @click.option("--dry-run", is_flag=True, help="Read, and say what would be sent; change nothing.")
    @click.option("--mapping", metavar="FILE", help="With --dry-run: try this mapping in place of the shop's.")
    @answers_json
    @click.pass_context
    def command(
        ctx: click.Context, slug: str, wait_s: float | None, *, dry_run: bool, mapping: str | None, as_json: bool
    ) -> None:
        if dry_run and wait_s is not None:
            raise click.UsageError("--dry-run does all its work at once, so it takes no --wait.")
        if mapping is not None and (not dry_run or name == "audit"):
            raise click.UsageError("--mapping tries a mapping in a dry run of full, delta or volatile.")
        if dry_run:
            _dry_run(slug, name, mapping, as_json=as_json)
        else:
            _run(ctx.obj.app, slug, name, wait_s, as_json=as_json)


_JOB_HELP = """A request while a run of the same shop and job is under way waits as its successor.

Exit codes with --wait: 0 succeeded, 1 failed (or canceled or superseded), 3 held until a person approves it,
4 --wait ran out first; the run itself goes on. Rejected items do not fail a run: see 'issues'.
"""

_job("full", "Read the whole store and make Meta equal to it.")
_job("delta", "Read what changed since the last delta and send it.")
_job("volatile", "Read prices and stock and send what differs, these fields alone.")
_job("audit", "Read Meta's side back: repair what differs, report what nobody here knows.")


@sync.command()
@click.argument("run")
@answers_json
def approve(run: str, *, as_json: bool) -> None:
    """Let a held run go on: what it holds is sent, and the run goes on to its end.

    Returns at once. A decision is for this run alone: the next one that finds the same is held again.
    """
    from worker.sync.approval import approve

    _decide(approve, run, as_json=as_json)


@sync.command()
@click.argument("run")
@answers_json
def reject(run: str, *, as_json: bool) -> None:
    """End a held run without what it holds: Meta keeps what it has.

    The next run that finds the same is held again, so correct the store, or the shop's limits ('shop limits').
    """
    from worker.sync.approval import reject

    _decide(reject, run, as_json=as_json)


def _decide(decision: Callable[[Context, str, str], list[Wake]], run_id: str, *, as_json: bool) -> None:
    from worker.broker import ensure_broker
    from worker.cli.shop import actor
    from worker.database import reports
    from worker.database.engine import reading
    from worker.settings import read_settings
    from worker.tasks.messages import enqueue
    from worker.wiring import process_context

    with database() as engine:
        wakes = decision(process_context(), run_id, actor())
        ensure_broker(read_settings())
        if not enqueue(wakes):
            click.echo("The broker does not answer; what is due goes when it is back.", err=True)
        with reading(engine) as connection:
            found = reports.one_run(connection, run_id)
    if as_json:
        show_json(found)
    else:
        click.echo(f"Run {found['run']} is {found['state']}.")


def _run(app: Celery, slug: str, job: str, wait_s: float | None, *, as_json: bool) -> None:
    from worker.broker import ensure_broker
    from worker.cli.following import follow
    from worker.database import reports
    from worker.database.engine import reading
    from worker.settings import read_settings
    from worker.sync.requests import request_run
    from worker.tasks.messages import enqueue
    from worker.wiring import process_context

    with database() as engine:
        ensure_broker(read_settings())
        ticket = request_run(process_context(), slug, job)
        if not enqueue(ticket.wakes):
            click.echo("The broker does not answer; the run starts when it is back.", err=True)
        if wait_s is None:
            if as_json:
                with reading(engine) as connection:
                    show_json(reports.one_run(connection, ticket.run_id))
            else:
                click.echo(f"Run {ticket.run_id} is {ticket.state}.")
                click.echo(f"Follow it with: celery -A worker runs show {ticket.run_id}")
            return
        ended = follow(engine, app, ticket.run_id, wait_s)
        show_run(ended.run, as_json=as_json)
        if job == "audit" and ended.run["state"] == "succeeded" and not as_json:
            with reading(engine) as connection:
                click.echo(_found(slug, reports.audit_findings(connection, ticket.run_id)))
    if ended.sentence:
        click.echo(ended.sentence, err=True)
    raise SystemExit(_exit_code(ended))


def _found(slug: str, audit: AuditFindings) -> str:
    """What an audit found, in words."""
    if not audit.differed and not audit.unknown:
        return "Nothing differed at Meta."
    what = "1 item" if audit.differed == 1 else f"{audit.differed:,} items"
    sentence = f"{what} differed at Meta"
    if audit.unknown:
        sentence += f", and it lists {audit.unknown:,} that nobody here knows"
    sentence += f". See them with: celery -A worker issues {slug}"
    if audit.full:
        sentence += f"\nA full was queued to repair what differed: celery -A worker runs show {audit.full}"
    return sentence


def _exit_code(ended: Followed) -> int:
    if ended.why == "settled":
        return _EXIT_OF.get(ended.run["state"], 1)
    return EXIT_TIMEOUT if ended.why == "timeout" else 1


def _dry_run(slug: str, job: str, mapping: str | None, *, as_json: bool) -> None:
    from worker.cli import remapping
    from worker.sync import audit
    from worker.sync.dry_run import dry_run
    from worker.wiring import process_context

    document = None if mapping is None else remapping.read_document(mapping)
    with database() as engine:
        context = process_context()
        instead = None if document is None else remapping.check(engine, slug, document).columns
        found = asdict(audit.dry_run(context, slug) if job == "audit" else dry_run(context, slug, job, instead))
    if as_json:
        show_json(found)
    else:
        show_pairs([(name.replace("_", " "), value) for name, value in found.items()])


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False
