"""``celery -A worker item``: the whole story of one item."""

from __future__ import annotations

import json
from typing import Any

import click

from worker.cli.output import AnsweringCommand, answers_json, database, moment, show_json, show_pairs


@click.command(cls=AnsweringCommand)
@click.argument("slug")
@click.argument("retailer_id")
@answers_json
def item(slug: str, retailer_id: str, *, as_json: bool) -> None:
    """Show everything known of one item.

    What the store said and what Meta has not confirmed yet (desired), what Meta confirmed (acknowledged), what was
    sent when and under which handle, what Meta answered, and every issue the item ever had.

    \b
    Example:
      celery -A worker item acme sku-1
    """
    from worker.database import item_report, shops
    from worker.database.engine import reading
    from worker.sync.manifest import unpack

    with database() as engine, reading(engine) as connection:
        report = item_report.item(connection, shops.by_slug(connection, slug), retailer_id, unpack)
    if as_json:
        show_json(report)
        return
    click.echo(f"{report['retailer_id']} of {report['shop']}: {report['state']}")
    for title in ("acknowledged", "desired"):
        _section(title, report[title])
    for sent in report["sent"]:
        _section(f"sent {moment(sent['sent_at']) or '(not yet)'}", sent)
    for issue in report["issues"]:
        _section(f"issue {issue['code']}", issue)


def _section(title: str, values: dict[str, Any] | None) -> None:
    click.echo(f"\n{title}" + (": nothing" if values is None else ""))
    if values is not None:
        show_pairs([(f"  {name}", _text(value)) for name, value in values.items()])


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, list) else value
