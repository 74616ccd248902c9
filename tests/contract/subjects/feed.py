"""Feeds, in every format."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.fakes.feed_host import FeedHost
from worker.stores import Store, StoreConfig
from worker.stores.feed import Feed

# How each kind of XML feed begins, names an item, and ends. Prefixes are the exporter's choice.
MARKUP = {
    "xml": ('<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>', "item", "g:",
            "</channel></rss>"),
    "atom": ('<feed xmlns="http://www.w3.org/2005/Atom" xmlns:shop="http://base.google.com/ns/1.0"><title>Shop</title>',
             "entry", "shop:", "</feed>"),
}  # fmt: skip


def markup(form: str, columns: list[str], rows: list[list[Any]], *, spoil: bool) -> str:
    head, item, prefix, tail = MARKUP[form]
    texts = []
    for number, row in enumerate(rows):
        inner = "".join(
            f"<{prefix}{name}>{escape(value)}</{prefix}{name}>\n" for name, value in zip(columns, row, strict=True)
        )
        # Whole XML can hold an item that is none: one that never ends being a list.
        more = "<x/>" * 10_001 if spoil and number == BAD else ""
        texts.append(f"<{item}>{inner}{more}</{item}>\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{"".join(texts)}{tail}\n'


def packed(body: bytes, packing: str) -> bytes:
    if packing == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("products", body)
        return out.getvalue()
    return gzip.compress(body) if packing == "gz" else body


class FeedSubject(Subject):
    """A feed in one format, remote or local; with ``auth`` its credential travels in a header."""

    follows_redirects = True

    def __init__(self, form: str, tmp_path: Path, *, remote: bool = True, auth: str | None = None) -> None:
        self.form, self.remote, self.spool = form, remote, tmp_path / "spool"
        self.path = tmp_path / f"feed.{form}"
        self.options = {"auth": auth} if auth else {}
        self.secret_in_address = remote and not auth
        self.fake = FeedHost()

    def fill(self, count: int, *, spoil: bool = False, without: Container[int] = ()) -> None:
        rows = [self._row(number) for number in range(count) if number not in without]
        columns = ["id", "title", "price", "availability", "sku"]
        form, _, packing = self.form.partition(".")
        if form == "ndjson":
            lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
            if spoil:
                lines[BAD] = '{"id": "7", "title": "Item'
            text = "".join(f"{line}\n" for line in lines)
        elif form in MARKUP:
            text = markup(form, columns, rows, spoil=spoil)
        else:
            out = io.StringIO()
            writer = csv.writer(out, delimiter="\t" if form == "tsv" else ",")
            writer.writerow(columns)
            if spoil:
                rows[BAD].append("a cell too many")
            writer.writerows(rows)
            text = out.getvalue()
        body = text.encode()
        self.fake.body = packed(body, packing)
        self.path.write_bytes(self.fake.body)

    def open(self) -> Store:
        query = f"?key={SECRET}" if self.secret_in_address else ""
        url = f"https://shop.example/feed.{self.form}{query}" if self.remote else str(self.path)
        secret = f"shop:{SECRET}" if self.options else None
        return Feed(StoreConfig(url, self.options, None, secret, str(self.spool)), self.fake if self.remote else None)

    def touch(self, number: int) -> None:
        """A feed has no change times: its delta reads it whole."""

    @staticmethod
    def _row(number: int) -> list[Any]:
        # A quote, a comma, a line break and letters beyond ASCII, as real titles have.
        return [str(number), f'Item {number}, 5" größe', f"{number}.50 USD", "in stock", f"S{number}"]

    @staticmethod
    def title(number: int) -> str:
        return f'Item {number}, 5" größe'
