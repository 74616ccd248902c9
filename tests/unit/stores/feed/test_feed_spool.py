"""Where a feed's file comes from, when it is read anew, and how long its copy lasts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.feed_host import FeedHost
from tests.unit.stores.feed.feed_files import HEADER, ROWS, local, many, spooled
from worker.errors import BadInput, StoreRefused
from worker.stores import CursorExpired, StoreConfig
from worker.stores.feed import KIND, Feed


def test_a_file_that_is_the_same_as_before_is_not_read_again(tmp_path):
    feed = local(tmp_path, HEADER + ROWS)
    watermark = feed.full(None).watermark
    for page in (feed.changed(watermark, None), feed.volatile(watermark, None)):
        assert (page.unmodified, page.last, list(page.records), page.watermark) == (True, True, [], watermark)
    (tmp_path / "feed.csv").write_bytes(HEADER + ROWS + b"c,New,1 USD,in stock\n")
    page = feed.changed(watermark, None)
    assert (page.unmodified, len(page.records)) == (False, 3)
    assert page.watermark not in (None, watermark)
    feed.close()


def test_an_unchanged_remote_feed_costs_one_conditional_request(tmp_path):
    host = FeedHost(HEADER + ROWS, etag='"v1"')
    feed = Feed(StoreConfig("https://shop.example/feed.csv", {}, None, None, str(tmp_path / "spool")), host)
    watermark = feed.full(None).watermark
    assert feed.volatile(watermark, None).unmodified
    assert [request.headers.get("if-none-match") for request in host.asked] == [None, '"v1"']
    host.headers["etag"] = '"v2"'
    assert not feed.volatile(watermark, None).unmodified
    feed.close()


@pytest.mark.parametrize(("date", "given"), [("12:00:01", False), ("12:00:30", True)])
def test_a_modification_date_counts_only_once_its_second_has_passed(tmp_path, date, given):
    host = FeedHost(
        HEADER + ROWS,
        last_modified="Sat, 21 Nov 2026 12:00:00 GMT",
        date=f"Sat, 21 Nov 2026 {date} GMT",
    )
    feed = Feed(StoreConfig("https://shop.example/feed.csv", {}, None, None, str(tmp_path / "spool")), host)
    assert (feed.full(None).watermark is not None) is given
    feed.close()


@pytest.mark.fault("S11")
def test_a_cursor_expires_with_the_file_it_points_into(tmp_path):
    first = local(tmp_path, many(1500))
    cursor = first.full(None).cursor
    first.close()
    for name in spooled(tmp_path):
        (tmp_path / "spool" / name).unlink()
    second = local(tmp_path, many(1501))
    with pytest.raises(CursorExpired):
        second.full(cursor)
    second.close()


def test_a_pull_goes_on_after_the_spooled_copy_is_lost_if_the_feed_is_the_same(tmp_path):
    first = local(tmp_path, many(1500))
    cursor = first.full(None).cursor
    first.close()
    for name in spooled(tmp_path):
        (tmp_path / "spool" / name).unlink()
    second = local(tmp_path, many(1500))
    assert [record.retailer_id for record in second.full(cursor).records] == [str(n) for n in range(1000, 1500)]
    second.close()
    assert spooled(tmp_path) == []


def test_the_spooled_copy_is_private_and_gone_after_the_last_page(tmp_path):
    feed = local(tmp_path, many(1500))
    page = feed.full(None)
    (name,) = spooled(tmp_path)
    assert (tmp_path / "spool" / name).stat().st_mode & 0o777 == 0o600
    feed.full(page.cursor)
    feed.close()
    assert spooled(tmp_path) == []


def test_root_bounds_paths_and_the_links_in_them(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "feed.csv").write_bytes(HEADER + ROWS)
    (inside / "feed.csv").symlink_to(outside / "feed.csv")
    for path in (inside / "feed.csv", inside / ".." / "out" / "feed.csv"):
        config = StoreConfig(str(path), {"root": str(inside)}, None, None, str(tmp_path / "spool"))
        with pytest.raises(BadInput, match="lies outside of"):
            KIND.check(config)
        feed = Feed(config)
        with pytest.raises(StoreRefused, match="lies outside of"):
            feed.full(None)
        feed.close()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_only_files_are_read(tmp_path, make):
    path = tmp_path / "feed.csv"
    make(path)
    feed = Feed(StoreConfig(str(path), {}, None, None, str(tmp_path / "spool")))
    with pytest.raises(StoreRefused, match="is not a file"):
        feed.full(None)
    feed.close()


def test_a_file_that_is_not_there_is_named(tmp_path):
    feed = Feed(StoreConfig(str(tmp_path / "none.csv"), {}, None, None, str(tmp_path / "spool")))
    with pytest.raises(StoreRefused, match=r"none\.csv cannot be read: no such file or directory"):
        feed.full(None)
    feed.close()


@pytest.mark.parametrize(
    "url", ["", "ftp://shop.example/feed.csv", "https://user:pass@shop.example/feed.csv", "https:///feed.csv"]
)
def test_addresses_that_can_never_work_are_refused_without_a_request(url, tmp_path):
    with pytest.raises(BadInput) as caught:
        KIND.check(StoreConfig(KIND.canonical_url(url), {}, None, None, str(tmp_path)))
    assert "pass" not in str(caught.value).replace("password", "")


def test_a_local_path_is_kept_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert KIND.canonical_url("feed.csv") == str(tmp_path / "feed.csv")
    assert KIND.canonical_url("file:///data/feed.csv") == "/data/feed.csv"
