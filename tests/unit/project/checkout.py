"""The checkout that the tests of this folder are about."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]


def sources() -> list[Path]:
    """Every Python file that ships."""
    return sorted(path for package in ("worker", "schedules") for path in (ROOT / package).rglob("*.py"))
