"""Character encodings of feed files: everything is read as UTF-8, whatever it arrives in."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO

from worker.errors import StoreIncomplete

_BLOCK = 1 << 20
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
# XML 1.0 appendix F: without a byte order mark the first characters of the declaration give UTF-16 away.
_STARTS = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"<\0?\0": "utf-16-le",
    b"\0<\0?": "utf-16-be",
}
# Files that say UTF-16 and whose declaration can be read byte by byte are UTF-8 with a wrong label.
_AS_IT_IS = frozenset({"utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be"})
# By name, because Python knows "encodings" as well that unpack or transform what they read.
_READ = re.compile(
    r"iso8859-\d{1,2}|cp125\d|cp(?:437|85\d|866|932|949|950)|koi8-[rtu]|mac-roman|shift_jis|euc_(?:jp|kr)|gbk|gb2312|gb18030|big5"
)


def encoding_of(head: bytes) -> str | None:
    """Python's name for the encoding of a file with this beginning; None for UTF-8 and what is read as such.

    Raises ``StoreIncomplete`` for an XML declaration that names an encoding beyond the usual ones.
    """
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    declared = _DECLARED.match(head.lstrip())
    if declared is None:
        return None
    label = declared[1].decode("ascii")
    try:
        name = codecs.lookup(label).name
    except LookupError:
        name = ""
    if name in _AS_IT_IS:
        return None
    if not _READ.fullmatch(name):
        raise StoreIncomplete(
            f"The feed declares the encoding {label}, which is not read.", action="Write it as UTF-8."
        )
    return name


def recoded(source: IO[bytes], encoding: str) -> Iterator[bytes]:
    """The rest of ``source`` as UTF-8, in pieces; what cannot be decoded becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while block := source.read(_BLOCK):
        yield decoder.decode(block).encode("utf-8", "replace")
    if rest := decoder.decode(b"", final=True):
        yield rest.encode("utf-8", "replace")


def is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
