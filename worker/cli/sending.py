"""``celery -A worker sending``: one switch for everything that is sent to Meta."""

from __future__ import annotations

from threading import Event

import click

from worker.cli.output import AnsweringGroup, answers_json, database, moment, show_json
from worker.cli.refusal import one_sentence
from worker.cli.shop import actor


@click.group(cls=AnsweringGroup)
def sending() -> None:
    """Stop or start sending to Meta, for all shops at once.

    Stores are read and handles are polled as ever; what is to be sent waits, and so do its runs.
    """


@sending.command()
@click.option("--reason", metavar="TEXT", default="", help="Shown wherever somebody waits for it.")
@one_sentence
def stop(reason: str) -> None:
    """Let no call that sends items begin. A call that is in the air ends and is recorded.

    Once this command has returned, none begins any more, on whatever machine.
    """
    from worker.database import outages, shops
    from worker.database.engine import database_now, writing
    from worker.sync.lane import HESITATION_S

    said = f": {reason.rstrip('.')}." if reason else "."
    with database() as engine:
        with writing(engine) as connection:
            now = database_now(connection)
            outages.stop_sending(connection, now, f"Sending was stopped by {actor()}{said}")
            detail = {"reason": reason}
            shops.log_event(connection, None, actor=actor(), event="sending.stopped", detail=detail, now=now)
        # Who looked at the switch just before calls within this time, or not at all.
        Event().wait(HESITATION_S)
    click.echo("Nothing is sent any more. Go on with: celery -A worker sending start")


@sending.command()
@one_sentence
def start() -> None:
    """Send again. After a stop of more than 3 minutes prices go first, and the rest follows within 10 minutes."""
    from worker.broker import ensure_broker
    from worker.database import outages, run_state, shops
    from worker.database.engine import database_now, writing
    from worker.settings import read_settings
    from worker.sync.sweep import sweep
    from worker.tasks.messages import enqueue
    from worker.wiring import process_context

    with database() as engine:
        with writing(engine) as connection:
            now = database_now(connection)
            ended = outages.start_sending(connection, now)
            if ended is None:
                click.echo("Sending was not stopped.")
                return
            run_state.give_time(connection, now)
            detail = {"stopped_s": round((now - ended.since).total_seconds())}
            shops.log_event(connection, None, actor=actor(), event="sending.started", detail=detail, now=now)
        ensure_broker(read_settings())
        told = enqueue(list(sweep(process_context())))
    click.echo("Sending goes on." if told else "Sending goes on when the broker is back.")


@sending.command()
@answers_json
def status(*, as_json: bool) -> None:
    """Say whether anything is sent, and if not, since when and why."""
    from worker.database import outages
    from worker.database.engine import reading
    from worker.database.reports import iso

    with database() as engine, reading(engine) as connection:
        stopped = outages.stopped(connection)
    since = iso(stopped.since) if stopped else None
    if as_json:
        show_json({"sending": stopped is None, "since": since, "reason": stopped.reason if stopped else None})
    elif stopped is None:
        click.echo("Sending is on.")
    else:
        click.echo(f"Nothing is sent since {moment(since)} UTC. {stopped.reason}")
