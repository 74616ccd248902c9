"""One function per kind of content field: a store's value in, Meta's value out, a finding for what had to go.

Each returns None where nothing is left to send, and never raises, whatever the store gives.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from worker.items.fields import Field
from worker.items.findings import Finding, shown
from worker.items.text import cut, lowered, plain_line, plain_paragraphs

Findings = list[Finding]

_URL = re.compile(r"https?://[^\s/?#\x00-\x20\x7f]+[^\s\x00-\x20\x7f]*", re.IGNORECASE)
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


def is_url(text: str) -> bool:
    return _URL.fullmatch(text) is not None


def url(field: Field, value: Any, findings: Findings) -> str | None:
    if isinstance(value, str):
        text = value.strip()
        if is_url(text):
            return text
        if not text:
            return None
    reason = "is not a complete http or https address"
    findings.append(left_out(field, value, reason, f"Give the whole {field.name}, starting with https://."))
    return None


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
