"""A document as TOML, for people to read, edit and give back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(document: Mapping[str, Any]) -> str:
    """The text of which ``tomllib`` reads this document again. Tables of text, whole numbers, lists and tables."""
    blocks = []
    for name, table in document.items():
        for entry in table if isinstance(table, list) else [table]:
            header = f"[[{_key(name)}]]" if isinstance(table, list) else f"[{_key(name)}]"
            blocks.append("\n".join([header, *(f"{_key(key)} = {_value(value)}" for key, value in entry.items())]))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_value(part) for part in value)}]"
    # JSON's text is TOML's, but for one control character that JSON allows.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
