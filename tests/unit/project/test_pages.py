"""What the pages point at exists, and the commands that they show are ones that the project has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.unit.project.checkout import ROOT
from tests.unit.project.command_line import complaint

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DEMO = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[local]' && .venv/bin/celery -A worker demo"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _shown(page: Path) -> list[list[str]]:
    """Every ``celery -A worker …`` of a page's shell blocks, as the arguments behind it."""
    text = page.read_text().replace("\\\n", " ")
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    commands = [line.partition("celery -A worker ")[2] for line in lines if "celery -A worker " in line]
    return [shlex.split(command, comments=True) for command in commands]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@every_page
def test_its_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text())

    for path, anchor in links:
        target = (page.parent / path) if path else page
        assert target.exists(), path
        assert not anchor or anchor in _anchors(target), anchor


@every_page
def test_its_commands_are_ones_that_the_project_has(page: Path) -> None:
    assert [(shown, complaint(shown)) for shown in _shown(page) if complaint(shown)] == []


@every_page
def test_the_modules_it_names_exist(page: Path) -> None:
    named = re.findall(
        r"`(?:worker/)?((?:sync|stores|graph|database|items|tasks|cli)/[\w/]*(?:\.py)?)`", page.read_text()
    )

    assert [name for name in named if not (ROOT / "worker" / name).exists()] == []


def test_the_readme_s_first_screen_has_the_two_commands() -> None:
    blocks = re.findall(r"^```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)

    assert blocks[:2] == [DEMO, "CI_VENV=.venv .ci/run"]
