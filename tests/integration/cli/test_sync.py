from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from worker.cli import following
from worker.database import tables
from worker.database.engine import writing

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_FIRST_POLL_S", 0.01)
    monkeypatch.setattr(following, "_LONGEST_POLL_S", 0.02)


def change(engine: Engine, **values: Any) -> None:
    with writing(engine) as connection:
        connection.execute(tables.run.update().values(values))


def test_a_run_is_asked_for_and_named(acme: Any, sent: list[Any]) -> None:
    result = acme("sync", "full", "acme")
    (run,) = json.loads(acme("runs", "--json").stdout)
    assert (result.exit_code, run["state"], run["job"]) == (0, "queued", "full")
    assert f"Follow it with: celery -A worker runs show {run['run']}" in result.stdout
    assert [(wake.task, wake.key, wake.job) for wake in sent] == [("pull", run["run"], "full")]


def test_json_without_wait_is_the_queued_run(acme: Any) -> None:
    run = json.loads(acme("sync", "delta", "acme", "--json").stdout)
    assert (run["shop"], run["job"], run["state"]) == ("acme", "delta", "queued")


def test_with_no_worker_wait_says_so_and_exits_1(acme: Any, workers: Any) -> None:
    result = acme("sync", "full", "acme", "--wait", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (1, "queued")
    assert "No worker is running" in result.stderr
    assert workers.pings == 3


def test_a_wait_that_runs_out_exits_4_and_shows_the_run(acme: Any, workers: Any) -> None:
    workers.alive = True
    result = acme("sync", "full", "acme", "--wait", "0.2", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (4, "queued")
    assert "not settled after 0.2 s" in result.stderr


@pytest.mark.parametrize(
    ("state", "code"), [("succeeded", 0), ("failed", 1), ("canceled", 1), ("superseded", 1), ("held", 3)]
)
def test_wait_ends_with_the_run(acme: Any, workers: Any, engine: Engine, state: str, code: int) -> None:
    workers.alive = True
    settle = threading.Timer(
        0.2, change, (engine,), {"state": state, "started_at": NOON, "finished_at": NOON, "rejected": 1}
    )
    settle.start()
    result = acme("sync", "full", "acme", "--wait", "20", "--json")
    settle.join()
    run = json.loads(result.stdout)
    assert (result.exit_code, run["state"], run["finished_at"]) == (code, state, "2026-01-05T12:00:00.000Z")
    assert f"{run['run']} queued\n{run['run']} {state}\n" in result.stderr


def test_once_a_worker_has_taken_it_up_nobody_is_asked_again(acme: Any, workers: Any, engine: Engine) -> None:
    acme("sync", "full", "acme")
    change(engine, state="pushing", started_at=NOON)
    # Of the same shop and job one is under way, so this one waits behind it.
    result = acme("sync", "full", "acme", "--wait", "0.3", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (4, "queued")
    assert workers.pings == 0


@pytest.mark.parametrize("command", [["sync", "full", "nobody"], ["sync", "full", "nobody", "--wait"]])
def test_an_unknown_shop_is_named_and_nothing_is_sent(cli: Any, sent: list[Any], command: list[str]) -> None:
    result = cli(*command)
    assert (result.exit_code, result.stdout, sent) == (1, "", [])
    assert "no shop 'nobody'" in result.stderr


def test_a_paused_shop_is_not_synced(acme: Any, sent: list[Any]) -> None:
    acme("shop", "pause", "acme")
    result = acme("sync", "full", "acme", "--json")
    assert result.exit_code == 1
    assert "paused" in json.loads(result.stdout)["error"]
    assert sent == []


def test_runs_are_shown_as_text(acme: Any, engine: Engine) -> None:
    acme("sync", "full", "acme")
    change(engine, state="failed", error="The feed is empty.")
    run = json.loads(acme("runs", "acme", "--json").stdout)[0]["run"]
    assert f"{run}: The feed is empty." in acme("runs").stdout
    assert "The feed is empty." in acme("runs", "show", run).stdout


@pytest.mark.parametrize("args", [["show"], ["show", "a", "b"], ["acme", "other"], ["--limit", "0"]])
def test_wrong_usage_of_runs_is_exit_code_2(cli: Any, args: list[str]) -> None:
    without = cli("runs", *args)
    assert (without.exit_code, without.stdout) == (2, "")
    result = cli("runs", *args, "--json")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: {json.loads(result.stdout)['error']}\n")


@pytest.mark.parametrize(
    "args", [["shop", "show"], ["shop", "list", "acme"], ["shop", "status", "a", "b"], ["issues"], ["item", "acme"]]
)
def test_wrong_usage_with_json_is_one_document(cli: Any, args: list[str]) -> None:
    result = cli(*args, "--json")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: {json.loads(result.stdout)['error']}\n")


def test_a_shop_without_problems_says_so(acme: Any) -> None:
    assert acme("issues", "acme").stdout == "acme has no open issues.\n"
    assert json.loads(acme("issues", "acme", "--json").stdout) == []


def test_an_unknown_item_is_named(acme: Any) -> None:
    result = acme("item", "acme", "sku-1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "item 'sku-1' in the shop acme" in result.stderr
