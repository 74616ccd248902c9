"""Lists and objects: JSON values, JSON text or a feed's own spelling in, what Meta takes of them out.

As in ``values``, each function returns None where nothing is left to send, and never raises.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from worker.items.fields import Field
from worker.items.findings import Finding
from worker.items.values import Findings, chosen, is_url, left_out, text_of

_Entry = TypeVar("_Entry", str, dict[str, Any])

LABEL_CHARS = 110
_DEPTH = 6
_BETWEEN_URLS = re.compile(r"[\s,;|]+(?=https?://)", re.IGNORECASE)
_COMMA = re.compile(",")


def addresses(value: Any) -> list[Any]:
    """The entries of a field of pictures, in whatever form a store gives them: addresses, or objects with one."""
    return _entries(value, _BETWEEN_URLS)


def urls(field: Field, value: Any, findings: Findings) -> list[str] | None:
    entries = _entries(value, _BETWEEN_URLS)
    good = [text for entry in entries if (text := address(entry))]
    return _shorten(field, good, len(entries), findings)


def address(entry: Any) -> str | None:
    """The whole address of such an entry; None if it has none."""
    if isinstance(entry, Mapping):
        entry = entry.get("url")
    text = entry.strip() if isinstance(entry, str) else ""
    return text if is_url(text) else None


def media(field: Field, value: Any, findings: Findings) -> list[dict[str, Any]] | None:
    """``[{"url": …, "tag": […]}]`` from such a list, one such object, or addresses alone."""
    entries = _entries(value, _BETWEEN_URLS)
    good: list[dict[str, Any]] = []
    for entry in entries:
        found = address(entry)
        if found is None:
            continue
        tags = entry.get("tag") if isinstance(entry, Mapping) else None
        tags = [tags] if isinstance(tags, str) else tags if isinstance(tags, (list, tuple)) else []
        tags = [tag for tag in tags if isinstance(tag, str) and tag]
        good.append({"url": found, "tag": tags} if tags else {"url": found})
    return _shorten(field, good, len(entries), findings)


def _shorten(field: Field, good: list[_Entry], given: int, findings: Findings) -> list[_Entry] | None:
    if len(good) < given:
        message = f"{given - len(good)} of {given} entries of {field.name} are not complete http or https addresses."
        action = "Give whole addresses, starting with https://."
        findings.append(Finding(f"{field.name}.invalid", "warning", message, action))
    return _fewer(field, good, findings)


def _fewer(field: Field, good: list[_Entry], findings: Findings) -> list[_Entry] | None:
    if field.limit is not None and len(good) > field.limit:
        message = f"{field.name} has {len(good)} entries and Meta takes {field.limit}, so the last ones are left out."
        findings.append(Finding(f"{field.name}.too_many", "warning", message, f"Give at most {field.limit} entries."))
        del good[field.limit :]
    return good or None


def labels(field: Field, value: Any, findings: Findings) -> list[str] | None:
    words: list[str] = []
    refused: list[Any] = []
    for entry in _entries(value, _COMMA):
        word = (text_of(entry) or "").strip() if not isinstance(entry, (list, tuple)) else ""
        if field.choices:
            word = chosen(field, word) or ""
        if not word or len(word) > LABEL_CHARS:
            if entry is not None and entry != "":
                refused.append(entry)
        else:
            words.append(word)
    if refused:
        action = "Use the names that Meta lists." if field.choices else f"Use at most {LABEL_CHARS} characters."
        findings.append(left_out(field, refused[0], "is not an entry that Meta takes", action))
    return _fewer(field, words, findings)


def _entries(value: Any, between: re.Pattern[str]) -> list[Any]:
    """The entries of a list, of JSON text, of Meta's ``['a','b']`` feed spelling, or of text with separators."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in ("[", "{"):
            decoded = _decoded(text)
            if decoded is not None:
                return _entries(decoded, between)
        edges = " \t\r\n,;|" if between is _BETWEEN_URLS else None
        return [part for part in (part.strip(edges) for part in between.split(text)) if part]
    if isinstance(value, (list, tuple)):
        return [entry for entry in value if entry is not None and entry != ""]
    return [value]


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    # Meta documents labels in feeds as "['a','b']", which is no JSON. Literals only, and short: nothing is evaluated.
    if len(text) > 20_000 or text.count("[") + text.count("{") + text.count("(") > 50:
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return found if isinstance(found, (list, dict)) else None


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """A JSON value without nulls and with sorted keys; None where nothing is left."""
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float, Decimal)):
        if isinstance(value, int) and -(2**53) <= value <= 2**53:
            return value
        text = text_of(value)
        return None if text is None else float(text) if isinstance(value, float) else text
    if depth and isinstance(value, Mapping):
        keyed = ((key, plain(part, depth - 1)) for key, part in value.items() if isinstance(key, str))
        return dict(sorted((key, part) for key, part in keyed if part is not None))
    if depth and isinstance(value, (list, tuple)):
        return [found for part in value if (found := plain(part, depth - 1)) is not None]
    return None


def json_object(field: Field, value: Any, findings: Findings) -> dict[str, Any] | None:
    found = _decoded(value.strip()) if isinstance(value, str) and value.strip() else value
    if isinstance(found, Mapping):
        return plain(found) or None
    if not isinstance(value, str) or value.strip():
        findings.append(left_out(field, value, "is not a JSON object", f"Give {field.name} as a JSON object."))
    return None


def shipping(field: Field, value: Any, findings: Findings) -> Any:
    """The text form as it is, or a list of objects."""
    found: Any = value.strip() if isinstance(value, str) else value
    if isinstance(found, str) and found[:1] in ("[", "{"):
        found = _decoded(found)
    if isinstance(found, Mapping):
        found = [found]
    if isinstance(found, (list, tuple)):
        found = [kept for part in found if isinstance(part, Mapping) and (kept := plain(part))]
    if found is None or not isinstance(found, (str, list)):
        findings.append(left_out(field, value, "is neither text nor a list", 'Write it like "US:CA:Ground:9.99 USD".'))
        return None
    return found or None


def variant(field: Field, value: Any, findings: Findings) -> Any:
    """``"Scent:Fruity,Flavor:Apple"`` as it is; a mapping label -> value becomes the list form."""
    found: Any = value.strip() if isinstance(value, str) else value
    if isinstance(found, str) and found[:1] in ("[", "{"):
        found = _decoded(found)
    pairs: list[tuple[Any, Any]] = []
    if isinstance(found, Mapping) and "variant_label" not in found:
        pairs = list(found.items())
    elif isinstance(found, (list, tuple, Mapping)):
        entries = [found] if isinstance(found, Mapping) else found
        for entry in entries:
            if isinstance(entry, Mapping):
                pairs.append((entry.get("variant_label"), entry.get("variant_value")))
            else:
                label, _, of = (text_of(entry) or "").partition(":")
                pairs.append((label, of))
    elif isinstance(found, str):
        return found or None
    else:
        pairs = [(None, None)]
    texts = [((text_of(label) or "").strip(), (text_of(of) or "").strip()) for label, of in pairs]
    good = [{"variant_label": label, "variant_value": of} for label, of in texts if label and of]
    if len(good) < len(texts):
        action = 'Write it like "Scent:Fruity,Flavor:Apple".'
        findings.append(left_out(field, value, "has a label without a value", action))
    return good or None
