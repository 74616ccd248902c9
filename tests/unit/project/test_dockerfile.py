"""The Dockerfile is checked without an engine: that what it names exists, and that it promises what it should."""

from __future__ import annotations

import json
import re
import shlex

from tests.unit.project.checkout import ROOT
from tests.unit.project.command_line import complaint
from worker.settings import Settings

TEXT = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
INSTRUCTIONS = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in TEXT.splitlines()) if word]


def _all(word: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == word]


def test_every_base_image_is_pinned_to_a_tag_of_its_own() -> None:
    images = [rest.split()[0] for rest in _all("FROM")]

    assert len(images) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", image) for image in images)


def test_what_it_copies_exists_and_is_let_into_the_build_context() -> None:
    admitted = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = {source for rest in _all("COPY") if "--from" not in rest for source in rest.split()[:-1]}

    assert copied == set(admitted)
    assert all((ROOT / source).exists() for source in copied)


def test_it_installs_the_locked_versions_by_hash_and_keeps_no_cache() -> None:
    installs = [command for command in _all("RUN") if "pip install" in command]

    assert all("--no-cache" in command for command in installs)
    assert any("--require-hashes" in command and "-r requirements.txt" in command for command in installs)
    assert all("--require-hashes" in command or "--no-deps" in command for command in installs)


def test_it_runs_as_a_user_that_is_not_root() -> None:
    (user,) = _all("USER")

    assert user == "10001:10001"
    assert any("useradd --uid 10001" in command for command in _all("RUN"))


def test_signals_reach_celery_and_a_process_reaps() -> None:
    (entry,) = map(json.loads, _all("ENTRYPOINT"))

    assert entry == ["tini", "--", "celery", "-A", "worker"]
    assert any("install --yes --no-install-recommends tini" in command for command in _all("RUN"))


def test_its_commands_are_ones_that_the_project_has() -> None:
    (command,) = map(json.loads, _all("CMD"))
    (health,) = _all("HEALTHCHECK")
    question = shlex.split(health.partition("CMD ")[2].partition(" >")[0])

    assert complaint(command) is None
    assert question[:3] == ["celery", "-A", "worker"]
    assert complaint(question[3:]) is None


def test_the_variables_it_sets_are_settings_or_python_s_own() -> None:
    names = {pair.partition("=")[0] for rest in _all("ENV") for pair in shlex.split(rest)}
    others = {name for name in names if not name.startswith(("PYTHON", "PIP_")) and name != "PATH"}

    assert others - {name.upper() for name in Settings.model_fields} == set()
