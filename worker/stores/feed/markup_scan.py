"""One pass over an RSS or Atom file: where its items lie, and whether it is whole.

Expat reads the file block by block and knows no entity: a document type declaration, which is where all of them come
from, is refused when it begins (decision 0013). Bytes that XML forbids are replaced one for one before expat sees
them, so its positions are positions in the file.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import IO
from xml.parsers import expat

from worker.errors import StoreIncomplete
from worker.stores.feed.columns import ID_NAMES, plain_name

LONGEST_ITEM = 8 << 20
"""Bytes; also the longest stretch outside of items. A longer tag or comment would be held in memory whole."""
_DEEPEST = 64
_LONGEST_NAME = 300
_MOST_NAMES = 10_000
"""Expat keeps every name of an element or attribute that it has met until the end of the file."""
# Not smaller: before expat 2.6 a tag that is not finished is read again from its start with every block.
_BLOCK = 256 << 10
_TAG = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")

_FORBIDDEN = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32))
_AS_QUESTION = bytes.maketrans(_FORBIDDEN, b"?" * len(_FORBIDDEN))
_ESCAPED = re.compile("[\ud800-\udfff]")

_GOOGLE = re.compile(r"https?://base\.google\.com/c?ns/1\.0/?")
_ATOM = frozenset({"http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"})
"""Atom 1.0 (RFC 4287) and 0.3, which old exporters write."""


@lru_cache(maxsize=4096)
def meaning(name: str) -> tuple[str, bool] | None:
    """The plain name of an element as expat gives it, and whether it is Google's own.

    None for elements of namespaces that have nothing to say about a product.
    """
    space, _, local = name.rpartition(" ")
    if _GOOGLE.fullmatch(space):
        return plain_name(local), True
    return (plain_name(local), False) if not space or space in _ATOM else None


def incomplete(what: str) -> StoreIncomplete:
    return StoreIncomplete(f"The feed is not complete: {what}.", action="Check what writes or uploads the file.")


def guarded_parser() -> expat.XMLParserType:
    """An expat parser that reads UTF-8 whatever the file declares and refuses a document type declaration."""
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise StoreIncomplete(
        "The feed has a document type declaration (DOCTYPE), which could define entities, and is refused.",
        action="Write the feed without one; &amp; &lt; &gt; &quot; &apos; and &#…; need none.",
    )


class Walk:
    """Expat over one file, from its beginning or from an item boundary.

    Args:
        head: Start tags to read first, when ``offset`` lies behind them.

    Attributes:
        outer: Where the start tags of the elements around the items lie: the root, and RSS's channel.
        bindings: Prefix and namespace pairs that hold inside of them.
        found: First byte, byte of the end tag, and id ("" for none) of the items met; whoever reads it empties it.
    """

    def __init__(self, file: IO[bytes], offset: int, head: bytes = b"") -> None:
        self._descriptor, self._at = file.fileno(), offset
        self._shift = offset - len(head)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._parser = guarded_parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartNamespaceDeclHandler = self._bind
        self._depth, self._item_depth, self._event = 0, 2, offset
        self._item, self._item_at, self._inside = "", -1, False
        self._ids: dict[tuple[str, bool], list[str]] = {}
        self.outer: list[int] = []
        self.bindings: list[tuple[str, str]] = []
        self.found: list[tuple[int, int, str]] = []
        self.ended = False
        if head:
            self._parse(head, final=False)

    @property
    def at_items(self) -> bool:
        """Whether the start tag of the element that holds the items has been met."""
        return len(self.outer) == self._item_depth - 1

    def read(self) -> None:
        """Read one block; at the end of the file ``ended`` becomes true. Raises ``StoreIncomplete``."""
        block = os.pread(self._descriptor, _BLOCK, self._at)
        self._at += len(block)
        self.ended = not block
        text = self._decoder.decode(block, self.ended)
        self._parse(clean(text), final=self.ended)
        oldest = self._event if self._item_at < 0 else self._item_at
        if self._at - oldest > LONGEST_ITEM + _BLOCK:
            raise incomplete(f"more than {LONGEST_ITEM >> 20} MB pass without the end of an item")
        if len(self._parser.intern) > _MOST_NAMES:
            raise incomplete(f"its elements have more than {_MOST_NAMES:,} different names")

    def _parse(self, data: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, "").lower() or expat.ErrorString(error.code)
            raise incomplete(f"it is no well-formed XML in line {error.lineno} ({reason})") from None

    def _bind(self, prefix: str | None, space: str | None) -> None:
        if self._depth < self._item_depth - 1:
            self.bindings.append((prefix or "", space or ""))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        self._event = at = self._parser.CurrentByteIndex + self._shift
        if len(name) > _LONGEST_NAME or (attributes and max(map(len, attributes)) > _LONGEST_NAME):
            raise incomplete(f"the name of an element or attribute has more than {_LONGEST_NAME} characters")
        if depth < self._item_depth:
            self._outer(name, at)
        elif depth == self._item_depth:
            if self._inside and meaning(name) in ((self._item, False), (self._item, True)):
                self._item_at = at
                self._ids.clear()
        elif depth == self._item_depth + 1:
            known = meaning(name)
            if known and known[0] in ID_NAMES and known not in self._ids and self._item_at >= 0:
                self._parser.CharacterDataHandler = self._ids.setdefault(known, []).append
        elif depth > _DEEPEST:
            raise incomplete(f"its elements lie more than {_DEEPEST} deep in each other")

    def _outer(self, name: str, at: int) -> None:
        known = (meaning(name) or ("",))[0]
        if self._depth == 1:
            if known not in ("rss", "feed"):
                shown = name.rpartition(" ")[2]
                raise StoreIncomplete(
                    f"The address gives XML whose root element is {shown[:40]} instead of rss or feed.",
                    action="Use RSS 2.0 or Atom, with Google's g: namespace.",
                )
            self._item_depth, self._item = (3, "item") if known == "rss" else (2, "entry")
            self.outer.append(at)
            self._inside = known == "feed"
        elif known == "channel":
            if len(self.outer) > 1:
                raise incomplete("it has more than one channel")
            self.outer.append(at)
            self._inside = True

    def _end(self, _: object) -> None:
        depth, self._depth = self._depth, self._depth - 1
        if depth == self._item_depth + 1:
            self._parser.CharacterDataHandler = None
        elif depth == self._item_depth and self._item_at >= 0:
            self._event = self._parser.CurrentByteIndex + self._shift
            self.found.append((self._item_at, self._event, self._id()))
            self._item_at = -1
        elif depth == self._item_depth - 1:
            self._inside = False

    def _id(self) -> str:
        ids = self._ids
        for name in ID_NAMES:
            for known in ((name, True), (name, False)):
                if known in ids and (text := "".join(ids[known]).strip()):
                    return text
        return ""


def clean(text: str) -> bytes:
    """UTF-8 of a text decoded with ``surrogateescape``, as long as the bytes it came from; "?" for what XML forbids."""
    if "\ufffe" in text or "\uffff" in text:
        text = text.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = _ESCAPED.sub("?", text).encode()
    return data.translate(_AS_QUESTION)


def spans(file: IO[bytes], offset: int, head: bytes) -> Iterator[tuple[int, int, str]]:
    """First byte, end and id of each item from ``offset`` on; ``head`` are the start tags around them."""
    walk = Walk(file, offset, head)
    while not walk.ended:
        walk.read()
        for start, closing, name in walk.found:
            # Of an empty element expat gives the position of its only tag twice.
            yield start, closing + len(tag_at(file, closing)), name
        walk.found.clear()


def tag_at(file: IO[bytes], offset: int) -> bytes:
    """The tag that begins at ``offset``, as it is written."""
    for size in (1024, _BLOCK):
        if found := _TAG.match(os.pread(file.fileno(), size, offset)):
            return found[0]
    raise incomplete(f"a tag is longer than {_BLOCK >> 10} kB")
