"""Reading a mapping document: every error it has, each in one sentence that names the key and the remedy."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from worker.errors import BadInput
from worker.items.fields import FIELDS, Field, canonical
from worker.items.findings import shown
from worker.items.kinds import NORMALISERS
from worker.items.mapping.apply import FIRST, LAST, Category, Condition, ItemMapping
from worker.items.mapping.template import DEFAULT, Template, read_template
from worker.items.values import Findings

_TABLES: Final = ("id", "store", "stock", "images", "category", "include", "exclude")
_MOST_RULES: Final = 1000
_MOST_GLOBS: Final = 1000
_GLOB_CHARS: Final = 500
_MOST_BUFFER: Final = 1_000_000
_MOST_PICTURES: Final = 21
# What a rule may set: categories, labels and the like. Not what an item is, says, costs or belongs to.
_SETTABLE_KINDS: Final = frozenset(("verbatim", "line", "choice", "labels", "integer", "number"))
_IDENTITIES: Final = frozenset(("item_group_id", "mpn", "previous_id", "rich_text_description", "shipping_weight"))
_SETTABLE: Final = tuple(
    row.name
    for row in FIELDS.values()
    if row.kind in _SETTABLE_KINDS and row.half == "content" and row.name not in _IDENTITIES
)


def parse(document: object, option_names: Collection[str] | None = None) -> ItemMapping:
    """Check a whole document, as TOML or JSON gives it, and make it usable.

    Args:
        option_names: The options of the shop's kind of store; None: they are not checked here.

    Raises:
        BadInput: With every error of the document, a sentence on a line each.
    """
    return _Reader(option_names).read(document)


class _Reader:
    """One document being read. What is wrong is noted and reading goes on."""

    def __init__(self, option_names: Collection[str] | None) -> None:
        self._option_names = option_names
        self._errors: list[str] = []

    def read(self, document: object) -> ItemMapping:
        if not isinstance(document, Mapping):
            raise BadInput("The mapping is not a document of tables.", action=f"Use some of {_listed(_TABLES)}.")
        self._known(document, "The mapping", _TABLES, "table")
        images = self._table(document, "images", ("choose", "most"))
        mapping = ItemMapping(
            template=self._template(self._table(document, "id", ("template",))),
            options=self._options(document),
            buffer=self._number(self._table(document, "stock", ("buffer",)), "[stock] buffer", 0, _MOST_BUFFER) or 0,
            choose=self._choose(images),
            most=self._number(images, "[images] most", 1, _MOST_PICTURES),
            categories=self._categories(document),
            include=self._filter(document, "include"),
            exclude=self._filter(document, "exclude"),
        )
        if self._errors:
            raise BadInput("\n".join(self._errors))
        return mapping

    def _wrong(self, what: str, remedy: str) -> None:
        # Keys are as strange as values, and an error is one line.
        sentence = f"{what}. {remedy}."
        self._errors.append("".join(char if char.isprintable() else " " for char in sentence))

    def _known(self, table: Mapping[str, Any], where: str, names: Sequence[str], what: str = "key") -> None:
        for name in table:
            if name not in names:
                self._wrong(f"{where} has no {what} {shown(name)}", f"Use {_listed(names)}")

    def _table(self, document: Mapping[str, Any], name: str, keys: Sequence[str]) -> Mapping[str, Any]:
        table = document.get(name, {})
        if not isinstance(table, Mapping):
            self._wrong(f"{name} is no table", f"Write [{name}] on a line of its own and its keys below")
            return {}
        self._known(table, f"[{name}]", keys)
        return table

    def _template(self, table: Mapping[str, Any]) -> Template | None:
        text = table.get("template", DEFAULT)
        if not isinstance(text, str) or not text or len(text) > 100:
            self._wrong(f"[id] template {shown(text)} is not text of 1 to 100 characters", 'Write it like "{sku}"')
            return None
        template, why = read_template(text)
        if template is None:
            self._wrong(f"[id] template {shown(text)} {why.partition('. ')[0]}", why.partition(". ")[2])
        return None if text == DEFAULT else template

    def _options(self, document: Mapping[str, Any]) -> Mapping[str, str] | None:
        if "store" not in document:
            return None
        table = document["store"]
        if not isinstance(table, Mapping):
            self._wrong("store is no table", "Write [store] on a line of its own and its keys below")
            return None
        if self._option_names is not None:
            self._known(table, "[store]", sorted(self._option_names), "option")
        for name, value in table.items():
            if not isinstance(value, str):
                self._wrong(f"[store] {name} is {shown(value)}, which is not text", "Write it in quotes")
        return {name: value for name, value in table.items() if isinstance(value, str)}

    def _number(self, table: Mapping[str, Any], what: str, low: int, high: int) -> int | None:
        value = table.get(what.rpartition(" ")[2])
        if value is None or (type(value) is int and low <= value <= high):
            return value
        self._wrong(f"{what} is {shown(value)}", f"Give a whole number from {low} to {high:,}")
        return None

    def _choose(self, images: Mapping[str, Any]) -> int:
        value = images.get("choose", "first")
        if value in ("first", "last"):
            return LAST if value == "last" else FIRST
        if type(value) is int and 1 <= value <= _MOST_PICTURES:
            return value - 1
        self._wrong(
            f"[images] choose is {shown(value)}",
            f'Use "first", "last", or the place of a picture up to {_MOST_PICTURES}',
        )
        return FIRST

    def _entries(self, document: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
        """A table that may be there several times, with how to call each."""
        value = document.get(name, [])
        entries = value if isinstance(value, list) else [value]
        if len(entries) > _MOST_RULES:
            self._wrong(f"There are {len(entries):,} tables {name}", f"Use {_MOST_RULES:,} at most")
            return []
        found = []
        for number, entry in enumerate(entries, 1):
            where = f"[[{name}]] {number}" if isinstance(value, list) else f"[{name}]"
            if isinstance(entry, Mapping):
                found.append((where, entry))
            else:
                self._wrong(f"{where} is no table", f"Write [[{name}]] on a line of its own and its keys below")
        return found

    def _categories(self, document: Mapping[str, Any]) -> tuple[Category, ...]:
        found = []
        for where, entry in self._entries(document, "category"):
            self._known(entry, where, ("when", "set"))
            values = entry.get("set", {})
            when = entry.get("when", {})
            if not isinstance(values, Mapping) or not values:
                self._wrong(f"{where} sets nothing", 'Write set = { google_product_category = "187" }')
                continue
            if not isinstance(when, Mapping):
                self._wrong(f"{where} when is {shown(when)}", 'Write when = { product_type = "Shoes*" }')
                continue
            condition = self._condition(when, f"{where} when")
            found.append(Category(condition, self._settings(values, f"{where} set")))
        return tuple(found)

    def _filter(self, document: Mapping[str, Any], name: str) -> tuple[Condition, ...]:
        found = []
        for where, entry in self._entries(document, name):
            if entry:
                found.append(self._condition(entry, where))
            else:
                self._wrong(f"{where} names no field", f'Write below it brand = "Acme", or take [{name}] out')
        return tuple(found)

    def _condition(self, table: Mapping[str, Any], where: str) -> Condition:
        globs = []
        for name, value in table.items():
            known = self._readable(name, where)
            texts = value if isinstance(value, list) else [value]
            if not texts or len(texts) > _MOST_GLOBS or not all(_is_glob(text) for text in texts):
                self._wrong(
                    f"{where} {name} is {shown(value)}",
                    f'Give text such as "Shoes*", or a list of up to {_MOST_GLOBS:,} such texts of up to '
                    f"{_GLOB_CHARS} characters",
                )
            elif known:
                pattern = "|".join(fnmatch.translate(text.strip()) for text in texts)
                globs.append((known, re.compile(pattern, re.IGNORECASE)))
        return Condition(tuple(globs))

    def _readable(self, name: str, where: str) -> str | None:
        known = "sku" if name == "sku" else canonical(name)
        field = FIELDS.get(known or "")
        if field is None and known != "sku":
            self._wrong(f"{where} asks for {shown(name)}, which is no field", "Use a catalog field of Meta's, or sku")
            return None
        if field is not None and field.half == "volatile":
            self._wrong(
                f"{where} asks for {name}, which changes by the hour",
                "Use a field that is not price or stock: what is sold out needs no filter, Meta shows it as such",
            )
            return None
        return known

    def _settings(self, table: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        values: dict[str, Any] = {}
        for name, value in table.items():
            known = canonical(name)
            if known not in _SETTABLE:
                self._wrong(f"{where} cannot set {shown(name)}", f"Set some of {_listed(_SETTABLE)}")
                continue
            problem = _problem(FIELDS[known], value)
            if problem:
                self._wrong(f"{where} {name} is {shown(value)}: {problem[0]}", problem[1])
            values[known] = value
        return values


def _problem(field: Field, value: Any) -> tuple[str, str] | None:
    """What the item's own rules say about a value, and the remedy."""
    if not isinstance(value, (str, int, float, list)) or isinstance(value, bool):
        return "it is neither text nor a number", f"Give {field.name} as text"
    findings: Findings = []
    normal = NORMALISERS[field.kind](field, value, findings)
    if findings:
        return findings[0].message.rstrip("."), findings[0].action.rstrip(".")
    return None if normal is not None else ("it is empty", f"Give {field.name} a value")


def _is_glob(text: object) -> bool:
    return isinstance(text, str) and len(text) <= _GLOB_CHARS


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none: it has no options"
