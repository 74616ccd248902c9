"""What ``sync`` makes of its arguments; the work itself is replaced."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from click.testing import CliRunner, Result

from worker.cli import sync as module
from worker.cli.following import Followed, describe

RUN: dict[str, Any] = {"run": "01J", "shop": "acme", "job": "full", "started_at": None, "finished_at": None}


class Obj:
    app = object()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        module, "_run", lambda app, slug, job, wait_s, *, as_json: calls.append((slug, job, wait_s, as_json))
    )
    monkeypatch.setattr(
        module, "_dry_run", lambda slug, job, mapping, *, as_json: calls.append((slug, job, mapping or "dry", as_json))
    )
    return calls


def invoke(*args: str) -> Result:
    return CliRunner().invoke(module.sync, list(args), obj=Obj())


@pytest.mark.parametrize(
    ("args", "call"),
    [
        (["full", "acme"], ("acme", "full", None, False)),
        (["delta", "acme", "--json"], ("acme", "delta", None, True)),
        (["volatile", "acme", "--wait"], ("acme", "volatile", math.inf, False)),
        (["full", "--wait", "acme"], ("acme", "full", math.inf, False)),
        (["full", "--wait", "--json", "acme"], ("acme", "full", math.inf, True)),
        (["full", "acme", "--wait", "60"], ("acme", "full", 60.0, False)),
        (["full", "--wait", "0.5", "acme"], ("acme", "full", 0.5, False)),
        (["full", "--wait=60", "acme"], ("acme", "full", 60.0, False)),
        (["full", "acme", "--dry-run"], ("acme", "full", "dry", False)),
        (["full", "acme", "--dry-run", "--mapping", "a.toml"], ("acme", "full", "a.toml", False)),
    ],
)
def test_wait_takes_seconds_or_nothing(asked: list[tuple[Any, ...]], args: list[str], call: tuple[Any, ...]) -> None:
    assert invoke(*args).exit_code == 0
    assert asked == [call]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["weekly", "acme"],
        ["full"],
        ["full", "acme", "other"],
        ["full", "acme", "--wait=soon"],
        ["full", "acme", "--wait", "-1"],
        ["full", "acme", "--wait", "--dry-run"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_asks_for_nothing(asked: list[tuple[Any, ...]], args: list[str]) -> None:
    result = invoke(*args)
    assert (result.exit_code, result.stdout, asked) == (2, "", [])


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["full", "--json"], "Missing argument 'SLUG'."),
        (["full", "--json", "acme", "other"], "Got unexpected extra argument (other)"),
        (["full", "acme", "--json", "--soon"], "No such option"),
        (
            ["full", "acme", "--wait", "--dry-run", "--json"],
            "--dry-run does all its work at once, so it takes no --wait.",
        ),
        (["weekly", "acme", "--json"], "No such command 'weekly'."),
        (["--json", "full", "acme"], "No such option"),
    ],
)
def test_wrong_usage_with_json_is_one_document_and_the_usual_text(
    asked: list[tuple[Any, ...]], args: list[str], sentence: str
) -> None:
    result = invoke(*args)
    assert (result.exit_code, asked) == (2, [])
    (error,) = json.loads(result.stdout).values()
    assert error.startswith(sentence.rstrip("."))
    assert result.stderr.startswith("Usage: ")
    assert result.stderr.endswith(f"Error: {error}\n")


@pytest.mark.parametrize(
    ("state", "code"), [("succeeded", 0), ("failed", 1), ("canceled", 1), ("superseded", 1), ("held", 3)]
)
def test_a_settled_run_decides_the_exit_code(state: str, code: int) -> None:
    assert module._exit_code(Followed(RUN | {"state": state}, "settled")) == code


def test_waiting_in_vain_decides_the_exit_code() -> None:
    run = RUN | {"state": "pushing"}
    assert module._exit_code(Followed(run, "timeout")) == 4
    assert module._exit_code(Followed(run, "no worker")) == 1


@pytest.mark.parametrize(
    ("run", "described"),
    [
        ({"state": "queued"}, ("queued", None)),
        ({"state": "pulling", "pulled": 1200}, ("pulling: 1,200 items read", None)),
        (
            {"state": "pushing", "accepted": 2, "rejected": 1, "pending": 9, "calls": 1},
            ("pushing: 3 of 12 items settled, 1 calls", 0.25),
        ),
        ({"state": "pushing", "accepted": 0, "rejected": 0, "pending": 0, "calls": 0}, ("pushing", None)),
    ],
)
def test_progress_is_told_in_words_and_as_a_share(run: dict[str, Any], described: tuple[str, float | None]) -> None:
    counts = {"pulled": 0, "accepted": 0, "rejected": 0, "pending": 0, "calls": 0}
    assert describe(RUN | counts | run) == described
