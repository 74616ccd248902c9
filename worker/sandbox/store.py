"""The sample merchant's store: feeds of one catalog each, in every form the ``feed`` store kind reads."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import msgspec

from worker.sandbox.samples import Fields, awkward_items, sample_items

FORMS = ("csv", "tsv", "ndjson", "xml", "csv.gz", "tsv.gz", "ndjson.gz", "xml.gz")
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "xml": "application/rss+xml; charset=utf-8",
}
_COLUMNS = (
    "id title description availability condition price sale_price sale_price_effective_date link image_link "
    "additional_image_link brand item_group_id color size gender age_group material google_product_category "
    "product_type gtin mpn quantity_to_sell_on_facebook custom_label_0 status"
).split()


class Document(NamedTuple):
    body: bytes
    content_type: str
    etag: str
    modified_at: float
    """Seconds since 1970; moves by at least one with every change, so that whole seconds tell changes apart."""


class NoSuchItem(LookupError):
    """The feed or the item does not exist."""


class SampleStore:
    """Three feeds: ``feed`` in US dollars with the awkward items, ``feed-jpy`` and ``feed-kwd``. Not safe for threads.

    Args:
        items: About how many the first feed has; the others have a fifth of it.
    """

    def __init__(self, seed: int, items: int) -> None:
        self._feeds: dict[str, list[Fields]] = {
            "feed": [*sample_items("USD", items, seed), *awkward_items()],
            "feed-jpy": sample_items("JPY", items // 5, seed),
            "feed-kwd": sample_items("KWD", items // 5, seed),
        }
        self._modified_at = dict.fromkeys(self._feeds, float(int(time.time())))
        self._rendered: dict[tuple[str, str], Document] = {}

    @property
    def names(self) -> list[str]:
        return list(self._feeds)

    def document(self, feed: str, form: str, share: float = 1.0) -> Document:
        """The feed as a file. ``share`` keeps only that part of its items. Raises ``NoSuchItem``."""
        items = self.items(feed)
        if form not in FORMS:
            raise NoSuchItem(form)
        if share < 1:
            return self._render(feed, items[: int(len(items) * share)], form)
        if (feed, form) not in self._rendered:
            self._rendered[feed, form] = self._render(feed, items, form)
        return self._rendered[feed, form]

    def items(self, feed: str) -> list[Fields]:
        """The records in the feed's order; ids may repeat."""
        if feed not in self._feeds:
            raise NoSuchItem(feed)
        return self._feeds[feed]

    def add(self, feed: str, fields: Fields) -> Fields:
        """Append a record as it stands, also one with an id that exists."""
        self.items(feed).append(fields)
        self._changed(feed)
        return fields

    def change(self, feed: str, retailer_id: str, changes: Mapping[str, Any]) -> Fields:
        """Change the first record of this id; None removes a field."""
        item = next((item for item in self.items(feed) if item.get("id") == retailer_id), None)
        if item is None:
            raise NoSuchItem(retailer_id)
        changed = {name: value for name, value in {**item, **changes}.items() if value is not None}
        item.clear()
        item.update(changed)
        self._changed(feed)
        return item

    def remove(self, feed: str, retailer_id: str) -> int:
        """How many records had this id. Raises ``NoSuchItem`` for none."""
        before = self.items(feed)
        kept = [item for item in before if item.get("id") != retailer_id]
        if len(kept) == len(before):
            raise NoSuchItem(retailer_id)
        self._feeds[feed] = kept
        self._changed(feed)
        return len(before) - len(kept)

    def _changed(self, feed: str) -> None:
        self._modified_at[feed] = max(float(int(time.time())), self._modified_at[feed] + 1)
        self._rendered = {key: document for key, document in self._rendered.items() if key[0] != feed}

    def _render(self, feed: str, items: list[Fields], form: str) -> Document:
        plain, _, compressed = form.partition(".")
        body = _WRITERS[plain](items)
        content_type = _TYPES[plain]
        if compressed:
            body, content_type = gzip.compress(body, 6, mtime=0), "application/gzip"
        etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        return Document(body, content_type, etag, self._modified_at[feed])


def _lines(items: list[Fields]) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


def _table(items: list[Fields], delimiter: str) -> bytes:
    columns = list(dict.fromkeys([*_COLUMNS, *(name for item in items for name in item)]))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(item.get(name)) for name in columns] for item in items)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# Everything that XML 1.0 has no character for.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _rss(items: list[Fields]) -> bytes:
    """RSS 2.0 as shops write it: Google's names in Google's namespace, one element for each entry of a list."""
    root = ET.Element("rss", {"version": "2.0", "xmlns:g": "http://base.google.com/ns/1.0"})
    channel = ET.SubElement(root, "channel")
    ET.SubElement(channel, "title").text = "Sample store"
    for item in items:
        entry = ET.SubElement(channel, "item")
        for name, value in item.items():
            for part in value if isinstance(value, list) else [value]:
                if part is not None:
                    ET.SubElement(entry, f"g:{name}").text = _NOT_XML.sub("\ufffd", _cell(part))
    body: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return body


_WRITERS: Mapping[str, Callable[[list[Fields]], bytes]] = {
    "csv": partial(_table, delimiter=","),
    "tsv": partial(_table, delimiter="\t"),
    "ndjson": _lines,
    "xml": _rss,
}
