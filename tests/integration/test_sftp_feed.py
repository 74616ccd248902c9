"""Feeds over SFTP, read from a real server in this process."""

from __future__ import annotations

import gzip
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sftp_host import PASSWORD, SftpHost, new_key, set_aside
from worker.errors import ShelfbeatError, StoreIncomplete, StoreRefused, Transient
from worker.stores import StoreConfig
from worker.stores.dialing import Deadline
from worker.stores.feed import KIND, Feed
from worker.stores.feed.sftp import Sftp, _Line
from worker.stores.http import Bounds

pytestmark = pytest.mark.integration

FEED = b"id,title,price,availability\na,Red shirt,9.99 USD,in stock\nb,Cap,5 USD,in stock\n"
LONG = b"id,title\n" + b"".join(b"%06d,A shirt of many colours\n" % number for number in range(9_000))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SftpHost]:
    root = tmp_path / "root"
    root.mkdir()
    (root / "feed.csv").write_bytes(FEED)
    set_aside(root / "feed.csv")
    with SftpHost(root).serving() as made:
        yield made


def config(host: SftpHost, tmp_path: Path, path: str = "/feed.csv", **changes: Any) -> StoreConfig:
    options = {"host_key": host.fingerprint, **changes.pop("options", {})}
    given = {"secret": PASSWORD, "allowed_networks": ("127.0.0.0/8",), **changes}
    made = StoreConfig(host.url(path), options, None, spool_dir=str(tmp_path / "spool"), **given)
    KIND.check(made)
    return made


def refusal(made: StoreConfig, **limits: Any) -> ShelfbeatError:
    """What reading the file raises, with nothing in it that is secret."""
    with pytest.raises(ShelfbeatError) as caught:
        Sftp(made, **limits).read(io.BytesIO())
    assert "canary" not in f"{caught.value!r}{caught.value}"
    assert "feeds@" not in str(caught.value)
    assert "PRIVATE KEY" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("path", "data"),
    [("/feed.csv", FEED), ("/out/feed.csv.gz", gzip.compress(FEED)), ("/my feed?.csv", FEED)],
    ids=["plain", "packed", "escaped"],
)
def test_a_feed_is_read_like_any_other(host: SftpHost, tmp_path: Path, path: str, data: bytes) -> None:
    file = host.root / path.lstrip("/")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    feed = Feed(config(host, tmp_path, path.replace(" ", "%20").replace("?", "%3F")))
    page = feed.full(None)
    assert [(record.retailer_id, feed.fields(record)["title"]) for record in page.records] == [
        ("a", "Red shirt"), ("b", "Cap"),
    ]  # fmt: skip
    assert page.last
    feed.close()
    assert host.logins == ["password"]


def test_a_file_of_many_blocks_arrives_whole(host: SftpHost, tmp_path: Path) -> None:
    (host.root / "feed.csv").write_bytes(LONG)
    sink = io.BytesIO()
    Sftp(config(host, tmp_path)).read(sink)
    assert sink.getvalue() == LONG
    assert host.calls.count("read") > 4


def test_an_unchanged_file_costs_one_question(host: SftpHost, tmp_path: Path) -> None:
    feed = Feed(config(host, tmp_path))
    first = feed.full(None)
    host.calls.clear()
    again = feed.changed(first.watermark, None)
    assert (again.unmodified, again.records, again.watermark) == (True, (), first.watermark)
    assert host.calls == ["stat"]
    set_aside(host.root / "feed.csv", 1_700_000_001)
    assert len(feed.changed(first.watermark, None).records) == 2
    feed.close()


def test_a_file_that_was_written_just_now_is_read_again(host: SftpHost, tmp_path: Path) -> None:
    """Another of the same size may take its place within the same second."""
    os.utime(host.root / "feed.csv")
    feed = Feed(config(host, tmp_path))
    assert feed.full(None).watermark is None
    feed.close()


@pytest.mark.invariant("I14")
def test_another_host_key_is_shown_no_credential(host: SftpHost, tmp_path: Path) -> None:
    seen = host.fingerprint
    other = f"SHA256:{'A' * 43}"
    error = refusal(config(host, tmp_path, options={"host_key": other}))
    assert type(error) is StoreRefused
    assert error.message == (
        f"sftp://127.0.0.1:{host.port}/feed.csv shows the host key {seen}, "
        "which is not the one of the shop's option host_key."
    )
    assert (host.connections, host.logins, host.calls) == (1, [], [])


@pytest.mark.fault("S23")
def test_a_wrong_password_is_refused_with_what_to_do(host: SftpHost, tmp_path: Path) -> None:
    error = refusal(config(host, tmp_path, secret="canary-other"))
    assert type(error) is StoreRefused
    assert "refuses our credentials" in error.message
    assert error.action == "Give the shop a valid store secret."
    assert host.calls == []


def test_a_private_key_logs_in_and_another_does_not(host: SftpHost, tmp_path: Path) -> None:
    host.user_key, secret = new_key()
    sink = io.BytesIO()
    Sftp(config(host, tmp_path, secret=secret)).read(sink)
    assert sink.getvalue() == FEED
    assert set(host.logins) == {"key"}
    assert type(refusal(config(host, tmp_path, secret=new_key()[1]))) is StoreRefused


def test_a_file_that_is_not_there_is_told(host: SftpHost, tmp_path: Path) -> None:
    error = refusal(config(host, tmp_path, "/other.csv"))
    assert (type(error), error.message) == (StoreRefused, f"sftp://127.0.0.1:{host.port}/other.csv is not there.")


def test_a_folder_is_no_feed(host: SftpHost, tmp_path: Path) -> None:
    (host.root / "folder").mkdir()
    error = refusal(config(host, tmp_path, "/folder"))
    assert (type(error), error.message) == (StoreRefused, f"sftp://127.0.0.1:{host.port}/folder is not a file.")


def test_a_file_larger_than_a_feed_may_be_is_not_read(host: SftpHost, tmp_path: Path) -> None:
    error = refusal(config(host, tmp_path), bounds=Bounds(60, len(FEED) - 1, 1 << 20))
    assert type(error) is StoreIncomplete
    assert "open" not in host.calls


@pytest.mark.fault("S6")
def test_fewer_bytes_than_announced_are_no_feed(host: SftpHost, tmp_path: Path) -> None:
    host.on_read = lambda offset: b"" if offset else FEED[:40]
    error = refusal(config(host, tmp_path))
    assert type(error) is StoreIncomplete
    assert f"40 bytes of sftp://127.0.0.1:{host.port}/feed.csv came, and {len(FEED)} were announced." in error.message


def test_more_bytes_than_announced_are_no_feed_and_come_to_an_end(host: SftpHost, tmp_path: Path) -> None:
    host.on_read = lambda _: b"x" * (32 << 10)
    assert type(refusal(config(host, tmp_path))) is StoreIncomplete
    assert host.calls.count("read") == 1


def test_a_file_that_changes_while_it_is_read_is_read_another_time(host: SftpHost, tmp_path: Path) -> None:
    def replaced(offset: int) -> None:
        if offset == 0:
            set_aside(host.root / "feed.csv", 1_700_000_005)

    host.on_read = replaced
    error = refusal(config(host, tmp_path))
    assert type(error) is Transient
    assert error.message.endswith("was changed while it was read.")


@pytest.mark.fault("S5")
@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"silence_s": 1.0}, "did not answer in time"),
        ({"bounds": Bounds(1.0, 1 << 20, 1 << 20)}, "took too long to answer"),
    ],
    ids=["silence", "total"],
)
def test_a_server_that_stalls_is_left_within_the_limit(
    host: SftpHost, tmp_path: Path, limits: dict[str, Any], says: str
) -> None:
    leave = threading.Event()
    host.on_read = lambda _: b"" if leave.wait(60) else None
    error = refusal(config(host, tmp_path), **limits)
    leave.set()
    assert (type(error), says in error.message) == (Transient, True)


def test_a_server_that_hangs_up_is_asked_again_later(host: SftpHost, tmp_path: Path) -> None:
    host.on_read = lambda _: host.hang_up()
    error = refusal(config(host, tmp_path))
    assert (type(error), "broke off" in error.message) == (Transient, True)


@pytest.mark.fault("S4")
def test_a_server_that_is_not_there_is_asked_again_later(tmp_path: Path) -> None:
    host = SftpHost(tmp_path)
    with host.serving():
        pass
    assert type(refusal(config(host, tmp_path))) is Transient


@pytest.mark.fault("S20")
def test_an_inner_address_is_not_dialled(host: SftpHost, tmp_path: Path) -> None:
    error = refusal(config(host, tmp_path, allowed_networks=()))
    assert type(error) is StoreRefused
    assert "is not a public address" in error.message
    assert host.connections == 0


def test_prices_come_from_the_same_server_with_the_same_credential(host: SftpHost, tmp_path: Path) -> None:
    (host.root / "prices.csv").write_bytes(b"id,price,availability\na,8 USD,out of stock\n")
    options = {"volatile_url": host.url("/prices.csv"), "volatile_fields": "price,availability"}
    feed = Feed(config(host, tmp_path, options=options))
    (record,) = feed.volatile(None, None).records
    assert record.fields == {"price": "8 USD", "availability": "out of stock"}
    feed.close()


def test_a_server_that_sends_what_nobody_asked_for_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.stores.feed.sftp._SLACK_BYTES", 4)
    ours, theirs = socket.socketpair()
    deadline = Deadline()
    deadline.start(60)
    with theirs, _Line(ours, deadline, 60, lambda: 0.0) as line:
        theirs.sendall(b"0123456789")
        assert line.recv(5) == b"01234"
        assert line.recv(5) == b""
        assert line.cut == "sent more than was asked for"
