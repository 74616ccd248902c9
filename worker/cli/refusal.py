"""How a command says no: one sentence on stderr, exit code 1, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from worker.errors import ShelfbeatError

R = TypeVar("R")


def one_sentence(command: Callable[..., R]) -> Callable[..., R]:
    """Turn what we raise on purpose into click's way of failing. Anything else is a bug and shows its traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> R:
        try:
            return command(*args, **kwargs)
        except ShelfbeatError as error:
            raise click.ClickException(str(error)) from None

    return wrapped
