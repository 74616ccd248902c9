"""One setting, three places: the field, the example file and the page. What is missing in one is not found."""

from __future__ import annotations

import re

from tests.unit.project.checkout import ROOT
from worker.settings import Settings

FIELDS = [name.upper() for name in Settings.model_fields]


def test_env_example_lists_exactly_the_settings_in_their_order() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert [match[1] for line in lines if (match := re.match(r"#?([A-Z][A-Z0-9_]*)=", line))] == FIELDS


def test_env_example_says_a_sentence_about_each_setting() -> None:
    paragraphs = (ROOT / ".env.example").read_text().split("\n\n")[1:]

    for name, paragraph in zip(FIELDS, paragraphs, strict=True):
        comment = [line for line in paragraph.splitlines() if line.startswith("# ")]
        assert comment, name
        assert f"#{name}=" in paragraph


def test_env_example_sets_nothing_when_copied_as_it_is() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_settings_page_has_one_row_per_setting() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()

    assert re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|", page, re.MULTILINE) == FIELDS
