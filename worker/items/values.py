"""One function per kind of content field: a store's value in, Meta's value out, a finding for what had to go.

Each returns None where nothing is left to send, and never raises, whatever the store gives.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from worker.items.fields import Field, Kind
from worker.items.findings import Finding, shown
from worker.items.text import cut, lowered, plain_line, plain_paragraphs

Findings = list[Finding]
_Entry = TypeVar("_Entry", str, dict[str, Any])

LABEL_CHARS = 110
_DEPTH = 6
_URL = re.compile(r"https?://[^\s/?#\x00-\x20\x7f]+[^\s\x00-\x20\x7f]*", re.IGNORECASE)
_BETWEEN_URLS = re.compile(r"[\s,;|]+(?=https?://)", re.IGNORECASE)
_DATE = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))(?:[T ].*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){1,5}", re.ASCII)
_GTIN = re.compile(r"\d{8,14}", re.ASCII)


def left_out(field: Field, value: Any, reason: str, action: str, code: str = "invalid") -> Finding:
    """The finding for a value that is not sent: an error where Meta requires the field."""
    message = f"The {field.name} {shown(value)} {reason}" + ("." if field.required else " and is left out.")
    severity = "error" if field.required else "warning"
    return Finding(f"{field.name}.{code}", severity, message, action, half=field.half)  # type: ignore[arg-type]  # literal


def text_of(value: Any) -> str | None:
    """Text of a scalar or of a list of scalars; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value.bit_length() < 256 else None
    if isinstance(value, float):
        return None if not math.isfinite(value) else str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and abs(value.adjusted()) < 64 else None
    if isinstance(value, (list, tuple)):
        parts = [text_of(part) for part in value if not isinstance(part, (list, tuple))]
        return ", ".join(part for part in parts if part)
    return None


def _text(field: Field, value: Any, findings: Findings) -> str | None:
    if isinstance(value, str):
        return value
    text = text_of(value)
    if text is None:
        findings.append(left_out(field, value, "is not text", f"Give {field.name} as text."))
    return text


def _fit(field: Field, text: str, findings: Findings) -> str | None:
    if field.limit is None or len(text) <= field.limit:
        return text or None
    if field.cuts:
        return cut(text, field.limit) or None
    action = f"Shorten it to {field.limit} characters."
    findings.append(left_out(field, text, f"has more than {field.limit} characters", action, "too_long"))
    return None


def line(field: Field, value: Any, findings: Findings) -> str | None:
    text = _text(field, value, findings)
    return _fit(field, plain_line(text), findings) if text else None


def title(field: Field, value: Any, findings: Findings) -> str | None:
    return _lowered(field, line(field, value, findings), findings)


def paragraphs(field: Field, value: Any, findings: Findings) -> str | None:
    text = _text(field, value, findings)
    return _lowered(field, _fit(field, plain_paragraphs(text), findings) if text else None, findings)


def _lowered(field: Field, text: str | None, findings: Findings) -> str | None:
    if text is None or not text.isupper():
        return text
    # Lower case can be longer than capitals ("İ"), so the result has to fit once more.
    return _fit(field, lowered(text), findings)


def verbatim(field: Field, value: Any, findings: Findings) -> str | None:
    text = _text(field, value, findings)
    return _fit(field, text.strip(), findings) if text else None


def choice(field: Field, value: Any, findings: Findings) -> str | None:
    found = chosen(field, value)
    if found is None and not (isinstance(value, str) and not value.strip()):
        known = ", ".join(dict.fromkeys(field.choices.values()))
        findings.append(left_out(field, value, "is not a value that Meta knows", f"Use one of: {known}."))
    return found


def chosen(field: Field, value: Any) -> str | None:
    """Meta's word for the store's spelling of an enum value, schema.org URLs included."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str) or len(value) > 120:
        return None
    word = value.strip().lower()
    if "/" in word:
        word = word.rstrip("/").rpartition("/")[2]
    return field.choices.get(word) or field.choices.get(" ".join(word.replace("_", " ").replace("-", " ").split()))


def url(field: Field, value: Any, findings: Findings) -> str | None:
    if isinstance(value, str):
        text = value.strip()
        if _URL.fullmatch(text):
            return text
        if not text:
            return None
    reason = "is not a complete http or https address"
    findings.append(left_out(field, value, reason, f"Give the whole {field.name}, starting with https://."))
    return None


def urls(field: Field, value: Any, findings: Findings) -> list[str] | None:
    entries = _entries(value, _BETWEEN_URLS)
    good = [text for entry in entries if (text := _address(entry))]
    return _shorten(field, good, len(entries), findings)


def _address(entry: Any) -> str | None:
    if isinstance(entry, Mapping):
        entry = entry.get("url")
    text = entry.strip() if isinstance(entry, str) else ""
    return text if _URL.fullmatch(text) else None


def media(field: Field, value: Any, findings: Findings) -> list[dict[str, Any]] | None:
    """``[{"url": …, "tag": […]}]`` from such a list, one such object, or addresses alone."""
    entries = _entries(value, _BETWEEN_URLS)
    good: list[dict[str, Any]] = []
    for entry in entries:
        address = _address(entry)
        if address is None:
            continue
        tags = entry.get("tag") if isinstance(entry, Mapping) else None
        tags = [tags] if isinstance(tags, str) else tags if isinstance(tags, (list, tuple)) else []
        tags = [tag for tag in tags if isinstance(tag, str) and tag]
        good.append({"url": address, "tag": tags} if tags else {"url": address})
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
    for entry in _entries(value, re.compile(",")):
        word = (text_of(entry) or "").strip() if not isinstance(entry, (list, tuple)) else ""
        if field.choices:
            word = chosen(field, word) or ""
        if not word or len(word) > LABEL_CHARS:
            if entry is not None and entry != "":
                refused.append(entry)
        elif word not in words[-8:]:
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
        return [part for part in (part.strip(" \t\r\n,;|") for part in between.split(text)) if part]
    if isinstance(value, (list, tuple)):
        return [entry for entry in value if entry is not None and entry != ""]
    if isinstance(value, Sequence) or value is None:
        return []
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


def number_of(value: Any) -> Decimal | None:
    """A finite number of sensible size from a number or its text."""
    if isinstance(value, bool):
        return None
    text = text_of(value) if isinstance(value, (str, int, float, Decimal)) else None
    text = (text or "").strip()
    if not _NUMBER.fullmatch(text):
        if not _THOUSANDS.fullmatch(text):
            return None
        text = text.replace(",", "")
    return Decimal(text)


def integer(field: Field, value: Any, findings: Findings) -> int | None:
    found = number_of(value)
    if found is not None and found == int(found) and _within(field, found):
        return int(found)
    _refuse_number(field, value, findings)
    return None


def number(field: Field, value: Any, findings: Findings) -> float | None:
    found = number_of(value)
    if found is not None and _within(field, found):
        return float(found)
    _refuse_number(field, value, findings)
    return None


def _within(field: Field, found: Decimal) -> bool:
    return (field.low is None or found >= field.low) and (field.high is None or found <= field.high)


def _refuse_number(field: Field, value: Any, findings: Findings) -> None:
    if isinstance(value, str) and not value.strip():
        return
    kind = "a whole number" if field.kind == "integer" else "a number"
    bounds = f"{kind} from {field.low:.0f} to {field.high:.0f}"
    findings.append(left_out(field, value, f"is not {bounds}", f"Give {bounds}."))


def gtin(field: Field, value: Any, findings: Findings) -> str | None:
    """Digits without dashes. A wrong check digit is sent as it is: nothing says that Meta refuses it."""
    text = text_of(value)
    digits = "" if text is None else text.replace("-", "").replace(" ", "")
    if _GTIN.fullmatch(digits):
        return digits
    if text is None or text.strip():
        action = "Give the 8 to 14 digits under the bar code, or nothing."
        findings.append(left_out(field, value, "is not a product number of 8 to 14 digits", action))
    return None


def day(field: Field, value: Any, findings: Findings) -> str | None:
    text = value.strip() if isinstance(value, str) else str(value) if hasattr(value, "isoformat") else ""
    found = _DATE.fullmatch(text)
    if found:
        return found[1]
    if text or not isinstance(value, str):
        findings.append(left_out(field, value, "is not a date", "Write it as YYYY-MM-DD."))
    return None


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
        found = [plain(part) for part in found if isinstance(part, Mapping) and part]
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


NORMALISERS: Mapping[Kind, Callable[[Field, Any, Findings], Any]] = {
    "title": title,
    "line": line,
    "paragraphs": paragraphs,
    "verbatim": verbatim,
    "url": url,
    "urls": urls,
    "images": media,
    "videos": media,
    "choice": choice,
    "labels": labels,
    "integer": integer,
    "number": number,
    "gtin": gtin,
    "date": day,
    "object": json_object,
    "shipping": shipping,
    "variant": variant,
}
