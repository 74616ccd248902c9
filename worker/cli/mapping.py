"""``celery -A worker shop mapping``: show, check and change how a shop's store becomes its items."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from worker.cli.output import AnsweringCommand, answers_json, database, show_json

if TYPE_CHECKING:
    from worker.cli.remapping import Change, Document


@click.command(cls=AnsweringCommand)
@click.argument("slug")
@click.argument("file", required=False)
@click.option("--check", "check_only", is_flag=True, help="Say what is wrong with FILE, or what it changes; no more.")
@answers_json
def mapping(slug: str, file: str | None, *, check_only: bool, as_json: bool) -> None:
    """Show how a shop's store becomes its items, or change it to what FILE says.

    FILE is TOML, or JSON if its name ends so; '-' is standard input. It is the whole mapping: what it does not name is
    as without a mapping. Only a document without [store] leaves the store options as they are.

    \b
    id        of what the items' ids are made; fixed at the first sync
    store     the store's options: price list, channel, location, language (see 'shop kinds')
    stock     how many pieces are held back
    images    which picture comes first, and how many are sent
    category  what a product type is called at Meta
    include   which items are advertised; all others are hidden at Meta
    exclude   which are not

    After a change the next full reads everything again. What it then hides, or shows, is judged by the shop's limits.
    The manual with an example of each table: docs/mapping.md

    \b
    Examples:
      celery -A worker shop mapping acme > acme.toml
      celery -A worker shop mapping acme acme.toml --check
      celery -A worker sync full acme --dry-run --mapping acme.toml
      celery -A worker shop mapping acme acme.toml
    """
    from worker.cli import remapping
    from worker.cli.shop import actor

    if file is None:
        if check_only:
            raise click.UsageError("--check needs the FILE that is to be checked.")
        with database() as engine:
            found = remapping.current(engine, slug)
        if as_json:
            show_json(found)
        else:
            click.echo(_text(found), nl=False)
        return
    document = remapping.read_document(file)
    with database() as engine:
        if check_only:
            change = remapping.check(engine, slug, document)
        else:
            change = remapping.change(engine, slug, document, actor())
    changed = change.before != change.after
    if as_json:
        show_json({"shop": slug, "changed": changed, "written": changed and not check_only, "mapping": change.after})
        return
    _tell(slug, change, changed=changed, written=not check_only)


def _tell(slug: str, change: Change, *, changed: bool, written: bool) -> None:
    if not changed:
        click.echo(f"The mapping of {slug} is the same already.")
        return
    lines = difflib.unified_diff(
        _text(change.before).splitlines(), _text(change.after).splitlines(), "now", "then", lineterm="", n=1
    )
    click.echo("\n".join(lines))
    if written:
        click.echo(f"The mapping of {slug} is changed. The next full reads everything again under it.")
        click.echo(f"Start it now: celery -A worker sync full {slug} --wait")
    else:
        click.echo("The document is valid. Nothing was written.")


def _text(document: Document) -> str:
    from worker.items.mapping import as_toml

    return as_toml(document)
