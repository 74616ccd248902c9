"""A store's columns -> Meta's field names. What is no catalog field is left out without a word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from worker.items.fields import FIELDS, SALE_END, SALE_START, canonical

_CANONICAL = frozenset((*FIELDS, SALE_START, SALE_END))

# Meta's feed spelling of nested values: ``image[0].url``, ``image[0].tag[1]``, ``applink.ios_url``.
_NESTED = re.compile(r"([a-z_]+)(?:\[(\d{1,3})\])?(?:\.([a-z0-9_]+)(?:\[(\d{1,3})\])?)?", re.ASCII)


def gather(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The known, non-empty values under their canonical names; a canonical name beats its aliases."""
    found: dict[str, Any] = {}
    other: dict[str, Any] | None = None
    known_names = _CANONICAL
    for name, value in fields.items():
        if value is None or value == "":
            continue
        if name in known_names:
            found[name] = value
        elif isinstance(name, str):
            other = other or {}
            other[name] = value
    if other is not None:
        nested: dict[str, dict[str, Any]] = {}
        for name, value in other.items():
            known = canonical(name)
            if known is not None:
                found.setdefault(known, value)
            elif "." in name or "[" in name:
                _nest(nested, name, value)
        for name, parts in nested.items():
            found.setdefault(name, _assembled(parts))
    return found


def _nest(nested: dict[str, dict[str, Any]], name: str, value: Any) -> None:
    match = _NESTED.fullmatch(name.strip().lower().removeprefix("g:"))
    known = canonical(match[1]) if match else None
    if match is None or known is None:
        return
    _, index, key, position = match.groups()
    entry = nested.setdefault(known, {}).setdefault(index or "", {})
    if position is None:
        entry[key or ""] = value
    else:
        entry.setdefault(key, []).append(value)


def _assembled(parts: dict[str, Any]) -> Any:
    if "" in parts:
        return parts[""]
    entries = [parts[index] for index in sorted(parts, key=int)]
    return [entry.get("", entry) for entry in entries]
