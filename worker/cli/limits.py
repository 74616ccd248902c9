"""``celery -A worker shop limits``: from when on the breaker holds a run, and when what is gone is deleted."""

from __future__ import annotations

import click

from worker.cli.output import AnsweringCommand, answers_json, database, show_json, show_pairs
from worker.errors import BadInput


@click.command(cls=AnsweringCommand)
@click.argument("slug")
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]…")
@answers_json
def limits(slug: str, changes: tuple[str, ...], *, as_json: bool) -> None:
    """Show or change from when on the breaker holds a run of a shop, and when what is gone is deleted at Meta.

    'default' as a value takes one back.

    \b
    missing       share of what Meta shows that a full sync may miss (10%, and at least ten items; more than half
                  is held in any shop, unless the share is larger)
    rewritten     share of items that may get another content at once (50%, and at least ten items; so the next two)
    repriced      share of items whose price may change about eightfold, or change its currency
    sold-out      share of items that may stop being for sale: out of stock, without a price, hidden or deleted
    delete-after  days for which an archived item that the store no longer has is kept at Meta (30d); 'off': for ever.
                  Then it is deleted, unless it is back; a changed number holds for what is archived from then on

    \b
    Examples:
      celery -A worker shop limits acme
      celery -A worker shop limits acme missing=25% repriced=80%
      celery -A worker shop limits acme missing=default delete-after=off
    """
    from worker.cli.shop import actor
    from worker.database import shops
    from worker.database.engine import database_now, writing
    from worker.items.limits import in_force

    given = dict(_change(change) for change in changes)
    with database() as engine, writing(engine) as connection:
        found = shops.by_slug(connection, slug)
        own = {name: value for name, value in {**(found.limits or {}), **given}.items() if value is not None}
        if given:
            shops.set_limits(connection, found.id, own)
            now = database_now(connection)
            detail = {"changes": list(changes)}
            shops.log_event(connection, found, actor=actor(), event="shop.limited", detail=detail, now=now)
    shown = in_force(own)
    if as_json:
        show_json({"shop": slug, "limits": shown})
    else:
        show_pairs(list(shown.items()))


def _change(text: str) -> tuple[str, float | None]:
    """A limit and its new value; None: the default."""
    from worker.items.limits import parse

    option, separator, value = text.partition("=")
    if not separator:
        raise BadInput(f"{text!r} sets no limit.", action="Write it like missing=20%.")
    return parse(option, value)
