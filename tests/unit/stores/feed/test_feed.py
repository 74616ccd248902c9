"""What a feed has to be before anything in it is believed, and the dresses it may come in."""

from __future__ import annotations

import gzip

import httpx
import pytest

from tests.fakes.feed_host import FeedHost
from tests.unit.stores.feed.feed_files import HEADER, ROWS, items, local, nameless, packed, spooled, zipped
from worker.errors import StoreIncomplete
from worker.stores import StoreConfig
from worker.stores.feed import Feed


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
        (packed(HEADER + ROWS)[:-9], "gzip"),
        (packed(HEADER + ROWS)[:-4] + b"\0\0\0\0", "gzip"),
        (packed(b""), "empty once unpacked"),
        (nameless(zipped(("feed.csv", HEADER + ROWS))), "ZIP archive is broken"),
    ],
)
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6", "S7")
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
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_ndjson_that_is_not_whole_is_refused(tmp_path, body):
    feed = local(tmp_path, body, "feed.ndjson")
    with pytest.raises(StoreIncomplete):
        feed.full(None)
    feed.close()


@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_fewer_bytes_than_announced_are_refused(tmp_path):
    host = FeedHost(HEADER + ROWS, content_length="9999")
    feed = Feed(StoreConfig("https://shop.example/feed.csv", {}, None, None, str(tmp_path / "spool")), host)
    with pytest.raises(StoreIncomplete, match="of 9999 announced bytes"):
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
        packed((HEADER + ROWS).replace(b"\n", b"\r")),
        b"\n\n" + HEADER + b"\n" + ROWS.replace(b"\n", b"\n\n") + b"\n,,,\n",
        b"\xef\xbb\xbf" + HEADER + ROWS,
        (HEADER + ROWS).decode().encode("utf-16"),
        packed(HEADER) + packed(ROWS) + b"\0" * 100,
        (HEADER + ROWS).replace(b",", b";"),
        (HEADER + ROWS).replace(b",", b"\t"),
        b"# Required | A unique id,# Required | A title,,\n" + HEADER + ROWS,
        HEADER + b"# A unique id,# A title,# A price,# in stock\n" + ROWS,
        b'"id","title","price","availability"\n' + ROWS,
        b"g:ID,Title,g:price,Availability\n" + ROWS,
        b"retailer_id,title,price,availability\n" + ROWS,
    ],
)
@pytest.mark.fault("S8")
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


@pytest.mark.invariant("I14")
@pytest.mark.fault("S17")
@pytest.mark.parametrize(
    ("field", "says"),
    [
        pytest.param(b'"' + b"a long story\n" * (1 << 20), "a quote is opened and never closed", id="quoted"),
        pytest.param(b"x" * (12 << 20), "a line is longer than 8 MB", id="plain"),
    ],
)
def test_a_field_without_an_end_is_refused_before_the_first_page(tmp_path, field, says):
    feed = local(tmp_path, HEADER + ROWS + b"c," + field)
    with pytest.raises(StoreIncomplete, match=says):
        feed.full(None)
    feed.close()


@pytest.mark.invariant("I14")
@pytest.mark.fault("S17")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"id,title" + b",image[0].url" * 500_000, id="columns"),
        pytest.param(b"id,title," + b"x" * (1 << 20), id="name"),
    ],
)
def test_a_header_of_enormous_size_is_refused_in_one_sentence(tmp_path, header):
    feed = local(tmp_path, header + b"\n" + ROWS)
    with pytest.raises(StoreIncomplete, match="1,000 at most"):
        feed.full(None)
    feed.close()


@pytest.mark.parametrize("pack", [gzip.compress, lambda body: zipped(("feed.csv", body))], ids=["gzip", "zip"])
@pytest.mark.fault("S18")
def test_a_bomb_is_stopped(tmp_path, pack):
    body = HEADER + b"a," + b" " * (40 << 20) + b",1 USD,in stock\n"
    feed = local(tmp_path, pack(body), "feed.csv")
    with pytest.raises(StoreIncomplete, match="unpacks to more"):
        feed.full(None)
    feed.close()


@pytest.mark.fault("S7")
def test_a_web_page_with_status_200_is_no_feed(tmp_path):
    host = FeedHost()
    host.override = httpx.Response(200, stream=httpx.ByteStream(b"\n <html>Please log in</html>"))
    feed = Feed(StoreConfig("https://shop.example/feed.csv", {}, None, None, str(tmp_path / "spool")), host)
    with pytest.raises(StoreIncomplete, match="web page"):
        feed.full(None)
    feed.close()
