"""Habits of this project that neither ruff nor import-linter can check."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.project.checkout import ROOT, sources

LAYOUT = re.compile(
    r"pyproject\.toml|docker-compose\.yml|Dockerfile|worker|schedules|tests|docs|benchmarks|README\.md|LICENSE"
    r"|CHANGELOG\.md|requirements.*\.txt|\..*"
)
DRAWERS = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
MOST_LINES = 400
# Celery's canvas: its state lives in messages, and a lost message loses the rest of the work.
CANVAS = {"chain", "chord", "chunks", "group", "starmap", "xmap"}

every_source = pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every ``from module import name`` as (module, name); ``import module`` as (module, "")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def _tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("This is no git checkout, so nothing says which files belong to it.")
    return listing.stdout.split("\0")[:-1]


def test_the_top_level_holds_only_the_fixed_layout() -> None:
    top = {Path(name).parts[0] for name in _tracked()}

    assert sorted(name for name in top if not LAYOUT.fullmatch(name)) == []


def test_no_file_or_folder_is_a_drawer_without_a_name() -> None:
    assert [str(path) for path in sources() if DRAWERS & {*path.parent.parts[len(ROOT.parts) :], path.stem}] == []


@every_source
def test_a_file_is_one_idea_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@every_source
def test_nothing_sleeps(path: Path) -> None:
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}

    # A wait is a row with a time; a daemon's own loop waits on an event, which a signal can end.
    assert {"time.sleep", "asyncio.sleep"} & calls == set()
    assert ("time", "sleep") not in set(_imported(tree))


@every_source
def test_no_canvas_is_used(path: Path) -> None:
    imported = {name for module, name in _imported(ast.parse(path.read_text())) if module.split(".")[0] == "celery"}

    assert imported & CANVAS == set()


def test_no_test_replaces_the_worker_by_a_function_call() -> None:
    eager = "task_always_" + "eager"

    texts = [*sources(), *(ROOT / "tests").rglob("*.py")]

    assert [str(path) for path in texts if eager in path.read_text()] == []


@pytest.mark.invariant("I14")
def test_tasks_take_nothing_but_ids() -> None:
    from worker.app import app

    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if name.startswith("worker.")}
    arguments = {
        (parameter.name, str(getattr(parameter.annotation, "__name__", parameter.annotation)))
        for task in ours.values()
        for parameter in inspect.signature(task.run).parameters.values()
    }

    assert {"worker.sync.pull", "worker.sync.push", "worker.sync.settle", "worker.sync.dispatch"} <= set(ours)
    assert arguments <= {("run_id", "str"), ("shop_id", "int"), ("slug", "str")}


def test_no_text_names_the_machine_it_was_written_on() -> None:
    # Split, so that this line is not what it looks for.
    places = re.compile("/wo" + "rk/|/fa" + r"rm/|\.lib" + "rary")

    found = [
        name
        for name in _tracked()
        if (path := ROOT / name).is_file() and places.search(path.read_text(errors="replace"))
    ]

    assert found == []
