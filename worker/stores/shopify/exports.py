"""Exports that Shopify makes in the background ("bulk operations"), brought to disk and read by parent.

An export is a file of JSON lines: every object of every connection is a line of its own, and ``__parentId`` names the
object it belongs to, which stands somewhere before it. Ungrouped, because grouping "slows down bulk operations and
increases the likelihood of timeouts" (schema, ``bulkOperationRunQuery``); an index on disk finds the children, so
memory does not grow with the file. Files are there for seven days, so a pull goes on wherever its next slice runs.

An export that an earlier attempt left running is never adopted: what it says may be older than what was read since.
Shopify runs five at once, and tells us to wait beyond that.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import xxhash

from worker.errors import Permanent, StoreIncomplete, StoreRefused, Transient
from worker.stores.contract import CursorExpired, StoreConfig
from worker.stores.http import FILE, StoreHttp
from worker.stores.payload import decode
from worker.stores.shopify.api import Api
from worker.stores.shopify.item import number_of
from worker.stores.shopify.queries import EXPORT, RUN_EXPORT

_PATIENCE = timedelta(hours=6)
_STALE = timedelta(days=1)
_BUSY = frozenset({"OPERATION_IN_PROGRESS", "LIMIT_REACHED"})
_AT_WORK = frozenset({"CREATED", "RUNNING", "CANCELING"})


@dataclass(frozen=True, slots=True)
class Ready:
    """A finished export: where it lies (None: it has no lines), and how many lines and roots it must have."""

    url: str | None
    lines: int
    roots: int


class Exports:
    """One shop's exports.

    Args:
        transport: Takes the place of the network in tests.
    """

    def __init__(self, config: StoreConfig, api: Api, transport: httpx.BaseTransport | None = None) -> None:
        self._api = api
        self._secure = config.url.startswith("https:")
        self._dir = Path(config.spool_dir)
        self._prefix = f"shopify-{xxhash.xxh3_64_hexdigest(config.url.encode())}-"
        # Connections of their own: the files lie elsewhere, where our token has no business.
        self._http = StoreHttp(config.allowed_networks, transport=transport)

    def close(self) -> None:
        self._http.close()

    def start(self, document: str) -> str | None:
        """The number of a new export; None while Shopify makes as many for us as it will."""
        payload = self._api.ask(RUN_EXPORT, {"query": document}).get("bulkOperationRunQuery")
        payload = payload if isinstance(payload, dict) else {}
        given = payload.get("userErrors")
        errors = [error for error in given if isinstance(error, dict)] if isinstance(given, list) else []
        if any(error.get("code") in _BUSY for error in errors):
            return None
        operation = payload.get("bulkOperation")
        number = number_of(operation.get("id")) if isinstance(operation, dict) else ""
        if errors or not number:
            raise Permanent(
                "Shopify does not accept our export.", action="Set the shop's option api_version to one it has."
            )
        return number

    def ready(self, number: str) -> Ready | None:
        """Whether the export is finished; None while it is not.

        Raises ``CursorExpired`` for one that is not there any more, ``StoreRefused`` for one that our access scopes
        do not cover, ``StoreIncomplete`` for one that failed: a partial file proves nothing and is never read.
        """
        found = self._api.ask(EXPORT, {"id": f"gid://shopify/BulkOperation/{number}"}).get("bulkOperation")
        if not isinstance(found, dict):
            raise CursorExpired
        status = found.get("status")
        if status in _AT_WORK:
            if self._overdue(found.get("createdAt")):
                raise StoreIncomplete(
                    f"Shopify has been making our export for more than {_PATIENCE.total_seconds() / 3600:.0f} hours.",
                    action="Ask Shopify's support about the bulk operation.",
                )
            return None
        if status == "EXPIRED":
            raise CursorExpired
        if status == "FAILED" and found.get("errorCode") == "ACCESS_DENIED":
            raise StoreRefused(
                "Shopify ended our export: the app may not read all of it.",
                action="Give the app the scope read_products.",
            )
        if status == "CANCELED":
            raise StoreIncomplete("Somebody canceled our export at Shopify.", action="Leave bulk operations alone.")
        if status != "COMPLETED":
            raise StoreIncomplete("Shopify could not finish our export.", action="The next pull tries again.")
        try:
            lines, roots = int(found["objectCount"]), int(found["rootObjectCount"])
        except (KeyError, TypeError, ValueError):
            raise StoreIncomplete("Shopify's export does not say how many objects it has.") from None
        if not lines:
            return Ready(None, lines, roots)
        url = found.get("url")
        if not isinstance(url, str):
            raise StoreIncomplete(f"Shopify's export has {lines} objects and no file.")
        if self._secure and not url.startswith("https:"):
            raise StoreIncomplete("Shopify's export has no https address.")
        return Ready(url, lines, roots)

    def find(self, number: str) -> ExportFile | None:
        """The copy that an earlier call of ``fetch`` left on this machine."""
        lines, index = self._paths(number)
        try:
            os.utime(lines)
            os.utime(index)
        except FileNotFoundError:
            return None
        return ExportFile(lines, index)

    def fetch(self, number: str, export: Ready) -> ExportFile:
        """Bring a finished export to disk. Raises ``StoreIncomplete`` unless every line of it came."""
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_stale()
        lines, index = self._paths(number)
        with tempfile.TemporaryDirectory(prefix="shopify-part-", dir=self._dir) as folder:
            arrived, indexed = Path(folder) / "lines", Path(folder) / "index"
            with arrived.open("wb") as sink:
                if export.url is not None:
                    try:
                        self._http.download(export.url, sink, {}, FILE)
                    except StoreRefused as error:
                        # The address is Shopify's, not the merchant's; a new look gives a new one.
                        raise Transient("Shopify's export could not be downloaded.") from error
            _index(arrived, indexed, export)
            arrived.replace(lines)
            indexed.replace(index)
        return ExportFile(lines, index)

    def discard(self, number: str) -> None:
        for path in self._paths(number):
            path.unlink(missing_ok=True)

    def _paths(self, number: str) -> tuple[Path, Path]:
        return self._dir / f"{self._prefix}{number}.jsonl", self._dir / f"{self._prefix}{number}.index"

    def _drop_stale(self) -> None:
        # A pull that was killed leaves its copy behind; nobody goes on with one after a day.
        oldest = time.time() - _STALE.total_seconds()
        for path in self._dir.glob("shopify-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime >= oldest:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _overdue(self, created: Any) -> bool:
        try:
            return self._api.clock is not None and self._api.clock - datetime.fromisoformat(created) > _PATIENCE
        except (TypeError, ValueError):
            return False


class _Line(msgspec.Struct):
    id: str | None = None
    parent: str = msgspec.field(name="__parentId", default="")


class ExportFile:
    """An export on disk with its index. Close it."""

    def __init__(self, lines: Path, index: Path) -> None:
        self._lines = lines.open("rb")
        # A pull asks for each page in another thread, one after the other.
        self._index = sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def close(self) -> None:
        self._lines.close()
        self._index.close()

    def roots(self, behind: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """The objects that have no parent, in the file's order, each with its number; from ``behind`` + 1 on."""
        query = "SELECT number, at, size FROM line WHERE parent = '' AND number > ? ORDER BY number"
        for number, at, size in self._index.execute(query, (behind,)):
            yield number, self._object(at, size)

    def children(self, parent: dict[str, Any]) -> Iterator[dict[str, Any]]:
        query = "SELECT at, size FROM line WHERE parent = ? ORDER BY number"
        for at, size in self._index.execute(query, (parent.get("id"),)):
            yield self._object(at, size)

    def _object(self, at: int, size: int) -> dict[str, Any]:
        self._lines.seek(at)
        value = decode(self._lines.read(size))
        return value if isinstance(value, dict) else {}


def _index(lines: Path, index: Path, export: Ready) -> None:
    """Write down where each line lies and whose child it is. Raises ``StoreIncomplete`` unless all are there."""
    connection = sqlite3.connect(index, isolation_level=None)
    try:
        # Whole or thrown away: nothing of it has to outlive a crash.
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute(
            "CREATE TABLE line (number INTEGER PRIMARY KEY, id TEXT, parent TEXT, at INTEGER, size INTEGER)"
        )
        connection.executemany("INSERT INTO line (id, parent, at, size) VALUES (?, ?, ?, ?)", _rows(lines))
        connection.execute("CREATE INDEX by_parent ON line (parent)")
        connection.execute("CREATE INDEX by_id ON line (id)")
        connection.execute("COMMIT")
        counted, roots = connection.execute("SELECT count(*), coalesce(sum(parent = ''), 0) FROM line").fetchone()
        orphans = connection.execute(
            "SELECT 1 FROM line AS child WHERE parent != ''"
            " AND NOT EXISTS (SELECT 1 FROM line WHERE id = child.parent) LIMIT 1"
        ).fetchone()
    finally:
        connection.close()
    if (counted, roots) != (export.lines, export.roots):
        raise StoreIncomplete(
            f"Shopify's export has {counted} objects, {roots} of them at its root, "
            f"where Shopify counts {export.lines} and {export.roots}."
        )
    if orphans:
        raise StoreIncomplete("Shopify's export has an object whose parent is missing.")


def _rows(lines: Path) -> Iterator[tuple[str | None, str, int, int]]:
    at = 0
    known = msgspec.json.Decoder(_Line)
    with lines.open("rb") as file:
        for raw in file:
            if raw.strip():
                try:
                    line = known.decode(raw)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    line = _repaired(raw)
                yield line.id, line.parent, at, len(raw)
            at += len(raw)


def _repaired(raw: bytes) -> _Line:
    try:
        return msgspec.convert(decode(raw), _Line)
    except (ValueError, msgspec.ValidationError):
        raise StoreIncomplete("Shopify's export has a line that is not a JSON object.") from None
