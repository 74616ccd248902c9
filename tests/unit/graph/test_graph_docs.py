from __future__ import annotations

from pathlib import Path

from worker.graph.errors import TABLE, Row

PAGE = Path(__file__).parents[3] / "docs" / "meta-api.md"


def line(row: Row) -> str:
    code = str(row.first) if row.first == row.last else f"{row.first}–{row.last}"
    subcodes = ", ".join(str(subcode) for subcode in sorted(row.subcodes))
    cells = [code, subcodes, row.marker, f"`{row.kind.__name__}`", row.scope, row.owner]
    return "| " + " | ".join(cells) + " |"


def test_the_page_about_metas_errors_is_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    _, _, rest = text.partition("| code | subcode | message has | becomes | stops or waits | who acts |\n")
    table = rest.split("\n\n", 1)[0].splitlines()[1:]
    assert table == [line(row) for row in TABLE]
