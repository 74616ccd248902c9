"""docker-compose.yml is checked without an engine: against the published schema, and against the project itself."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.unit.project.checkout import ROOT
from tests.unit.project.command_line import complaint
from worker.settings import Settings

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "shelfbeat"}
VARIABLES = {name.upper() for name in Settings.model_fields}

every_service = pytest.mark.parametrize("name", SERVICES)
every_service_of_ours = pytest.mark.parametrize("name", OURS)


def _consumed(service: dict[str, Any]) -> list[str]:
    command = service["command"]
    return command[command.index("--queues") + 1].split(",") if "--queues" in command else []


def test_it_conforms_to_the_compose_specification() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())

    errors = jsonschema.Draft7Validator(schema).iter_errors(COMPOSE)

    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@every_service_of_ours
def test_its_command_is_one_that_the_project_has(name: str) -> None:
    assert complaint(OURS[name]["command"]) is None


@every_service_of_ours
def test_its_variables_are_settings(name: str) -> None:
    assert set(OURS[name]["environment"]) - VARIABLES == set()


def test_what_the_operator_must_provide_is_asked_for_by_a_sentence() -> None:
    asked = dict(re.findall(r"\$\{(\w+):\?([^}]+)\}", TEXT))

    assert set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) == set(asked)
    assert set(asked) == {"POSTGRES_PASSWORD", "TOKEN_KEYS", "FLOWER_BASIC_AUTH"}
    assert all(sentence.startswith("Set ") and sentence.endswith(".") for sentence in asked.values())


def test_every_queue_has_a_worker_group_and_no_group_waits_for_a_queue_that_is_not() -> None:
    from worker.app import app

    consumed = [queue for service in OURS.values() for queue in _consumed(service)]

    assert sorted(consumed) == sorted(queue.name for queue in app.conf.task_queues)


def test_daemons_start_after_the_schema_is_upgraded() -> None:
    assert SERVICES["migrate"]["command"] == ["db", "upgrade"]
    waiting = {
        name
        for name, service in OURS.items()
        if service["depends_on"].get("migrate") == {"condition": "service_completed_successfully"}
    }
    assert waiting == set(OURS) - {"migrate", "sandbox"}


def test_two_beats_run_and_share_one_description() -> None:
    beats = [service for service in OURS.values() if service["command"][0] == "beat"]

    assert len(beats) == 2
    assert beats[0] == beats[1]


def test_the_broker_writes_ahead_and_never_evicts() -> None:
    command = SERVICES["redis"]["command"]

    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


@every_service
def test_it_can_do_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("user") != "root"
    assert service["logging"]["options"]["max-size"]


@every_service
def test_only_what_has_a_password_is_reachable_from_this_machine_and_nothing_from_outside(name: str) -> None:
    ports = SERVICES[name].get("ports", [])

    assert ports == (["127.0.0.1:5555:5555"] if name == "flower" else [])


@every_service
def test_its_health_is_asked_for_unless_it_ends_by_itself(name: str) -> None:
    health = SERVICES[name]["healthcheck"]

    assert health.get("disable", False) is (name == "migrate")
    assert name == "migrate" or health["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize(
    "name", [name for name, service in OURS.items() if service["command"][0] in ("worker", "beat")]
)
def test_a_daemon_is_asked_under_the_name_it_answers_to(name: str) -> None:
    command = OURS[name]["command"]
    node = command[command.index("--hostname") + 1].partition("@")[0] if "--hostname" in command else "celerybeat"

    question = shlex.split(OURS[name]["healthcheck"]["test"][1].replace("$$(hostname)", "HOST"))

    assert question[:3] == ["celery", "-A", "worker"]
    assert complaint(question[3:]) is None
    assert question[question.index("--destination") + 1] == f"{node}@HOST"


def test_all_volumes_and_networks_are_declared() -> None:
    volumes = {mount.partition(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    networks = {network for service in SERVICES.values() for network in service["networks"]}

    assert volumes == set(COMPOSE["volumes"])
    assert networks == set(COMPOSE["networks"])
