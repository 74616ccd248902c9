"""Decode JSON that a merchant's platform made, and keep one bad text from spoiling the page around it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def decode(body: bytes) -> Any:
    """The value of a JSON text, repaired where only characters are wrong.

    Bytes that are not UTF-8, NUL and lone surrogates become U+FFFD: no database and no request takes them. NaN and
    Infinity, which some exporters write, become None; a number beyond a double stays text. Raises ``ValueError``
    for what is not one JSON value or is nested beyond reason.
    """
    try:
        value = msgspec.json.decode(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Also what msgspec takes for truncated and is not: a lone surrogate at the end of a string.
        try:
            value = json.loads(body.decode("utf-8", "replace"), parse_constant=lambda _: None, parse_float=_number)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    return _clean(value) if b"\\u" in body else value


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", key): _clean(inner) for key, inner in value.items()}
    return value
