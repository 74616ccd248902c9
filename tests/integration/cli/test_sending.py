from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Engine, select

from tests.integration.cli.conftest import Cli
from worker.cli import following
from worker.cli.following import describe
from worker.database.engine import reading
from worker.database.tables import audit_log


def status(cli: Cli) -> Any:
    return json.loads(cli("sending", "status", "--json").stdout)


def shop_status(cli: Cli) -> tuple[str, str]:
    (row,) = json.loads(cli("shop", "status", "--json").stdout)
    return row["state"], row["reason"]


def test_the_switch_says_who_turned_it_and_why_wherever_somebody_waits(acme: Cli, engine: Engine) -> None:
    assert status(acme) == {"sending": True, "since": None, "reason": None}
    stopped = acme("sending", "stop", "--reason", "A wrong price list.")
    assert (stopped.exit_code, stopped.stdout) == (
        0,
        "Nothing is sent any more. Go on with: celery -A worker sending start\n",
    )
    found = status(acme)
    assert (found["sending"], found["since"] is None) == (False, False)
    assert found["reason"].endswith(": A wrong price list.")
    assert shop_status(acme) == ("throttled", f"{found['reason']} (until celery -A worker sending start)")
    assert found["reason"] in acme("sending", "status").stdout

    run = json.loads(acme("sync", "full", "acme", "--json").stdout)
    _, waits = following._read(engine, run["run"])
    pushing = {**run, "state": "pushing", "accepted": 1, "pending": 2}
    assert describe(pushing, waits)[0].endswith(f"; waiting: {found['reason']}")

    assert acme("sending", "start").stdout == "Sending goes on.\n"
    assert status(acme) == {"sending": True, "since": None, "reason": None}
    assert shop_status(acme) == ("active", None)
    with reading(engine) as connection:
        events = [row.event for row in connection.execute(select(audit_log).order_by(audit_log.c.id))]
    assert events[-2:] == ["sending.stopped", "sending.started"]


def test_starting_what_was_not_stopped_changes_nothing(cli: Cli, engine: Engine) -> None:
    assert cli("sending", "start").stdout == "Sending was not stopped.\n"
    with reading(engine) as connection:
        assert connection.execute(select(audit_log)).all() == []
