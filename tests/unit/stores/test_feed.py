"""What a feed has to be before anything in it is believed, and what becomes of its columns."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import httpx
import pytest

from tests.fakes.feed_host import FeedHost
from worker.errors import BadInput, StoreIncomplete, StoreRefused
from worker.stores import CursorExpired, StoreConfig, UnreadableRecord
from worker.stores.feed import KIND, Feed

HEADER = b"id,title,price,availability\n"
ROWS = b"a,Red shirt,9.99 USD,in stock\nb,Blue shirt,19.99 USD,out of stock\n"


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


def spooled(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "spool").iterdir()]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no bytes"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "web page"),
        (b"PK\x03\x04 zipped", "ZIP"),
        (b"\x89PNG\r\n\x1a\n binary", "no header"),
        (b"name,cost\nx,1\n", "no header"),
        (b"id\na\n", "no header"),
        (HEADER + b"a,Red shirt,9.99 USD\n", "last record has 3 fields where the header has 4"),
        (HEADER + ROWS + b"c,Gree", "last record has 2 fields where the header has 4"),
        (HEADER + ROWS + b'c,"Green shirt,9.99 USD,in stock\n', "quote is opened and never closed"),
        (HEADER + b'a,"Red shirt,1 USD,in stock\nb,"Blue shirt",2 USD,in stock\n', "quote is opened and never closed"),
        ((HEADER + ROWS).replace(b"\n", b"\r") + b'c,"Two\nlines",9.99 USD,in stock\r', "carriage returns alone"),
        (b"id,title\ra,Red\rb,Blue\n", "carriage returns alone"),
        (gzip.compress(HEADER + ROWS)[:-9], "gzip"),
        (gzip.compress(HEADER + ROWS)[:-4] + b"\0\0\0\0", "gzip"),
        (gzip.compress(b""), "empty once unpacked"),
    ],
)
def test_a_feed_that_is_not_whole_is_refused_before_its_first_page(tmp_path, body, says):
    feed = local(tmp_path, body)
    with pytest.raises(StoreIncomplete) as caught:
        feed.full(None)
    assert says in caught.value.message
    feed.close()
    assert spooled(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "a", "title": "Red shirt"}\n{"id": "b", "ti',
        b'{"id": "a", "title": "Red shirt"}\n[1, 2]\n',
        b'[{"id": "a"}]',
        b'{"title": "nameless"}\n',
        b"id,title\na,Red shirt\n",
    ],
)
def test_ndjson_that_is_not_whole_is_refused(tmp_path, body):
    feed = local(tmp_path, body, "feed.ndjson")
    with pytest.raises(StoreIncomplete):
        feed.full(None)
    feed.close()


def test_fewer_bytes_than_announced_are_refused(tmp_path):
    host = FeedHost(HEADER + ROWS, content_length="9999")
    feed = Feed(StoreConfig("https://shop.example/feed.csv", {}, None, None, str(tmp_path / "spool")), host)
    with pytest.raises(StoreIncomplete, match="of 9999 announced bytes"):
        feed.full(None)
    feed.close()


@pytest.mark.parametrize("body", [b'<?xml version="1.0"?><rss></rss>', b"<feed xmlns='x'></feed>"])
def test_rss_and_atom_are_refused_in_one_sentence(tmp_path, body):
    feed = local(tmp_path, body, "feed.xml")
    with pytest.raises(BadInput, match="RSS and Atom feeds are not supported yet"):
        feed.full(None)
    feed.close()


@pytest.mark.parametrize(
    "body",
    [
        HEADER + ROWS,
        HEADER + ROWS.rstrip(b"\n"),
        HEADER.replace(b"\n", b"\r\n") + ROWS.replace(b"\n", b"\r\n"),
        (HEADER + ROWS).replace(b"\n", b"\r"),
        (HEADER + ROWS).replace(b"\n", b"\r").rstrip(),
        (HEADER + ROWS).replace(b"\n", b"\r\r\n"),
        (HEADER + ROWS).decode().replace("\n", "\r").encode("utf-16"),
        gzip.compress((HEADER + ROWS).replace(b"\n", b"\r")),
        b"\n\n" + HEADER + b"\n" + ROWS.replace(b"\n", b"\n\n") + b"\n,,,\n",
        b"\xef\xbb\xbf" + HEADER + ROWS,
        (HEADER + ROWS).decode().encode("utf-16"),
        gzip.compress(HEADER) + gzip.compress(ROWS) + b"\0" * 100,
        (HEADER + ROWS).replace(b",", b";"),
        (HEADER + ROWS).replace(b",", b"\t"),
        b"# Required | A unique id,# Required | A title,,\n" + HEADER + ROWS,
        HEADER + b"# A unique id,# A title,# A price,# in stock\n" + ROWS,
        b'"id","title","price","availability"\n' + ROWS,
        b"g:ID,Title,g:price,Availability\n" + ROWS,
        b"retailer_id,title,price,availability\n" + ROWS,
    ],
)
def test_the_same_two_items_in_every_dress(tmp_path, body):
    assert items(local(tmp_path, body)) == {
        "a": {"id": "a", "title": "Red shirt", "price": "9.99 USD", "availability": "in stock"},
        "b": {"id": "b", "title": "Blue shirt", "price": "19.99 USD", "availability": "out of stock"},
    }


@pytest.mark.parametrize("name", ["feed", "feed.csv", "feed.txt", "feed.csv.gz", "feed.dat"])
def test_content_decides_where_the_name_does_not(tmp_path, name):
    assert set(items(local(tmp_path, HEADER + ROWS, name))) == {"a", "b"}


def test_ndjson_is_known_by_its_content(tmp_path):
    found = items(local(tmp_path, b'{"id": 12, "title": "x", "price": 9.99}\n', "feed"))
    assert found == {"12": {"id": 12, "title": "x", "price": 9.99}}


def test_ndjson_of_an_old_mac_is_read(tmp_path):
    found = items(local(tmp_path, b'{"id": "a", "title": "x"}\r{"id": "b", "title": "y"}\r', "feed.ndjson"))
    assert found == {"a": {"id": "a", "title": "x"}, "b": {"id": "b", "title": "y"}}


def test_the_last_record_of_an_old_mac_has_to_be_whole_too(tmp_path):
    feed = local(tmp_path, (HEADER + ROWS + b"c,Gree").replace(b"\n", b"\r"))
    with pytest.raises(StoreIncomplete, match="last record has 2 fields where the header has 4"):
        feed.full(None)
    feed.close()


def test_a_carriage_return_inside_a_column_name_is_no_line_end(tmp_path):
    body = b'id,"my\rtitle",title,price\na,x,Red shirt,1 USD\n'
    found = items(local(tmp_path, body))
    assert (found["a"]["title"], found["a"]["price"]) == ("Red shirt", "1 USD")


def test_nested_columns_become_nested_values(tmp_path):
    body = (
        b"id,title,image[1].url,image[0].url,image[0].tag[0],applink.ios_url,video[0].url,importer_address.city\n"
        b"a,x,https://i.example/2.jpg,https://i.example/1.jpg,front,app://a,,Pune\n"
    )
    assert items(local(tmp_path, body))["a"] == {
        "id": "a",
        "title": "x",
        "image": [{"url": "https://i.example/1.jpg", "tag": ["front"]}, {"url": "https://i.example/2.jpg"}],
        "applink": {"ios_url": "app://a"},
        "importer_address": {"city": "Pune"},
    }


def test_old_and_googles_names_become_metas(tmp_path):
    body = b"id,title,inventory,visibility,g:image link\na,x,4,hidden,https://i.example/1.jpg\nb,y,5,published,\n"
    found = items(local(tmp_path, body))
    assert found["a"] == {
        "id": "a", "title": "x", "quantity_to_sell_on_facebook": "4", "status": "archived",
        "image_link": "https://i.example/1.jpg",
    }  # fmt: skip
    assert found["b"]["status"] == "active"


def test_the_proper_column_wins_over_its_alias_and_id_over_its_own(tmp_path):
    body = b"product_id,inventory,id,quantity_to_sell_on_facebook,title\nwrong,1,a,2,x\n"
    assert items(local(tmp_path, body)) == {
        "a": {"id": "a", "quantity_to_sell_on_facebook": "2", "title": "x"},
    }


def test_quotes_commas_and_line_breaks_inside_a_cell_survive(tmp_path):
    body = HEADER + b'a,"Line one\r\nline ""two"", end",1 USD,in stock\nb,5" screen,2 USD,in stock\n'
    found = items(local(tmp_path, body))
    assert found["a"]["title"] == 'Line one\nline "two", end'
    assert found["b"]["title"] == '5" screen'


def test_bytes_that_are_not_utf8_are_replaced_in_their_field_with_a_notice(tmp_path):
    feed = local(tmp_path, HEADER + b"a,Caf\xe9,1 USD,in stock\nb,Tea,2 USD,in stock\n")
    page = feed.full(None)
    assert feed.fields(page.records[0])["title"] == "Caf\ufffd"
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [("a", "encoding.replaced")]
    assert "in title;" in page.notices[0].message
    feed.close()


def test_ndjson_repairs_what_no_database_takes(tmp_path):
    body = b'{"id": "a", "title": "x\\u0000y\\ud800", "price": NaN}\n{"id": "b", "title": "Caf\xe9"}\n'
    feed = local(tmp_path, body, "feed.ndjson")
    page = feed.full(None)
    assert feed.fields(page.records[0]) == {"id": "a", "title": "x\ufffdy\ufffd"}
    assert feed.fields(page.records[1])["title"] == "Caf\ufffd"
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [("b", "encoding.replaced")]
    feed.close()


def test_a_record_without_an_id_is_counted_and_noticed_and_never_guessed(tmp_path):
    feed = local(tmp_path, HEADER + b",Nameless,1 USD,in stock\n" + b"x" * 300 + b",Long,1 USD,in stock\n" + ROWS)
    page = feed.full(None)
    assert [record.retailer_id for record in page.records] == ["a", "b"]
    assert page.unidentified == 2
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [("", "id.missing"), ("", "id.too_long")]
    feed.close()


def test_a_repeated_id_is_passed_on(tmp_path):
    feed = local(tmp_path, HEADER + ROWS + ROWS)
    assert [record.retailer_id for record in feed.full(None).records] == ["a", "b", "a", "b"]
    feed.close()


def test_a_shifted_record_is_unreadable_rather_than_believed(tmp_path):
    feed = local(tmp_path, HEADER + b"a,Shirt, red,9.99 USD,in stock\n" + ROWS)
    with pytest.raises(UnreadableRecord, match="5 fields where the header has 4"):
        feed.fields(feed.full(None).records[0])
    feed.close()


def test_the_same_line_under_another_header_has_other_bytes(tmp_path):
    first = local(tmp_path, HEADER + ROWS)
    one = first.full(None).records[0]
    second = local(tmp_path, b"id,description,price,availability\n" + ROWS)
    other = second.full(None).records[0]
    assert one.retailer_id == other.retailer_id
    assert one.raw != other.raw
    first.close()
    second.close()


def test_a_very_long_text_neither_fails_nor_fills_the_page(tmp_path):
    row = b"%d," + b"x" * (5 << 20) + b",1 USD,in stock\n"
    feed = local(tmp_path, HEADER + b"".join(row % number for number in range(4)))
    sizes, cursor = [], None
    while True:
        page = feed.full(cursor)
        sizes.append(len(page.records))
        if page.last:
            break
        cursor = page.cursor
    assert sizes == [2, 2]
    feed.close()


def test_a_bomb_is_stopped(tmp_path):
    bomb = gzip.compress(HEADER + b"a," + b" " * (40 << 20) + b",1 USD,in stock\n")
    feed = local(tmp_path, bomb, "feed.csv.gz")
    with pytest.raises(StoreIncomplete, match="unpacks to more"):
        feed.full(None)
    feed.close()


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


def many(count: int) -> bytes:
    return HEADER + b"".join(b"%d,Shirt,1 USD,in stock\n" % number for number in range(count))


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


def test_a_web_page_with_status_200_is_no_feed(tmp_path):
    host = FeedHost()
    host.override = httpx.Response(200, stream=httpx.ByteStream(b"\n <html>Please log in</html>"))
    feed = Feed(StoreConfig("https://shop.example/feed.csv", {}, None, None, str(tmp_path / "spool")), host)
    with pytest.raises(StoreIncomplete, match="web page"):
        feed.full(None)
    feed.close()
