from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from worker.cli.output import age, answers_json, moment, show_pairs, show_table
from worker.errors import BadInput


@click.command()
@click.option("--refuse", is_flag=True)
@answers_json
def command(refuse: bool, *, as_json: bool) -> None:
    if refuse:
        raise BadInput("The lid is stuck.", action="Turn it left.")
    click.echo(json.dumps(as_json))


def test_a_refusal_is_one_sentence_on_stderr_and_exit_code_1() -> None:
    result = CliRunner().invoke(command, ["--refuse"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: The lid is stuck. Turn it left.\n"


def test_a_refusal_with_json_is_one_document_and_the_sentence() -> None:
    result = CliRunner().invoke(command, ["--refuse", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"error": "The lid is stuck. Turn it left."}
    assert result.stderr == "Error: The lid is stuck. Turn it left.\n"


def test_json_is_asked_for_by_its_option() -> None:
    assert CliRunner().invoke(command, ["--json"]).stdout == "true\n"
    assert CliRunner().invoke(command, []).stdout == "false\n"


def test_columns_are_aligned_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["shop", "items", "reason"], [["acme", 7, None], ["b", 1200, "late"]])
    assert capsys.readouterr().out == ("shop  items  reason\nacme      7  -\nb      1200  late\n")


def test_pairs_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_pairs([("a", 0), ("long", None), ("x", "")])
    assert capsys.readouterr().out == "a     0\nlong  -\nx     -\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_an_age_has_the_largest_unit_of_which_there_are_two(seconds: int, text: str) -> None:
    assert age(seconds) == text


def test_a_moment_is_shown_to_the_second() -> None:
    shown: list[Any] = [moment("2026-01-05T12:00:01.250Z"), moment(None)]
    assert shown == ["2026-01-05 12:00:01", None]
