"""What data commands have in common: the database they read, tables for people, JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from worker.cli.refusal import one_sentence
from worker.errors import ShelfbeatError, Transient

if TYPE_CHECKING:
    from sqlalchemy import Engine

R = TypeVar("R")

EXIT_HELD = 3
EXIT_TIMEOUT = 4


@contextmanager
def _usage_in_json(args: Sequence[str]) -> Iterator[None]:
    """Of wrong usage with ``--json`` among the arguments, print the sentence as the document; click does the rest."""
    # Parsing uses the list up.
    asked = "--json" in args
    try:
        yield
    except click.UsageError as error:
        if asked:
            show_json({"error": error.format_message()})
        raise


class AnsweringCommand(click.Command):
    """A command with ``--json`` whose wrong usage is one document on stdout too."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _usage_in_json(args):
            return super().make_context(info_name, args, parent, **extra)


class AnsweringGroup(AnsweringCommand, click.Group):
    """A group of which commands have ``--json``. A command that it does not have is wrong usage like any other."""

    command_class = AnsweringCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with _usage_in_json(args):
            return super().resolve_command(ctx, args)


def answers_json(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command ``--json``: one document on stdout whatever happens, ``{"error": …}`` for a refusal.

    For wrong usage that click finds before it calls the command, this needs an ``AnsweringCommand``.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
    @wraps(command)
    @one_sentence
    def answering(*args: Any, as_json: bool, **kwargs: Any) -> R:
        try:
            return command(*args, as_json=as_json, **kwargs)
        except ShelfbeatError as error:
            if as_json:
                show_json({"error": str(error)})
            raise
        except click.UsageError as error:
            if as_json:
                show_json({"error": error.format_message()})
            raise

    return answering


@contextmanager
def database() -> Iterator[Engine]:
    """The snapshot database of the settings, with the schema of this version.

    An embedded SQLite database is made or upgraded. Raises ``BadInput`` or ``Transient`` with one sentence.
    """
    from sqlalchemy.exc import DBAPIError

    from worker.database.engine import make_engine
    from worker.database.schema import ensure
    from worker.settings import read_settings

    engine = make_engine(read_settings().database_url)
    try:
        ensure(engine)
        yield engine
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise Transient(f"The database does not answer: {reason}.", action="Check DATABASE_URL.") from error
    finally:
        engine.dispose()


def show_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show_table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Aligned columns; a column of numbers alone is aligned to the right. None is shown as a dash."""
    texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    columns = list(zip(headers, *texts, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(isinstance(row[number], int | None) for row in rows) for number in range(len(headers))]
    for line in (list(headers), *texts):
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def show_pairs(pairs: Sequence[tuple[str, Any]]) -> None:
    """One name and its value per line."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {'-' if value in (None, '') else value}")


def moment(iso: str | None) -> str | None:
    """An instant of a report for people: to the second, still UTC."""
    return None if iso is None else iso[:19].replace("T", " ")


def age(seconds: int) -> str:
    """In the largest unit of which there are two."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
