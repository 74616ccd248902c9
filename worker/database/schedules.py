"""The rows that say when each job of a shop is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

import schedules
from worker.database.shops import Shop
from worker.database.tables import schedule
from worker.errors import BadInput


def create_defaults(connection: Connection, shop_id: int, slug: str, now: datetime) -> None:
    """The default cadence of every job, spread by slug and job: over the hour, the day, the audit over the week."""
    connection.execute(
        insert(schedule),
        [
            {
                "shop_id": shop_id,
                "job": job,
                "cron": schedules.DEFAULTS[job],
                "zone": "UTC",
                "enabled": True,
                "next_run_at": schedules.next_fire(schedules.DEFAULTS[job], slug, job, now),
                "watermark": None,
                "accepted_at": None,
            }
            for job in schedules.DEFAULTS
        ],
    )


def set_cron(
    connection: Connection, shop: Shop, job: str, text: str, *, zone: str = "UTC", now: datetime
) -> datetime | None:
    """Change the cadence of one job, or switch it off; a running beat follows at its next tick.

    Returns the next fire time, None when the job is off now. Raises ``BadInput`` and changes nothing for a cadence
    that cannot be served.
    """
    try:
        cadence = schedules.parse(text, shop.slug, job, zone)
        if cadence.cron is None:
            # The expression stays for the record; what is off has no next fire time.
            values: dict[str, Any] = {"enabled": False, "next_run_at": None}
        else:
            due = schedules.next_fire(cadence.cron, shop.slug, job, now, cadence.zone)
            values = {"cron": cadence.cron, "zone": cadence.zone, "enabled": True, "next_run_at": due}
    except schedules.BadCadence as error:
        raise BadInput(str(error)) from None
    changed = connection.execute(
        update(schedule).where(schedule.c.shop_id == shop.id, schedule.c.job == job).values(values)
    )
    if changed.rowcount != 1:
        raise BadInput(f"The shop {shop.slug} has no schedule for {job!r}.")
    next_run_at: datetime | None = values["next_run_at"]
    return next_run_at


def of_shop(connection: Connection, shop_id: int) -> list[Row[*tuple[Any, ...]]]:
    """By job."""
    return list(
        connection.execute(select(schedule).where(schedule.c.shop_id == shop_id).order_by(schedule.c.job)).all()
    )
