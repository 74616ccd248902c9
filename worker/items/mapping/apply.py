"""What a mapping does to the fields of one item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.items.columns import gather
from worker.items.fields import FIELDS
from worker.items.mapping.template import Template
from worker.items.structures import address, addresses
from worker.items.values import chosen, number_of, text_of

FIRST: Final = 0
LAST: Final = -1

_QUANTITY: Final = "quantity_to_sell_on_facebook"
_MOST_PIECES: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Condition:
    """Globs per field; it holds where each of these fields matches one of its own. An absent field is empty text."""

    globs: tuple[tuple[str, re.Pattern[str]], ...]

    def holds(self, values: Mapping[str, Any]) -> bool:
        return all(_matches(glob, values.get(name)) for name, glob in self.globs)


@dataclass(frozen=True, slots=True)
class Category:
    """Fields that are set where a condition holds."""

    when: Condition
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ItemMapping:
    """A checked mapping document.

    Attributes:
        template: How ids are made; None: each variant keeps its own.
        options: The store options that the document gives; None: it gives none, and those of the shop stay.
        buffer: Pieces that are never offered.
        choose: Place of the picture that comes first; ``LAST`` for the last one.
        most: How many pictures are sent; None: as many as Meta takes.
        categories: The first of them that holds is the one that counts.
        include: One of them has to hold; empty: every item is included.
        exclude: None of them may hold.
    """

    template: Template | None = None
    options: Mapping[str, str] | None = None
    buffer: int = 0
    choose: int = FIRST
    most: int | None = None
    categories: tuple[Category, ...] = field(default=())
    include: tuple[Condition, ...] = field(default=())
    exclude: tuple[Condition, ...] = field(default=())

    @property
    def changes_content(self) -> bool:
        pictures = self.choose != FIRST or self.most is not None
        return pictures or bool(self.categories or self.include or self.exclude)

    def apply(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """What ``prepare`` is given in place of a store's fields: canonical names alone, and never an error."""
        values = gather(fields)
        if self.categories or self.include or self.exclude:
            # The one name that conditions know and catalogs do not.
            known = {"sku": fields.get("sku"), **values}
            for category in self.categories:
                if category.when.holds(known):
                    values.update(category.values)
                    break
            if not self._includes(known):
                # What is left out is hidden at Meta as if the store hid it, and shown again as soon as it is back in.
                values["status"] = "archived"
        if self.choose != FIRST or self.most is not None:
            self._choose_pictures(values)
        self._hold_back(values)
        return values

    def apply_volatile(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """What ``prepare_volatile`` is given; the same as of ``apply``."""
        if not self.buffer:
            return fields
        values = gather(fields)
        self._hold_back(values)
        return values

    def _includes(self, known: Mapping[str, Any]) -> bool:
        if self.include and not any(condition.holds(known) for condition in self.include):
            return False
        return not any(condition.holds(known) for condition in self.exclude)

    def _hold_back(self, values: dict[str, Any]) -> None:
        quantity = number_of(values.get(_QUANTITY)) if self.buffer else None
        if quantity is None or quantity > _MOST_PIECES:
            return
        if quantity >= 0:
            values[_QUANTITY] = max(int(quantity) - self.buffer, 0)
        # What can be ordered without stock stays as it is: the buffer is no part of it.
        if int(quantity) <= self.buffer and chosen(FIELDS["availability"], values.get("availability")) == "in stock":
            values["availability"] = "out of stock"

    def _choose_pictures(self, values: dict[str, Any]) -> None:
        if "image" in values:
            # Beside it Meta ignores the two older fields.
            values["image"] = self._chosen(addresses(values["image"]))
            return
        first = [values["image_link"]] if "image_link" in values else []
        pictures = self._chosen(first + addresses(values.get("additional_image_link", "")))
        values.pop("additional_image_link", None)
        if pictures:
            values["image_link"] = pictures[0]
        if pictures[1:]:
            values["additional_image_link"] = pictures[1:]

    def _chosen(self, pictures: list[Any]) -> list[Any]:
        # What is no address cannot come first: it would cost the item its picture.
        good = [picture for picture in pictures if address(picture)]
        if good and self.choose < len(good):
            good.insert(0, good.pop(self.choose))
        return [*good, *(picture for picture in pictures if not address(picture))][: self.most]


def _matches(glob: re.Pattern[str], value: Any) -> bool:
    parts = value if isinstance(value, (list, tuple)) and value else [value]
    return any(glob.match((text_of(part) or "").strip()) for part in parts)
