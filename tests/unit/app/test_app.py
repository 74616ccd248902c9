"""The Celery app: what is configured, and that importing it starts nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def configuration(tmp_path, monkeypatch):
    from worker import app
    from worker.settings import Settings

    monkeypatch.chdir(tmp_path)
    return app.configuration(Settings(_env_file=None, redis_url="redis://broker.example/0"))


def _python(code, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_the_app_starts_and_writes_nothing(tmp_path):
    done = _python("import worker; print(worker.celery.main)", tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "worker\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_ends_a_command_with_one_sentence(tmp_path):
    code = "import sys; sys.argv = ['celery', '-A', 'worker', 'report']; from celery.__main__ import main; main()"
    done = _python(code, tmp_path, META_DRAIN_S="soon")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "META_DRAIN_S is wrong: input should be a valid number, unable to parse string as a number.\n"
    )


def test_a_wrong_setting_is_a_document_for_a_command_with_json(tmp_path):
    code = (
        "import sys; sys.argv = ['celery', '-A', 'worker', 'runs', '--json']; from celery.__main__ import main; main()"
    )
    done = _python(code, tmp_path, META_DRAIN_S="soon")

    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": done.stderr.rstrip("\n")}
    assert done.stderr.startswith("META_DRAIN_S is wrong: ")


def test_pure_parts_import_neither_celery_nor_the_settings(tmp_path):
    code = "import sys, worker.items, schedules; print({'celery', 'worker.settings', 'sqlalchemy'} & set(sys.modules))"

    assert _python(code, tmp_path).stdout == "set()\n"


def test_only_json_is_accepted_and_results_are_not_kept(configuration):
    assert configuration["accept_content"] == ["json"]
    assert configuration["task_serializer"] == "json"
    assert configuration["result_backend"] is None
    assert configuration["task_ignore_result"] is True


def test_a_task_is_acknowledged_when_it_is_done_and_comes_again_when_its_worker_dies(configuration):
    assert configuration["task_acks_late"] is True
    assert configuration["task_reject_on_worker_lost"] is True
    assert configuration["worker_prefetch_multiplier"] == 1


def test_a_message_comes_again_only_after_its_task_must_have_ended(configuration):
    from worker.sync.context import MAX_DELAY_S, Limits

    redelivered = configuration["broker_transport_options"]["visibility_timeout"]
    assert Limits().slice_s < configuration["task_soft_time_limit"] < configuration["task_time_limit"]
    assert configuration["task_time_limit"] + MAX_DELAY_S < redelivered


def test_every_task_has_a_queue_that_workers_read_by_default(configuration):
    queues = [queue.name for queue in configuration["task_queues"]]
    assert queues == ["control", "volatile", "delta", "full", "push", "settle"]
    assert {route["queue"] for route in configuration["task_routes"].values()} <= set(queues)
    assert {entry["options"]["queue"] for entry in configuration["beat_schedule"].values()} <= set(queues)


def test_beat_sends_only_tasks_that_exist(configuration):
    from worker.app import app

    app.loader.import_default_modules()
    app.finalize()
    assert {entry["task"] for entry in configuration["beat_schedule"].values()} <= set(app.tasks)


def test_beat_remembers_nothing_in_a_file(tmp_path, monkeypatch):
    from worker.app import FixedScheduler, app

    monkeypatch.chdir(tmp_path)
    scheduler = FixedScheduler(app)

    assert sorted(scheduler.schedule) == sorted(app.conf.beat_schedule)
    assert list(tmp_path.iterdir()) == []


def test_the_tasks_have_the_names_that_others_rely_on():
    from worker.app import app

    app.loader.import_default_modules()
    app.finalize()
    assert sorted(name for name in app.tasks if name.startswith("worker.")) == [
        "worker.catalog.audit",
        "worker.catalog.delta_sync",
        "worker.catalog.full_sync",
        "worker.catalog.volatile_push",
        "worker.sync.audit",
        "worker.sync.dispatch",
        "worker.sync.pull",
        "worker.sync.pulse",
        "worker.sync.push",
        "worker.sync.recover",
        "worker.sync.retain",
        "worker.sync.settle",
        "worker.sync.sweep",
    ]
