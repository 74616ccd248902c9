"""What a feed's options change: credentials, a second feed of prices and stock, rows of other countries."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from tests.fakes.feed_host import FeedHost
from worker.errors import BadInput, StoreRefused
from worker.items.prepare import prepare, prepare_volatile
from worker.stores import StoreConfig
from worker.stores.feed import KIND, Feed

URL = "https://shop.example/feed.csv"
FEED = (
    b"id,title,price,sale_price,availability,inventory\n"
    b"a,Red shirt,9.99 USD,7.99 USD,in stock,4\n"
    b"b,Cap,5 USD,,in stock,1\n"
)
BASIC = "feeds:canary-password"
TOKEN = "canary-token"
NAMES = "price,sale_price,availability"


def config(tmp_path: Path, url: str = URL, secret: str | None = None, **options: str) -> StoreConfig:
    return StoreConfig(url, options, None, secret, str(tmp_path / "spool"))


def local(tmp_path: Path, main: bytes, prices: bytes | None = None, name: str = "prices.csv", **options: str) -> Feed:
    (tmp_path / "feed.csv").write_bytes(main)
    if prices is not None:
        (tmp_path / name).write_bytes(prices)
        options = {"volatile_url": str(tmp_path / name), "volatile_fields": NAMES, **options}
    made = config(tmp_path, str(tmp_path / "feed.csv"), **options)
    KIND.check(made)
    return Feed(made)


@pytest.mark.parametrize(
    ("auth", "secret", "header"),
    [("basic", BASIC, f"Basic {b64encode(BASIC.encode()).decode()}"), ("bearer", TOKEN, f"Bearer {TOKEN}")],
)
@pytest.mark.invariant("I14")
def test_the_credential_goes_to_the_feeds_own_origin_and_to_no_other(tmp_path, auth, secret, header):
    host = FeedHost(FEED)
    made = config(
        tmp_path, secret=secret, auth=auth, volatile_url="https://prices.example/p.csv", volatile_fields=NAMES
    )
    KIND.check(made)
    feed = Feed(made, host)
    feed.full(None)
    feed.volatile(None, None)
    elsewhere = httpx.Response(302, headers={"location": "https://files.example/feed.csv"})

    def answer(request: httpx.Request) -> httpx.Response:
        host.asked.append(request)
        body = httpx.Response(200, stream=httpx.ByteStream(FEED))
        return elsewhere if request.url.host == "shop.example" else body

    feed._document._spool._http._transport = httpx.MockTransport(answer)
    feed.full(None)
    feed.close()
    assert [(str(request.url.host), request.headers.get("authorization")) for request in host.asked] == [
        ("shop.example", header),
        ("prices.example", None),
        ("shop.example", header),
        ("files.example", None),
    ]
    assert not any("canary" in str(request.url) for request in host.asked)


def test_prices_of_the_same_origin_get_the_credential_too(tmp_path):
    host = FeedHost(FEED)
    prices = "https://shop.example/prices.csv"
    feed = Feed(config(tmp_path, secret=TOKEN, auth="bearer", volatile_url=prices, volatile_fields=NAMES), host)
    feed.volatile(None, None)
    feed.close()
    assert [request.headers["authorization"] for request in host.asked] == [f"Bearer {TOKEN}"]


def test_a_shop_without_the_credential_that_auth_needs_is_told_so(tmp_path):
    with pytest.raises(StoreRefused, match="needs the store's credential"):
        Feed(config(tmp_path, auth="basic"), FeedHost(FEED))


@pytest.mark.parametrize(
    ("url", "secret", "options", "says"),
    [
        (URL, BASIC, {"auth": "digest"}, "either basic or bearer"),
        ("/data/feed.csv", BASIC, {"auth": "basic"}, "is for http"),
        (URL, "canary-without-colon", {"auth": "basic"}, "NAME:PASSWORD"),
        (URL, "canary:two\nlines", {"auth": "basic"}, "NAME:PASSWORD"),
        (URL, "canary with spaces", {"auth": "bearer"}, "no token has"),
        (URL, None, {"volatile_url": URL}, "need each other"),
        (URL, None, {"volatile_fields": NAMES}, "need each other"),
        (URL, None, {"volatile_url": URL, "volatile_fields": "price,title"}, "names title"),
        (URL, None, {"volatile_url": URL, "volatile_fields": "price"}, "needs price, and availability or"),
        (URL, None, {"volatile_url": "prices.csv", "volatile_fields": NAMES}, "absolute path"),
        (URL, None, {"volatile_url": "https://u:canary@x.example/", "volatile_fields": NAMES}, "user name or password"),
        (URL, None, {"root": "/data", "volatile_url": "/etc/p.csv", "volatile_fields": NAMES}, "lies outside of /data"),
        (URL, None, {"country": "Germany"}, "code of two letters"),
    ],
)
def test_options_that_can_never_work_are_refused_without_a_request(tmp_path, url, secret, options, says):
    with pytest.raises(BadInput) as caught:
        KIND.check(config(tmp_path, url, secret, **options))
    assert says in caught.value.message
    assert "canary" not in f"{caught.value}{caught.value.action}"


@pytest.mark.parametrize(
    ("name", "prices"),
    [
        ("prices.csv", b"id,price,sale_price,availability\na,8 USD,,out of stock\n"),
        ("prices.tsv", b"id\tg:price\tSale Price\tavailability\na\t8 USD\t\tout of stock\n"),
        ("prices.ndjson", b'{"id": "a", "price": "8 USD", "salePrice": null, "availability": "out of stock"}\n'),
        (
            "prices.xml",
            b"<rss><channel><item><id>a</id><price>8 USD</price><sale_price/>\
<availability>out of stock</availability></item></channel></rss>",
        ),
    ],
)
def test_a_volatile_pull_reads_the_feed_of_prices_in_any_format(tmp_path, name, prices):
    feed = local(tmp_path, FEED, prices, name)
    page = feed.volatile(None, None)
    assert {record.retailer_id: record.fields for record in page.records} == {
        "a": {"price": "8 USD", "availability": "out of stock"}
    }
    assert (page.last, page.watermark, list(page.notices)) == (True, None, [])
    feed.close()


def test_the_whole_feed_and_the_feed_of_prices_speak_of_the_same_fields(tmp_path):
    prices = b"id,price,sale_price,availability,quantity\na,9.99 USD,7.99 USD,in stock,77\n"
    feed = local(tmp_path, FEED, prices)
    whole = {record.retailer_id: feed.fields(record) for record in feed.full(None).records}
    assert "quantity_to_sell_on_facebook" not in whole["a"]
    (slim,) = feed.volatile(None, None).records
    assert prepare_volatile("a", slim.fields, None).volatile_fp == prepare("a", whole["a"], None).volatile_fp
    feed.close()


def test_a_row_of_prices_that_lacks_a_field_is_refused_and_the_others_go_on(tmp_path):
    prices = (
        b'{"id": "a", "price": "8 USD", "availability": "in stock"}\n'
        b'{"id": "b", "price": "4 USD", "sale_price": "", "availability": "in stock"}\n'
    )
    feed = local(tmp_path, FEED, prices, "prices.ndjson")
    page = feed.volatile(None, None)
    assert [record.retailer_id for record in page.records] == ["b"]
    assert [(notice.retailer_id, notice.message) for notice in page.notices] == [
        ("a", "The row of prices and stock lacks sale_price, which volatile_fields names.")
    ]
    assert page.unidentified == 1
    feed.close()


def test_prices_are_read_anew_although_they_did_not_change(tmp_path):
    """The whole feed may have said something older since."""
    feed = local(tmp_path, FEED, b"id,price,sale_price,availability\na,8 USD,,in stock\n")
    first = feed.volatile(None, None)
    assert len(feed.volatile(first.watermark, None).records) == 1
    feed.close()


def test_a_long_feed_of_prices_goes_on_in_another_process(tmp_path):
    rows = b"".join(b"%d,8 USD,,in stock\n" % number for number in range(1500))
    feed = local(tmp_path, FEED, b"id,price,sale_price,availability\n" + rows)
    page = feed.volatile(None, None)
    other = local(tmp_path, FEED, b"id,price,sale_price,availability\n" + rows)
    rest = other.volatile(None, page.cursor)
    assert [record.retailer_id for record in rest.records] == [str(number) for number in range(1000, 1500)]
    feed.close()
    other.close()


def test_rows_of_other_countries_are_skipped(tmp_path):
    rows = b'a,Hemd,DE\na,Shirt,US\nb,Kappe,\nc,Schal,"AT, de"\nd,Scarf,fr\n,No id,FR\n'
    feed = local(tmp_path, b"id,title,Target Country\n" + rows, country="de")
    page = feed.full(None)
    assert [(record.retailer_id, feed.fields(record)["title"]) for record in page.records] == [
        ("a", "Hemd"), ("b", "Kappe"), ("c", "Schal"),
    ]  # fmt: skip
    assert (page.unidentified, page.last) == (0, True)
    feed.close()
