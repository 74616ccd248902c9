"""Feeds on disk, and what the store reads of them."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

from worker.stores import StoreConfig
from worker.stores.feed import Feed

HEADER = b"id,title,price,availability\n"
ROWS = b"a,Red shirt,9.99 USD,in stock\nb,Blue shirt,19.99 USD,out of stock\n"


def packed(body: bytes) -> bytes:
    """Without the time of day: what names a test is the same in every process that collects it."""
    return gzip.compress(body, mtime=0)


def local(tmp_path: Path, body: bytes, name: str = "feed.csv", **options: str) -> Feed:
    path = tmp_path / name
    path.write_bytes(body)
    return Feed(StoreConfig(str(path), options, None, None, str(tmp_path / "spool")))


def items(feed: Feed) -> dict[str, dict]:
    found, cursor = {}, None
    while True:
        page = feed.full(cursor)
        found.update({record.retailer_id: dict(feed.fields(record)) for record in page.records})
        if page.last:
            feed.close()
            return found
        cursor = page.cursor


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files:
            archive.writestr(name, body)
    return out.getvalue()


def nameless(archive: bytes) -> bytes:
    """The same archive, whose directory has its one file's name as a comment."""
    entry = archive.rindex(b"PK\x01\x02")
    name_bytes, extra_bytes = archive[entry + 28 : entry + 30], archive[entry + 30 : entry + 32]
    return archive[: entry + 28] + b"\0\0" + extra_bytes + name_bytes + archive[entry + 34 :]


def spooled(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "spool").iterdir()]


def many(count: int) -> bytes:
    return HEADER + b"".join(b"%d,Shirt,1 USD,in stock\n" % number for number in range(count))
