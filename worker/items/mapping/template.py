"""The id policy: of which fields a shop's retailer ids are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.items.columns import gather
from worker.items.values import text_of

DEFAULT: Final = "{id}"

NAMING: Final = ("sku", "item_group_id")
"""Fields of which an id may be made, beside the variant's own id: every store gives them with prices and stock too."""

_GROUP: Final = "item_group_id"
_PART = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")


@dataclass(frozen=True, slots=True)
class Template:
    """Text with places for fields, such as ``shop-{sku}``.

    Attributes:
        parts: Pairs of a field's name and a literal text, of which one is empty.
    """

    parts: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it uses."""
        return tuple(name for name, _ in self.parts if name)

    @property
    def is_reversible(self) -> bool:
        """Whether the variant's own id can be told from an id that this template made."""
        return self.names == ("id",)

    def own_id(self, retailer_id: str) -> str | None:
        """The variant's id in a reversible template's id; None for an id that it cannot have made."""
        at = self.parts.index(("id", ""))
        before = "".join(text for _, text in self.parts[:at])
        after = "".join(text for _, text in self.parts[at + 1 :])
        whole = retailer_id.startswith(before) and retailer_id.endswith(after)
        own = retailer_id[len(before) : len(retailer_id) - len(after)]
        return own if whole and own else None

    def made_of(self, own_id: str, fields: Mapping[str, Any]) -> str | None:
        """The id of an item with these fields, or None if it lacks one that the template needs."""
        values = {"id": own_id}
        if not self.is_reversible:
            known = gather(fields)
            values |= {name: _text(fields.get(name, known.get(name))) for name in NAMING}
        if not all(values[name] for name in self.names):
            return None
        return "".join(values[name] if name else text for name, text in self.parts)

    def lacking(self, own_id: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields that the template needs and the item does not have."""
        return tuple(name for name in dict.fromkeys(self.names) if not Template(((name, ""),)).made_of(own_id, fields))


def read_template(text: str) -> tuple[Template | None, str]:
    """The template of a text, or None and why it cannot be one."""
    parts: list[tuple[str, str]] = []
    for name, literal, brace in _PART.findall(text):
        if brace or (not literal and name not in ("id", *NAMING)):
            known = ", ".join(f"{{{known}}}" for known in ("id", *NAMING))
            return None, f"holds {brace or '{' + name + '}'!r}, which is no place for a field. Use {known}"
        if any(char.isspace() or not char.isprintable() for char in literal):
            return None, "holds white space. Use a dash or an underscore"
        parts.append((name, literal))
    if not {name for name, _ in parts} - {"", _GROUP}:
        return None, "does not tell the variants of a product apart. Use {id} or {sku} in it"
    return Template(tuple(parts)), ""


def _text(value: Any) -> str:
    return (text_of(value) or "").strip()
