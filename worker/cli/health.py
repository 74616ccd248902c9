"""``celery -A worker health``: whether anything stands still, for a person, a monitor, or a container."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from worker.cli.output import AnsweringCommand, answers_json, moment, show_json

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from worker.settings import Settings

_BROKER_ANSWERS_S = 2.0
_LEAST_FREE_BYTES = 256 * 1024 * 1024
# Messages are hints, one or two for a shop with work: many more wait for workers.
_LONG_QUEUE = 1000
_PER_SHOP = 4


@click.command(cls=AnsweringCommand)
@answers_json
def health(*, as_json: bool) -> None:
    """Tell whether anything stands still: exit code 0 well, 1 not.

    Asks the database, and the broker for at most two seconds; no worker need answer. Whoever is paused, held,
    throttled or stopped on purpose waits, and is no problem. What a merchant has to do is in 'issues'.

    \b
    Examples:
      celery -A worker health
      celery -A worker health --json
    """
    from worker.settings import read_settings

    report = examine(read_settings())
    if as_json:
        show_json(report)
    else:
        for problem in report["problems"]:
            click.echo(f"{problem['problem']} ({problem['owner']})")
        if report["stopped"]:
            click.echo(f"{report['stopped']['reason']} (since {moment(report['stopped']['since'])} UTC)")
        if report["well"]:
            click.echo("Nothing stands still.")
    sys.exit(0 if report["well"] else 1)


def examine(settings: Settings) -> dict[str, Any]:
    """The document of ``health --json``. Makes and changes nothing; ``queues`` is None without an answer."""
    from sqlalchemy.exc import DBAPIError

    from worker.database.engine import make_engine, sqlite_path
    from worker.errors import ShelfbeatError

    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        return _document([_problem("database.missing", f"There is no database {path} yet: start a worker.")])
    engine = make_engine(settings.database_url)
    try:
        return _examine(engine, settings)
    except ShelfbeatError as error:
        return _document([_problem("database.unusable", str(error))])
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        return _document([_problem("database.silent", f"The database does not answer ({reason}): check DATABASE_URL.")])
    finally:
        engine.dispose()


def _examine(engine: Engine, settings: Settings) -> dict[str, Any]:
    from worker.database import heartbeats, outages, schema, shops
    from worker.database.engine import database_now, reading
    from worker.database.reports import iso
    from worker.sync.watchdog import findings

    schema.check(engine)
    with reading(engine) as connection:
        now = database_now(connection)
        found = [asdict(finding) | {"since": iso(finding.since)} for finding in findings(connection, now)]
        alive = heartbeats.last(connection)
        stop = outages.stopped(connection)
        active = sum(shop.state == "active" for shop in shops.all_shops(connection))
    found += _disk(settings)
    queues = _queue_lengths(settings)
    if queues is None and active:
        found.append(_problem("broker.silent", _silent_broker(settings)))
    for queue, length in (queues or {}).items():
        if length > _LONG_QUEUE + _PER_SHOP * active:
            sentence = f"The queue {queue} holds {length:,} messages: give it more workers."
            found.append(_problem("queue.long", sentence))
    seen = {name: iso(at) for name, at in sorted(alive.items())}
    return _document(found) | {
        "checked_at": iso(now),
        "last_seen": seen,
        "queues": queues,
        "stopped": None if stop is None else {"since": iso(stop.since), "reason": stop.reason},
    }


def _document(problems: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "well": not problems,
        "checked_at": None,
        "problems": problems,
        "last_seen": {},
        "queues": None,
        "stopped": None,
    }


def _problem(code: str, sentence: str) -> dict[str, Any]:
    return {"code": code, "shop": None, "since": None, "problem": sentence, "owner": "operator"}


def _silent_broker(settings: Settings) -> str:
    if settings.redis_url is not None:
        return "The broker does not answer: start it, or check REDIS_URL."
    return "The embedded broker does not run here: start everything with 'celery -A worker up', or a worker."


def _disk(settings: Settings) -> list[dict[str, Any]]:
    """A full disk stops an embedded database in the middle of whatever it does."""
    import shutil

    from worker.database.engine import sqlite_path

    path = sqlite_path(settings.database_url)
    if path is None:
        return []
    free = shutil.disk_usage(path.parent).free
    if free >= _LEAST_FREE_BYTES:
        return []
    sentence = f"Only {free // 1024**2} MB are free in {path.parent}, where the database lies: make room."
    return [_problem("disk.full", sentence)]


def _queue_lengths(settings: Settings) -> dict[str, int] | None:
    """Messages waiting per queue; None: the broker does not answer. Starts no broker."""
    import redis

    from worker.app import QUEUES
    from worker.broker import broker_url

    url = broker_url(settings).replace("redis+socket://", "unix://")
    try:
        with redis.Redis.from_url(
            url, socket_timeout=_BROKER_ANSWERS_S, socket_connect_timeout=_BROKER_ANSWERS_S
        ) as server:
            pipe = server.pipeline(transaction=False)
            for queue in QUEUES:
                pipe.llen(queue)
            return dict(zip(QUEUES, pipe.execute(), strict=True))
    except (redis.RedisError, OSError, ValueError):
        return None
