"""RSS 2.0 and Atom with Google's ``g:`` namespace: the items of one file, and what an item says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

import xxhash

from worker.errors import StoreIncomplete
from worker.items.fields import FIELDS, canonical
from worker.stores.contract import Fields, UnreadableRecord
from worker.stores.feed.columns import MOST_COLUMNS, VOLATILE_AND_SKU, column_paths, place, settle, with_status
from worker.stores.feed.encoding import is_utf8
from worker.stores.feed.markup_scan import Walk, clean, guarded_parser, meaning, spans, tag_at

_LAYOUT = 8
_MOST_ELEMENTS = 10_000
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_QUALIFIED = re.compile(rb"<([^\s/>]+)")

# Elements of RSS 2.0 and Atom themselves that share a name with a catalog field, or could, and mean something else.
_NOT_THE_PRODUCTS = frozenset({
    "guid", "category", "author", "contributor", "comments", "enclosure", "source", "pub_date", "published", "updated",
    "rights",
})  # fmt: skip
# What Atom calls a description (RFC 4287 §4.1), in order of preference.
_ATOM_TEXTS = ("summary", "content")
_TEXTS = frozenset({"title", "description", "rich_text_description", "short_description", *_ATOM_TEXTS})
"""Elements whose inner elements are markup of their text."""
_MANY = frozenset({"urls", "images", "videos", "labels", "variant"})
# Google's parts of g:shipping in the order of Meta's text form "US:CA:Ground:9.99 USD" (Catalog fields: shipping).
_SHIPPING = ("country", "region", "service", "price")


class _Element:
    __slots__ = ("attributes", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.parts: list[str | _Element] = []

    @property
    def children(self) -> list[_Element]:
        return [part for part in self.parts if isinstance(part, _Element)]

    @property
    def own_text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str)).strip()

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)


class Markup:
    """One RSS or Atom file whose root is known.

    Attributes:
        start: Offset behind the start tag that opens the list of items.
    """

    def __init__(self, head: bytes, start: int, bindings: list[tuple[str, str]], *, has_items: bool) -> None:
        self.start = start
        self._head = head
        self._tail = b"".join(b"</%s>" % name for name in reversed(_QUALIFIED.findall(head)))
        self._has_items = has_items
        # In front of every record: equal bytes under other namespaces are another item.
        self._layout = xxhash.xxh3_64_digest(repr(sorted(bindings)).encode())

    @classmethod
    def recognise(cls, file: IO[bytes]) -> Markup:
        """Raises ``StoreIncomplete`` for XML with another root, and for what is no XML up to its first items."""
        base = _first_tag(file)
        walk = Walk(file, base)
        while not (walk.at_items or walk.ended):
            walk.read()
        tags = [tag_at(file, at) for at in walk.outer]
        has_items = walk.at_items and not tags[-1].endswith(b"/>")
        head = b"".join(clean(tag.decode("utf-8", "surrogateescape")) for tag in tags)
        return cls(head, walk.outer[-1] + len(tags[-1]), walk.bindings, has_items=has_items)

    def check(self, file: IO[bytes]) -> None:
        """Read the file to its end once. Raises ``StoreIncomplete`` unless it is one whole XML document."""
        walk = Walk(file, _first_tag(file))
        while not walk.ended:
            walk.read()
            walk.found.clear()

    def records(self, file: IO[bytes], offset: int) -> Iterator[tuple[str, bytes, int]]:
        """Id ("" where there is none), raw bytes and end offset of each item."""
        if not self._has_items:
            return
        for start, end, name in spans(file, offset, self._head):
            raw = self._layout + os.pread(file.fileno(), end - start, start)
            if "?" in name and not self.is_intact(raw):
                name = str(self.fields(raw).get("id", ""))  # noqa: PLW2901 - the scan saw "?" for what is U+FFFD
            yield name, raw, end

    def named(self, raw: bytes) -> set[str]:
        names = (known[0] for child in self._element(raw).children if (known := meaning(child.name)))
        return {str(path[0]) for path in column_paths(tuple(dict.fromkeys(names))) if path}

    def is_intact(self, raw: bytes) -> bool:
        body = raw[_LAYOUT:]
        return is_utf8(body) and not _FORBIDDEN.search(body.decode())

    def repaired(self, raw: bytes) -> list[str]:
        """Names of the fields in which bytes had to be replaced."""
        return [name for name, value in self.fields(raw).items() if "\ufffd" in str(value)]

    def volatile(self, raw: bytes) -> Fields:
        return {name: value for name, value in self.fields(raw).items() if name in VOLATILE_AND_SKU}

    def fields(self, raw: bytes) -> Fields:
        """One item. Raises ``UnreadableRecord`` for one that is not well-formed by itself."""
        values = _values(self._element(raw))
        if len(values) > MOST_COLUMNS:
            raise UnreadableRecord(f"The item has elements of more than {MOST_COLUMNS:,} names.")
        fields: dict[str, Any] = {}
        for path, value in zip(column_paths(tuple(values)), values.values(), strict=True):
            if path is not None and value not in ("", [], {}):
                place(fields, path, value)
        return with_status(settle(fields))

    def _element(self, raw: bytes) -> _Element:
        if raw[:_LAYOUT] != self._layout:
            raise UnreadableRecord("The record belongs to a feed with other namespaces.")
        text = _FORBIDDEN.sub("\ufffd", raw[_LAYOUT:].decode("utf-8", "replace"))
        root = _Element("", {})
        path = [root]
        room = _MOST_ELEMENTS

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal room
            room -= 1
            if room < 0:
                raise UnreadableRecord(f"The item has more than {_MOST_ELEMENTS:,} elements.")
            element = _Element(name, attributes)
            path[-1].parts.append(element)
            path.append(element)

        def text_of_the_last(data: str) -> None:
            path[-1].parts.append(data)

        parser = guarded_parser()
        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _: path.pop()
        parser.CharacterDataHandler = text_of_the_last
        try:
            parser.Parse(self._head)
            parser.Parse(text.encode())
            parser.Parse(self._tail, True)
        except (expat.ExpatError, StoreIncomplete) as error:
            raise UnreadableRecord("The item is not well-formed XML.") from error
        around = root
        for _ in range(self._tail.count(b"</")):
            around = around.children[0]
        return around.children[0]


def _first_tag(file: IO[bytes]) -> int:
    """Blank lines in front of the declaration, which PHP pages leave there, make a document that is no XML."""
    head = os.pread(file.fileno(), 4096, 0)
    return max(head.find(b"<"), 0)


def _values(item: _Element) -> dict[str, Any]:
    """The item's values by plain name, Google's elements before those of RSS and Atom with the same name."""
    given: dict[str, list[Any]] = {}
    googles: set[str] = set()
    for element in item.children:
        known = meaning(element.name)
        if known is None:
            continue
        name, is_googles = known
        if is_googles and name not in googles:
            googles.add(name)
            given.pop(name, None)
        elif not is_googles and (name in googles or name in _NOT_THE_PRODUCTS):
            continue
        value = _link(element) if name == "link" and not is_googles else _value(name, element)
        if value:
            given.setdefault(name, []).append(value)
    for name in _ATOM_TEXTS:
        if name in given:
            given.setdefault("description", given.pop(name))
    return {name: _together(name, values) for name, values in given.items()}


def _link(element: _Element) -> str:
    """RSS writes the address as text, Atom as ``href`` of the alternate link (RFC 4287 §4.2.7)."""
    if "href" in element.attributes and element.attributes.get("rel", "alternate") == "alternate":
        return element.attributes["href"].strip()
    return element.own_text


def _value(name: str, element: _Element) -> Any:
    children = element.children
    if not children or name in _TEXTS or element.own_text:
        return element.text.strip()
    parts: dict[str, Any] = {}
    for child in children:
        known = meaning(child.name)
        value = _value(known[0], child) if known else ""
        if known and value:
            parts.setdefault(known[0], []).append(value)
    group = {key: values[0] if len(values) == 1 else values for key, values in parts.items()}
    return _shipping(group) if name == "shipping" else group


def _shipping(group: dict[str, Any]) -> str:
    if not group.get("price"):
        return ""
    return ":".join(str(group.get(key, "")) for key in _SHIPPING)


def _together(name: str, values: list[Any]) -> Any:
    """Several elements of one name: a list where Meta takes one, else the first, as Google has it for product_type."""
    if len(values) == 1:
        return values[0]
    if name == "shipping" and all(isinstance(value, str) for value in values):
        return ",".join(values)
    row = FIELDS.get(canonical(name) or "")
    return values if row is not None and row.kind in _MANY else values[0]
