"""What an audit would find, without doing anything: Meta is read, and nothing is written."""

from __future__ import annotations

from itertools import islice

from sqlalchemy import select

from worker.database.engine import reading
from worker.database.tables import shop
from worker.errors import BadInput
from worker.sync.audit.listing import differing, disbelief, read_page
from worker.sync.audit.work import Comparison
from worker.sync.context import Context
from worker.sync.dry_run import DryRun

_SAMPLES = 5


def dry_run(context: Context, slug: str) -> DryRun:
    """Read Meta's listing and say what seems to differ: what an audit would ask for again before it repairs it.

    ``samples`` has some orphans too. Raises what the Graph client raises.
    """
    with reading(context.engine) as connection:
        shop_row = connection.execute(select(shop).where(shop.c.slug == slug)).first()
    if shop_row is None:
        raise BadInput(f"There is no shop {slug!r}.", action="See 'celery -A worker shop list'.")
    audit = Comparison(context=context, shop=shop_row, item_mark=shop_row.item_seq)
    while not read_page(audit):
        context.progress(f"{audit.progress.listed} items listed")
    found = DryRun(slug, "audit", pulled=audit.progress.listed, unchanged=audit.counts.get("unchanged", 0))
    for suspect in differing(audit):
        kind = "created" if not suspect.listed else "removed" if suspect.archived else "updated"
        found.add(kind, suspect.retailer_id)
    found.samples["orphans"] = list(islice(audit.orphans, _SAMPLES))
    found.would_be_held = disbelief(audit)
    found.estimate(context.limits.batch_items)
    return found
