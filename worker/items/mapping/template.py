"""The id policy: of what a shop's retailer ids are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.items.values import text_of

DEFAULT: Final = "{id}"

_NAMES: Final = ("id", "sku")
_PART = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")


@dataclass(frozen=True, slots=True)
class Template:
    """Text with places for the variant's own id and its SKU, such as ``shop-{sku}``.

    Attributes:
        parts: Pairs of a field's name and a literal text, of which one is empty.
    """

    parts: tuple[tuple[str, str], ...]

    @property
    def is_reversible(self) -> bool:
        """Whether the variant's own id can be told from an id that this template made."""
        return [name for name, _ in self.parts if name] == ["id"]

    def own_id(self, retailer_id: str) -> str | None:
        """The variant's id in a reversible template's id; None for an id that it cannot have made."""
        at = self.parts.index(("id", ""))
        before = "".join(text for _, text in self.parts[:at])
        after = "".join(text for _, text in self.parts[at + 1 :])
        whole = retailer_id.startswith(before) and retailer_id.endswith(after)
        own = retailer_id[len(before) : len(retailer_id) - len(after)]
        return own if whole and own else None

    def made_of(self, own_id: str, fields: Mapping[str, Any]) -> str | None:
        """The id of a variant with these fields; None if it has no SKU and the template needs one."""
        values = {"id": own_id, "sku": (text_of(fields.get("sku")) or "").strip()}
        if not all(values[name] for name, _ in self.parts if name):
            return None
        return "".join(values[name] if name else text for name, text in self.parts)


def read_template(text: str) -> tuple[Template | None, str]:
    """The template of a text, or None and why it cannot be one."""
    parts: list[tuple[str, str]] = []
    for name, literal, brace in _PART.findall(text):
        if brace or (not literal and name not in _NAMES):
            return None, f"holds {brace or '{' + name + '}'!r}, which is no place for a field. Use {{id}} or {{sku}}"
        if any(char.isspace() or not char.isprintable() for char in literal):
            return None, "holds white space. Use a dash or an underscore"
        parts.append((name, literal))
    if not any(name for name, _ in parts):
        return None, "would give every item the same id. Use {id} or {sku} in it"
    return Template(tuple(parts)), ""
