"""What the rules say about one item."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from worker.errors import Owner
from worker.items.fields import Half

SHOWN_CHARS = 60


class Finding(msgspec.Struct, frozen=True, gc=False):
    """Something that Meta would refuse, or that we dropped or changed, and what to do about it.

    Attributes:
        code: ``<field>.<cause>``, stable; one item has a code at most once.
        severity: ``error``: Meta would refuse this half of the item, so it is not sent. ``warning``: it is sent
            without the value, or with the value changed.
        message: One sentence that names the thing.
        action: One sentence that says what to do.
        half: The half that it concerns.
    """

    code: str
    severity: Literal["error", "warning"]
    message: str
    action: str
    owner: Owner = "merchant"
    half: Half = "content"


def shown(value: Any) -> str:
    """A store's value as it may stand in a message: quoted, on one line, short."""
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # noqa: BLE001 - a store's value may be any object, and a message must not cost the item
        text = type(value).__name__
    text = "".join(char if char.isprintable() else " " for char in text[: SHOWN_CHARS + 1])
    return f'"{text[:SHOWN_CHARS]}…"' if len(text) > SHOWN_CHARS else f'"{text}"'
