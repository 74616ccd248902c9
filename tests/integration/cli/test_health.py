from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from worker.cli import health
from worker.database.engine import database_now, make_engine, writing
from worker.database.tables import schedule
from worker.settings import read_settings


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What the broker holds; it answers."""
    held: dict[str, int] = {}
    monkeypatch.setattr(health, "_queue_lengths", lambda _: held)
    return held


def problems(result: Any) -> list[str]:
    document = json.loads(result.stdout)
    assert result.exit_code == (0 if document["well"] else 1)
    return [problem["code"] for problem in document["problems"]]


def test_a_new_shop_is_well(acme: Any, queues: dict[str, int]) -> None:
    assert problems(acme("health", "--json")) == []
    assert acme("health").stdout == "Nothing stands still.\n"


def test_what_stands_still_is_one_sentence_each_in_health_and_status_and_the_exit_code_says_so(
    acme: Any, queues: dict[str, int]
) -> None:
    engine = make_engine(read_settings().database_url)
    with writing(engine) as connection:
        late = database_now(connection) - timedelta(minutes=5)
        connection.execute(schedule.update().values(next_run_at=late))
    engine.dispose()
    assert problems(acme("health", "--json")) == ["beat.silent"]
    sentence = json.loads(acme("shop", "status", "--json").stdout)[0]["problems"][0]
    assert sentence.startswith("Nothing has been dispatched since ")
    assert acme("health").stdout == f"{sentence} (operator)\n"
    assert f"installation: {sentence}\n" in acme("shop", "status").stdout


def test_a_stop_of_all_sending_is_said_and_is_no_problem(acme: Any, queues: dict[str, int]) -> None:
    assert acme("sending", "stop", "--reason", "Wrong prices.").exit_code == 0
    document = json.loads(acme("health", "--json").stdout)
    reason = document["stopped"]["reason"]
    assert (document["well"], reason.endswith(": Wrong prices.")) == (True, True)
    assert acme("health").stdout.startswith(f"{reason} (since ")


def test_a_queue_that_grows_is_told(acme: Any, queues: dict[str, int]) -> None:
    queues |= {"push": 1_005, "settle": 1_004}
    document = json.loads(acme("health", "--json").stdout)
    assert [problem["problem"] for problem in document["problems"]] == [
        "The queue push holds 1,005 messages: give it more workers."
    ]
    assert document["queues"] == queues


def test_a_broker_that_is_away_is_told_within_seconds_and_only_where_there_is_work_for_it(
    cli: Any, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_queue_lengths", lambda _: None)
    assert problems(acme("health", "--json")) == ["broker.silent"]
    assert acme("health").stdout == "The broker does not answer: start it, or check REDIS_URL. (operator)\n"
    acme("shop", "pause", "acme")
    assert problems(acme("health", "--json")) == []


def test_without_an_embedded_broker_it_is_said_what_starts_one(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    read_settings.cache_clear()
    assert acme("health").stdout == (
        "The embedded broker does not run here: start everything with 'celery -A worker up', or a worker. (operator)\n"
    )


def test_a_full_disk_is_told(acme: Any, queues: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_LEAST_FREE_BYTES", 1 << 60)
    assert problems(acme("health", "--json")) == ["disk.full"]


def test_without_a_database_it_says_so_and_makes_none(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.settings import Settings

    path = tmp_path / "nowhere" / "shelfbeat.db"
    report = health.examine(Settings(database_url=f"sqlite:///{path}"))
    assert [problem["code"] for problem in report["problems"]] == ["database.missing"]
    assert not path.parent.exists()


def test_an_empty_database_is_told_and_stays_empty(tmp_path: Path) -> None:
    from worker.settings import Settings

    path = tmp_path / "empty.db"
    path.touch()
    report = health.examine(Settings(database_url=f"sqlite:///{path}"))
    assert [problem["code"] for problem in report["problems"]] == ["database.unusable"]
    assert "has no tables yet" in report["problems"][0]["problem"]
