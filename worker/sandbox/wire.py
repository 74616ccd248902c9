"""A request as it came in and a reply as it goes out, faults of the transport included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

JSON_TYPE = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` is decoded, ``raw_path`` and ``query`` are not; ``headers`` have lower-case names."""

    method: str
    path: str
    raw_path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    size_bytes: int
    """Length of the body as announced; ``body`` is empty where that was more than the sandbox reads."""


@dataclass(slots=True)
class Reply:
    """``delay_s`` passes first. ``close`` sends nothing at all. ``send`` cuts what is sent short of what is announced.
    ``bytes_per_s`` slows the body down."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    close: bool = False
    send: int | None = None
    bytes_per_s: int | None = None


def json_reply(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, msgspec.json.encode(document), headers=dict(headers or {}))
