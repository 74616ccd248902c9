"""``celery -A worker issues``: open problems, and what to do about each."""

from __future__ import annotations

import click

from worker.cli.output import AnsweringCommand, answers_json, database, moment, show_json


@click.command(cls=AnsweringCommand)
@click.argument("slug")
@click.option("--all", "resolved", is_flag=True, help="Show also what is resolved.")
@answers_json
def issues(slug: str, *, resolved: bool, as_json: bool) -> None:
    """Show the open problems of a shop, one per item and cause.

    Each says what is wrong, what to do and who can do it: the merchant, the operator, or Meta. An issue goes away by
    itself once the cause is gone.

    \b
    Examples:
      celery -A worker issues acme
      celery -A worker issues acme --all --json
    """
    from worker.database import reports, shops
    from worker.database.engine import reading

    with database() as engine, reading(engine) as connection:
        found = reports.issues(connection, shops.by_slug(connection, slug), resolved=resolved)
    if as_json:
        show_json(found)
        return
    if not found:
        click.echo(f"{slug} has no issues." if resolved else f"{slug} has no open issues.")
    for issue in found:
        over = f", resolved {moment(issue['resolved_at'])}" if issue["resolved_at"] else ""
        click.echo(f"{issue['retailer_id']}  {issue['severity']}  {issue['code']}: {issue['message']}")
        click.echo(f"    {issue['owner']}: {issue['action']}" + (f" {issue['url']}" if issue["url"] else ""))
        click.echo(f"    {issue['source']}, seen {issue['count']}x, last {moment(issue['last_seen'])}{over}")
