"""Secrets that a person or a script hands to a command: never as an argument, where every process could read them."""

from __future__ import annotations

import os
import sys

import click

from worker.errors import BadInput


def read_secret(what: str, variable: str | None) -> str:
    """From the named environment variable; without a name from a hidden prompt, or, when standard input is no
    terminal, from its next line.

    Raises:
        BadInput: The variable is not set, or nothing was given.
    """
    if variable is not None:
        secret = os.environ.get(variable, "").strip()
        if not secret:
            raise BadInput(f"The environment variable {variable} is not set, and it should hold the {what}.")
        return secret
    if sys.stdin.isatty():
        secret = str(click.prompt(what[:1].upper() + what[1:], hide_input=True, err=True)).strip()
    else:
        secret = sys.stdin.readline().strip()
    if not secret:
        raise BadInput(f"No {what} was given.", action="Type it, or name an environment variable that holds it.")
    return secret
