"""Store text -> the plain text that Meta takes: no markup, no control characters, no shouting, not too long."""

from __future__ import annotations

import html
import re

# Nothing longer is read: the longest limit is 5,000 characters, and markup rarely outweighs text twenty-fold.
READ_CHARS = 200_000

_BLOCKS = frozenset(
    "address article aside blockquote br center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6"
    " header hr li main nav ol p pre section table tbody tfoot thead tr ul".split()
)
_HIDDEN = frozenset(("script", "style", "noscript", "template", "iframe", "object", "svg"))
# Only what HTML knows is markup: "size <M>" keeps its letter.
_TAGS = (
    _BLOCKS
    | _HIDDEN
    | frozenset(
        "a abbr acronym area audio b base bdi bdo big body button canvas caption cite code col colgroup data datalist"
        " del details dfn dialog em embed font frame frameset head html i img input ins kbd label legend link map mark"
        " meta meter optgroup option output param picture progress q rp rt ruby s samp select small source span strike"
        " strong sub summary sup td textarea th time title track tt u var video wbr".split()
    )
)
_TAG_OPEN = re.compile(r"<(?:(/?)([a-zA-Z][a-zA-Z0-9]*(?:[:-][a-zA-Z0-9:-]*)?)(?=[\s/>])|(!--)|[!?][a-zA-Z\[])")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SPACE = re.compile(r"\s+")
_SPACES_IN_LINE = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?(?:\r\n|[\r\n\v\f\x85\u2028\u2029]) ?")
_MANY_BREAKS = re.compile(r"\n{3,}")
# Zero-width joiners stay: they belong to the spelling of some scripts and to emoji.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?…]\s+|\n)[^\w\n]*(\w)")
_ACRONYMS = frozenset(
    "AC BBQ CD CPU DC DIY DJ DNA DVD EU EVA GB GPS GPU HD HDMI HDR HEPA II III IP IV IPX LCD LED MDF MP NFC OLED PC PU"
    " PVC RAM RFID RGB SD SIM SPF SSD TB TV UHD UK USA USB UV VGA VI VII VIII VR WC XL XS XXL XXS XXXL".split()
)
_SHORT_CAPS = 5


def plain_line(text: str) -> str:
    """One line: markup and invisible characters out, white space joined."""
    text = _clean(text)
    return _joined(text) if text.isprintable() else _SPACE.sub(" ", text).strip()


def plain_paragraphs(text: str) -> str:
    """Several lines: block elements and ``<br>`` become breaks, at most one empty line in a row."""
    text = _clean(text)
    if text.isprintable():
        return _joined(text)
    text = _SPACES_IN_LINE.sub(" ", _BREAKS.sub("\n", _SPACES_IN_LINE.sub(" ", text)))
    return _MANY_BREAKS.sub("\n\n", text).strip()


def _joined(text: str) -> str:
    """Printable text has no white space but the ordinary one; most of it needs no more than a look."""
    return " ".join(text.split()) if "  " in text else text.strip(" ")


def lowered(text: str) -> str:
    """Sentence case for a text in capitals only, which Meta refuses; anything else as it is.

    Model numbers, common abbreviations and a single short word (a name such as "BMW") keep their capitals.
    """
    if not text.isupper() or (len(text) <= _SHORT_CAPS and text.isalnum()):
        return text

    return _SENTENCE_START.sub(lambda match: match[0][:-1] + _capital(match[1]), _WORD.sub(_lowered_word, text))


def _lowered_word(match: re.Match[str]) -> str:
    parts: list[str] = []
    kept = False
    for part in match[0].split("-"):
        # The letter of "USB-C" belongs to what stands before it.
        kept = part in _ACRONYMS or any(char.isdigit() for char in part) or (kept and len(part) == 1)
        parts.append(part if kept else part.lower())
    return "-".join(parts)


def _capital(char: str) -> str:
    # "ß" and the ligatures have no single capital letter.
    upper = char.upper()
    return upper if len(upper) == 1 else char


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, ending with a whole word where one ends in the last third."""
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    space = max(head.rfind(" "), head.rfind("\n"))
    return head[: space if space * 3 >= limit * 2 else limit].rstrip()


def without_surrogates(text: str) -> str:
    """Half of a UTF-16 pair cannot be written as UTF-8; it becomes the replacement character."""
    return _SURROGATE.sub("\ufffd", text)


def _clean(text: str) -> str:
    if len(text) > READ_CHARS:
        text = text[:READ_CHARS]
    # Feeds escape HTML once or twice over, so what an entity turns into may be markup again.
    for _ in range(4 if "<" in text or "&" in text else 0):
        before = text
        if "<" in text:
            text = _without_markup(text)
        if "&" in text:
            text = _ENTITY.sub(_character, text)
        if text == before:
            break
    return text if text.isprintable() else _INVISIBLE.sub("", text)


def _character(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def _without_markup(text: str) -> str:
    """Drop tags, comments, and what is never shown. Linear in the text, unlike ``html.parser``, which takes minutes
    for 100 KB of unclosed tags (measured with Python 3.11: 85 s), and this text is anybody's."""
    parts: list[str] = []
    position = 0
    blocks = False
    while (match := _TAG_OPEN.search(text, position)) is not None:
        start = match.start()
        closing, name, comment = match.groups()
        name = (name or "").lower()
        if name and name not in _TAGS and "-" not in name and ":" not in name:
            parts.append(text[position : match.end()])
            position = match.end()
            continue
        end = text.find("-->" if comment else ">", match.end())
        if end < 0:
            if not comment:
                break
            # An unclosed comment: only its mark goes, the text may be the whole description.
            text = text[:position] + text[position:].replace("<!--", "")
            continue
        end = _tag_end(text, match.end(), end) if name else end + (3 if comment else 1)
        parts.append(text[position:start])
        position = end
        if name in _BLOCKS:
            blocks = True
            parts.append("\0")
        elif name in _HIDDEN and not closing and text[end - 2] != "/":
            close = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(text, end)
            position = close.end() if close else len(text)
        elif name in ("td", "th"):
            parts.append(" ")
    parts.append(text[position:])
    joined = "".join(parts)
    # In HTML a line break of the source is a space; where nothing else breaks lines, the author meant it.
    return _SPACE.sub(" ", joined).replace("\0", "\n") if blocks else joined


def _tag_end(text: str, position: int, end: int) -> int:
    """Where a tag ends, given its first ``>``: one inside a quoted attribute does not count. A few tries only, so
    that a stray quote costs its own tag and not the rest of the text."""
    first = end
    for _ in range(8):
        inside = text[position:end]
        if inside.count('"') % 2 == 0 and (inside.count("'") % 2 == 0 or '"' in inside):
            return end + 1
        if end - position > 4096:
            break
        end = text.find(">", end + 1)
        if end < 0:
            break
    return first + 1
