"""Bring a feed file into a private directory, unpacked and as UTF-8, and tell whether it is the same as before.

The file is judged and then read from one copy, so a feed that is replaced meanwhile cannot mix two states. The
copy outlives the process until its last page is read, because a long pull goes on in another task.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import xxhash

from worker.errors import StoreIncomplete, StoreRefused, Transient
from worker.stores.contract import StoreConfig
from worker.stores.feed.encoding import encoding_of, recoded
from worker.stores.feed.packing import unpacker
from worker.stores.feed.sftp_address import check_library, is_sftp
from worker.stores.http import FILE, StoreHttp, http_date

if TYPE_CHECKING:
    from worker.stores.feed.sftp import Sftp

_BLOCK = 1 << 20
_HEAD = 512
_STALE = timedelta(days=1)
# Times on an SFTP server have whole seconds, and its clock is not ours.
_SETTLED_S = 60


@dataclass(frozen=True, slots=True)
class Spooled:
    """A whole file in the spool.

    Attributes:
        path: Where it lies.
        digest: xxh3-128 of its unpacked bytes: the same digest is the same file.
        watermark: The validators it came with, None where it has none to rely on.
    """

    path: Path
    digest: str
    watermark: str | None


def is_remote(url: str) -> bool:
    """Whether it lies on another machine, http(s) or sftp."""
    return url.lower().startswith(("http://", "https://", "sftp://"))


def local_path(url: str) -> str:
    return url.removeprefix("file://")


class Spool:
    """The private directory, for one feed.

    Args:
        transport: Takes the place of the network in tests.
    """

    def __init__(self, config: StoreConfig, transport: httpx.BaseTransport | None = None) -> None:
        self._url = config.url
        self._root = config.options.get("root")
        self._dir = Path(config.spool_dir)
        self._prefix = f"feed-{xxhash.xxh3_64_hexdigest(config.url.encode())}-"
        self._http = self._sftp = None
        if is_sftp(config.url):
            self._sftp = _sftp(config)
        elif is_remote(config.url):
            self._http = StoreHttp(config.allowed_networks, headers=_credentials(config), transport=transport)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    def find(self, digest: str) -> Path | None:
        """The copy that an earlier call of ``fetch`` left, if it is still here."""
        path = self._path(digest)
        with suppress(FileNotFoundError):
            os.utime(path)
            return path
        return None

    def fetch(self, watermark: str | None = None) -> Spooled | None:
        """Copy the feed; None if it is what ``watermark`` says, at the cost of one request.

        Raises ``StoreIncomplete`` for no bytes, for fewer than announced and for a broken archive, ``StoreRefused``
        for a file that is not there or lies outside of ``root``, ``Transient`` for what may pass.
        """
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_stale()
        descriptor, name = tempfile.mkstemp(prefix="feed-", suffix=".part", dir=self._dir)
        arrived = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as sink:
                validators = self._arrive(sink, watermark)
                if validators is None:
                    return None
                digest = self._unpacked(sink)
            final = self._path(digest)
            arrived.replace(final)
            return Spooled(final, digest, validators or None)
        finally:
            arrived.unlink(missing_ok=True)

    def discard(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._dir / f"{self._prefix}{digest}.spool"

    def _drop_stale(self) -> None:
        # A pull that was killed leaves its copy behind; nobody goes on with one after a day.
        oldest = time.time() - _STALE.total_seconds()
        for path in self._dir.glob("feed-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _arrive(self, sink: IO[bytes], watermark: str | None) -> str | None:
        """Validators of what was written, "" where there are none, None for an unmodified file."""
        if self._http is not None:
            return self._download(self._http, sink, watermark)
        if self._sftp is not None:
            return _transfer(self._sftp, sink, watermark)
        return self._copy(sink, watermark)

    def _download(self, http: StoreHttp, sink: IO[bytes], watermark: str | None) -> str | None:
        known = _decode(watermark)
        conditions = {}
        if "etag" in known:
            conditions["if-none-match"] = str(known["etag"])
        if "modified" in known:
            conditions["if-modified-since"] = str(known["modified"])
        answer = http.download(self._url, sink, conditions, FILE)
        if answer.status == 304:
            return None
        validators: dict[str, Any] = {}
        if etag := answer.headers.get("etag"):
            validators["etag"] = etag
        modified = http_date(answer.headers.get("last-modified"))
        # RFC 9110 §8.8.2.2: a date is a strong validator only once its second has passed at the server; before
        # that the file may be replaced again under the same date.
        if modified and answer.date and answer.date - modified >= timedelta(seconds=2):
            validators["modified"] = answer.headers["last-modified"]
        return json.dumps(validators) if validators else ""

    def _copy(self, sink: IO[bytes], watermark: str | None) -> str | None:
        path = local_path(self._url)
        try:
            descriptor = os.open(self._bounded(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise StoreRefused(
                f"The feed {path} cannot be read: {(error.strerror or 'no such file').lower()}.",
                action="Correct the shop's store address or the file's permissions.",
                owner="operator",
            ) from error
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            os.close(descriptor)
            raise StoreRefused(f"The feed {path} is not a file.", action="Give the path of a file.", owner="operator")
        with os.fdopen(descriptor, "rb", buffering=0) as source:
            if _decode(watermark) == _identity(before):
                return None
            while block := source.read(_BLOCK):
                sink.write(block)
            if _identity(os.fstat(descriptor)) != _identity(before):
                raise Transient(f"The feed {path} was changed while it was read.")
            return json.dumps(_identity(before))

    def _bounded(self, path: str) -> str:
        real = os.path.realpath(path)
        if self._root is not None:
            root = os.path.realpath(self._root)
            if os.path.commonpath([root, real]) != root:
                raise StoreRefused(
                    f"The feed {path} lies outside of {self._root}.",
                    action="Move the file below it or change the shop's option root.",
                    owner="operator",
                )
        return real

    def _unpacked(self, sink: IO[bytes]) -> str:
        """Unpack and recode ``sink`` in place where needed; the digest of what it holds then."""
        sink.seek(0)
        head = sink.read(_HEAD)
        if not head:
            raise StoreIncomplete("The feed is empty: it has no bytes at all.", action="Check what writes the file.")
        if (unpacked := unpacker(head)) is not None:
            self._rewrite(sink, unpacked)
            sink.seek(0)
            head = sink.read(_HEAD)
            if not head:
                raise StoreIncomplete("The feed is empty once unpacked.", action="Check what writes the file.")
        encoding = encoding_of(head)
        if encoding is not None:
            self._rewrite(sink, lambda source: recoded(source, encoding))
        if _has_returns_alone(sink):
            self._rewrite(sink, _with_line_feeds)
        digest = xxhash.xxh3_128()
        sink.seek(0)
        while block := sink.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest()

    def _rewrite(self, sink: IO[bytes], pieces: Any) -> None:
        with tempfile.TemporaryFile(dir=self._dir) as packed:
            sink.seek(0)
            while block := sink.read(_BLOCK):
                packed.write(block)
            packed.seek(0)
            sink.seek(0)
            sink.truncate()
            for piece in pieces(packed):
                sink.write(piece)
        sink.flush()


def _sftp(config: StoreConfig) -> Sftp:
    check_library()
    from worker.stores.feed.sftp import Sftp  # noqa: PLC0415 - its library is an optional extra

    return Sftp(config)


def _transfer(sftp: Sftp, sink: IO[bytes], watermark: str | None) -> str | None:
    said = _decode(watermark)
    known = (said["size"], said["modified"]) if said.keys() == {"size", "modified"} else None
    state = sftp.read(sink, known)
    if state is None:
        return None
    # As with Last-Modified: a file may be replaced again under the same time, by one of the same size.
    settled = time.time() - state.modified >= _SETTLED_S
    return json.dumps({"size": state.size, "modified": state.modified}) if settled else ""


def _credentials(config: StoreConfig) -> dict[str, str]:
    """RFC 7617 and RFC 6750; sent to the address's own origin only."""
    scheme = config.options.get("auth")
    if scheme is None:
        return {}
    if not config.secret:
        raise StoreRefused(
            "The option auth needs the store's credential, and the shop has none.",
            action="Give it with: shop token SHOP --store-secret-env NAME.",
            owner="operator",
        )
    if scheme == "basic":
        return {"authorization": f"Basic {b64encode(config.secret.encode()).decode()}"}
    return {"authorization": f"Bearer {config.secret}"}


def _has_returns_alone(source: IO[bytes]) -> bool:
    """Whether carriage returns alone end the lines. For nearly every feed a look at its first block is enough."""
    source.seek(0)
    found = False
    while block := source.read(_BLOCK):
        if b"\n" in block:
            return False
        found = found or b"\r" in block
    return found


def _with_line_feeds(source: IO[bytes]) -> Iterator[bytes]:
    # Old Macs, and spreadsheets that still save like them, end lines with a carriage return alone.
    while block := source.read(_BLOCK):
        yield block.replace(b"\r", b"\n")


def _identity(status: os.stat_result) -> dict[str, int]:
    # ctime too: it moves where a copy keeps mtime and size.
    return {
        "size": status.st_size, "mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns, "inode": status.st_ino,
    }  # fmt: skip


def _decode(watermark: str | None) -> dict[str, Any]:
    try:
        value = json.loads(watermark or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
