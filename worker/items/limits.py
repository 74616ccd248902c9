"""What may be set per shop, as people write and read it: the breaker's shares, and the grace time of deletions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.errors import BadInput
from worker.items import breaker, removal


def parse(option: str, text: str) -> tuple[str, float | None]:
    """A limit under its name in the shop's row, and its new value; None: the default. Raises ``BadInput``."""
    if option not in in_force(None):
        raise BadInput(f"{option!r} is no limit.", action=f"Use one of {', '.join(in_force(None))}.")
    name = removal.LIMIT if option == removal.OPTION else breaker.NAMES[option]
    if text == "default":
        return name, None
    return name, removal.parse(text) if option == removal.OPTION else breaker.parse(text)


def in_force(limits: Mapping[str, Any] | None) -> dict[str, str]:
    """All limits of a shop, of which its row holds those that are not the defaults."""
    return {**breaker.in_force(limits), removal.OPTION: removal.in_force(limits)}
