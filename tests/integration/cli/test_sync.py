from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.unit.items.wants import acked, want
from worker.cli import following
from worker.cli.shop import actor
from worker.database import issues, ledger, orphans, tables
from worker.database.engine import writing
from worker.database.issues import IssueRow
from worker.items.states import ARCHIVED, LANE_STATUS
from worker.sync.requests import Asked, queue_run

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
    workers.work = lambda: change(engine, state=state, started_at=NOON, finished_at=NOON, rejected=1)
    result = acme("sync", "full", "acme", "--wait", "60", "--json")
    run = json.loads(result.stdout)
    assert (result.exit_code, run["state"], run["finished_at"]) == (code, state, "2026-01-05T12:00:00.000Z")
    assert f"{run['run']} queued\n{run['run']} {state}\n" in result.stderr


@pytest.fixture
def audited(acme: Any, workers: Any, engine: Engine) -> Callable[..., tuple[str, str]]:
    """Wait for an audit that finds these items; returns what is said below the run, and the id of the full."""

    def audited(*, drift: Sequence[str] = (), unknown: Sequence[str] = (), full: bool = False) -> tuple[str, str]:
        found = [IssueRow(key, "diagnostics", "drift.price", "warning", "", "", "merchant") for key in drift]

        def end() -> None:
            with writing(engine) as connection:
                shop = connection.execute(select(tables.shop)).one()
                issues.record(connection, 1, found, datetime.now(UTC))
                orphans.see(connection, 1, unknown, NOON)
                if full:
                    queue_run(connection, Asked(shop, "full", NOON, "audit"))
            change(engine, state="succeeded", started_at=NOON, finished_at=NOON)

        workers.alive = True
        workers.work = end
        result = acme("sync", "audit", "acme", "--wait", "60")
        assert result.exit_code == 0
        runs = {run["job"]: run["run"] for run in json.loads(acme("runs", "--json").stdout)}
        return result.stdout.partition("\nerror      ")[2].partition("\n")[2], runs.get("full", "")

    return audited


def test_an_audit_that_finds_nothing_says_so(audited: Any) -> None:
    assert audited() == ("Nothing differed at Meta.\n", "")


def test_an_audit_says_what_differed_and_which_full_repairs_it(audited: Any) -> None:
    said, full = audited(drift=["sku-1", "sku-2"], full=True)
    assert said == (
        "2 items differed at Meta. See them with: celery -A worker issues acme\n"
        f"A full was queued to repair what differed: celery -A worker runs show {full}\n"
    )


def test_an_audit_says_that_meta_lists_what_nobody_knows(audited: Any) -> None:
    assert audited(drift=["sku-1"], unknown=["theirs"])[0] == (
        "1 item differed at Meta, and it lists 1 that nobody here knows. See them with: celery -A worker issues acme\n"
    )


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


@pytest.mark.parametrize("args", [["show", "RUN"], ["show", "RUN", "--json"], ["--json", "show", "RUN"]])
def test_runs_show_is_a_command_of_its_own(acme: Any, args: list[str]) -> None:
    run = json.loads(acme("sync", "full", "acme", "--json").stdout)["run"]
    result = acme("runs", *(run if arg == "RUN" else arg for arg in args))
    assert (result.exit_code, run in result.stdout) == (0, True)
    assert ("--json" in args) == result.stdout.startswith("{")
    text = acme("runs", *args, "--help").stdout
    assert ("show [OPTIONS] RUN" in text, "Show one run by its id" in text, "--limit" in text) == (True, True, False)
    assert "List the runs of all shops" in acme("runs", "--help").stdout


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


# Deciding about a held run

SENTENCE = "Your store returned no items at all. Nothing is removed before somebody approves it."


@pytest.fixture
def held(acme: Any, engine: Engine, sent: list[Any]) -> str:
    """A full of ``acme`` that is held and holds one item."""
    acme("sync", "full", "acme")
    change(engine, state="held", started_at=NOON, base_stamp=1, error=SENTENCE)
    sent.clear()
    with writing(engine) as connection:
        (run_id,) = connection.execute(select(tables.run.c.id)).scalars()
        ledger.put_acknowledged(connection, 1, {"sku-1": acked()})
        gone = want(status=ARCHIVED, gate_run=run_id, run_id=run_id, lane=LANE_STATUS, due_at=0)
        ledger.put_wants(connection, 1, {"sku-1": gone})
    return str(run_id)


def test_a_held_run_says_what_to_decide_and_how(acme: Any, workers: Any, engine: Engine, held: str) -> None:
    workers.alive = True
    change(engine, state="queued", started_at=None, error=None)
    workers.work = lambda: change(engine, state="held", started_at=NOON, error=SENTENCE)
    result = acme("sync", "full", "acme", "--wait", "60")
    assert result.exit_code == 3
    assert (
        f"Run {held} is held. {SENTENCE} Decide with:"
        f" celery -A worker sync approve {held} or celery -A worker sync reject {held}\n"
    ) in result.stderr


def test_a_held_run_is_shown_wherever_its_shop_is(acme: Any, held: str) -> None:
    run = json.loads(acme("runs", "show", held, "--json").stdout)
    assert (run["state"], run["pending"], run["error"]) == ("held", 1, SENTENCE)
    assert json.loads(acme("shop", "status", "acme", "--json").stdout)[0]["held_runs"] == [held]
    assert f"acme: run {held} waits for a decision." in acme("shop", "status").stdout


def test_an_approved_run_goes_on_at_once(acme: Any, held: str, sent: list[Any]) -> None:
    result = acme("sync", "approve", held, "--json")
    run = json.loads(result.stdout)
    assert (result.exit_code, run["run"], run["state"], run["error"]) == (0, held, "pushing", None)
    assert [(wake.task, wake.key) for wake in sent] == [("push", "1")]


def test_a_rejected_run_is_canceled_and_holds_nothing(acme: Any, held: str, sent: list[Any], engine: Engine) -> None:
    result = acme("sync", "reject", held.lower())
    assert (result.exit_code, sent) == (0, [])
    assert result.stdout.endswith(f"Run {held} is canceled.\n")
    with writing(engine) as connection:
        assert ledger.wanted(connection, 1, ["sku-1"]) == {}
        events = connection.execute(select(tables.audit_log.c.event, tables.audit_log.c.actor)).all()
    assert events[-1] == ("run.rejected", actor())


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_a_run_is_decided_about_once(acme: Any, held: str, word: str) -> None:
    acme("sync", "reject", held)
    result = acme("sync", word, held, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"].startswith(
        f"Run {held} is not held, so there is nothing to decide: it was canceled."
    )
