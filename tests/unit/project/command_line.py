"""What `celery -A worker` understands: Celery's own commands, those of installed plugins, and this project's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

import click
from celery.bin.celery import celery as stock

from tests.unit.project.checkout import ROOT

_GROUP = "celery.commands"


def complaint(arguments: Sequence[str]) -> str | None:
    """Why `celery -A worker` would refuse these arguments; None if it would take them. Runs nothing."""
    name, *words = arguments
    command = _command(name)
    while isinstance(command, click.Group):
        name = words.pop(0) if words else ""
        command = command.commands.get(name)
    if command is None:
        return f"no command {name!r}"
    known = _flower_options() if command.name == "flower" else _options(command)
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"{command.name} has no option {unknown[0]}" if unknown else None


def _command(name: str) -> click.Command | None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][_GROUP]
    # Read from the file and not from the installed project, which may be older than the checkout.
    points = {**{point.name: point for point in entry_points(group=_GROUP)}, **_as_points(ours)}
    return points[name].load() if name in points else stock.commands.get(name)


def _as_points(named: Mapping[str, str]) -> dict[str, EntryPoint]:
    return {name: EntryPoint(name, target, _GROUP) for name, target in named.items()}


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def _flower_options() -> set[str]:
    # Flower declares its options with tornado instead of click, in either spelling.
    import flower.options  # noqa: F401  # importing it is what declares them
    from tornado.options import options

    return {f"--{spelled}" for name in options for spelled in (name, name.replace("_", "-"))}
