"""``celery -A worker runs``: what was done, newest first."""

from __future__ import annotations

from typing import Any

import click

from worker.cli.output import AnsweringCommand, answers_json, database, moment, show_json, show_pairs, show_table


class RunsCommand(AnsweringCommand):
    """A command of which ``show`` is another with options and a help of its own, for any shop but one of that name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if next((arg for arg in args if not arg.startswith("-")), None) != "show":
            return super().make_context(info_name, args, parent, **extra)
        args.remove("show")
        return show.make_context(f"{info_name} show", args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command(cls=AnsweringCommand)
@click.argument("run")
@answers_json
def show(run: str, *, as_json: bool) -> None:
    """Show one run by its id: its state, its counts, and why it failed or is held.

    \b
    Example:
      celery -A worker runs show 01JABCDEFGHJKMNPQRSTVWXYZ0
    """
    from worker.database import reports
    from worker.database.engine import reading

    with database() as engine, reading(engine) as connection:
        show_run(reports.one_run(connection, run), as_json=as_json)


@click.command(cls=RunsCommand, options_metavar="[OPTIONS]")
@click.argument("slug", required=False, metavar="[SLUG | show RUN]")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many runs at most.")
@answers_json
def runs(slug: str | None, limit: int, *, as_json: bool) -> None:
    """List the runs of all shops or of one, newest first; or show one run.

    \b
    Columns: items read from the store (pulled) and refused by our own rules (invalid); what was found to send
    (created, updated, removed); what Meta made of it (accepted, rejected) and what is still under way (pending).

    \b
    Examples:
      celery -A worker runs
      celery -A worker runs acme
      celery -A worker runs show 01JABCDEFGHJKMNPQRSTVWXYZ0
    """
    from worker.database import reports, shops
    from worker.database.engine import reading

    with database() as engine, reading(engine) as connection:
        shop = shops.by_slug(connection, slug) if slug is not None else None
        found = reports.runs(connection, shop, limit)
    if as_json:
        show_json(found)
    elif not found:
        click.echo("There are no runs yet. Start one with: celery -A worker sync full SLUG.")
    else:
        show_runs(found)


def show_runs(found: list[dict[str, Any]]) -> None:
    numbers = ("pulled", "invalid", "created", "updated", "removed", "accepted", "rejected", "pending", "calls")
    rows = [
        [run["run"], run["shop"], run["job"], run["state"], moment(run["started_at"]), *(run[name] for name in numbers)]
        for run in found
    ]
    show_table(["run", "shop", "job", "state", "started (UTC)", *numbers], rows)
    for run in found:
        if run["error"]:
            click.echo(f"{run['run']}: {run['error']}")


def show_run(run: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(run)
        return
    show_pairs(
        [(name, moment(value) if name in ("started_at", "finished_at") else value) for name, value in run.items()]
    )
