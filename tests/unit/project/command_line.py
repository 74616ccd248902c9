"""What `celery -A worker` understands: Celery's own commands, those of installed plugins, and this project's."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click
from celery.bin.celery import celery as stock

from tests.unit.project.checkout import ROOT

_GROUP = "celery.commands"


def complaint(arguments: Sequence[str]) -> str | None:
    """Why `celery -A worker` would refuse these arguments; None if it would take them. Runs nothing."""
    words = list(arguments)
    command: click.Command = click.Group(commands=_commands())
    while isinstance(command, click.Group):
        name = words.pop(0) if words else ""
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    known = _flower_options() if command.name == "flower" else _options(command)
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"{command.name} has no option {unknown[0]}" if unknown else None


def _commands() -> dict[str, click.Command]:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("entry-points", {}).get(_GROUP, {})
    points = [
        *entry_points(group=_GROUP),
        # Read from the file too: an installed project may be older than the checkout.
        *(EntryPoint(name, target, _GROUP) for name, target in ours.items()),
    ]
    return {**stock.commands, **{point.name: point.load() for point in points}}


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def _flower_options() -> set[str]:
    # Flower declares its options with tornado instead of click, in either spelling.
    import flower.options  # noqa: F401  # importing it is what declares them
    from tornado.options import options

    return {f"--{spelled}" for name in options for spelled in (name, name.replace("_", "-"))}
