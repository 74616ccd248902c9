"""Where a merchant's address may lead, and what one answer may cost."""

from __future__ import annotations

import gzip
import io

import httpcore
import httpx
import pytest

from worker.errors import BadInput, StoreIncomplete, StoreRefused, Throttled, Transient
from worker.stores.addresses import may_reach, parse_address, parse_networks
from worker.stores.dialing import Deadline, GuardedBackend
from worker.stores.http import Bounds, StoreHttp, check_url, display, refuse
from worker.stores.inflate import Bomb, BrokenGzip, Inflater


@pytest.mark.parametrize(
    "text",
    """0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192
    192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1
    2001:db8::1 2001:10::1 2002:a9fe:a9fe::1 2002:7f00:1::1 3fff::1 5f00::1 fc00::1 fd00::1 fe80::1 fe80::1%eth0
    fec0::1 ff02::1 168.63.129.16 64:ff9b:1:a9fe:a9:fe00:: 2001:0:a9fe:a9fe::1""".split(),
)
@pytest.mark.invariant("I14")
@pytest.mark.fault("S20")
def test_addresses_that_are_not_public_are_out_of_reach(text):
    assert not may_reach(parse_address(text), ())


@pytest.mark.parametrize(
    "text", "1.1.1.1 8.8.8.8 172.32.0.1 192.0.1.1 100.128.0.1 2606:4700::1111 64:ff9b::808:808 ::ffff:8.8.8.8".split()
)
def test_public_addresses_are_within_reach(text):
    assert may_reach(parse_address(text), ())


def test_the_setting_opens_exactly_its_networks():
    allowed = parse_networks(("127.0.0.0/8", " 10.1.0.0/16"))
    assert [
        may_reach(parse_address(text), allowed) for text in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "10.1.2.3")
    ] == [True] * 4
    assert [may_reach(parse_address(text), allowed) for text in ("10.2.0.1", "169.254.169.254", "fe80::1")] == [
        False
    ] * 3


def test_a_wrong_network_names_the_setting():
    with pytest.raises(BadInput, match="STORE_ALLOWED_NETWORKS holds 'localhost'"):
        parse_networks(("localhost",))


class Dialled(httpcore.MockBackend):
    """Records what is dialled and answers with the given bytes."""

    def __init__(self, *chunks: bytes) -> None:
        super().__init__(list(chunks))
        self.dialled: list[str] = []

    def connect_tcp(self, host, *args, **kwargs):
        self.dialled.append(host)
        return super().connect_tcp(host, *args, **kwargs)


def guarded(inner, *answers: str, allowed=(), clock=lambda: 0.0) -> GuardedBackend:
    deadline = Deadline(clock)
    deadline.start(60)
    return GuardedBackend(parse_networks(allowed), deadline, resolve=lambda host, port: answers, inner=inner)


@pytest.mark.invariant("I14")
@pytest.mark.fault("S20")
def test_the_address_that_was_checked_is_the_one_that_is_dialled():
    inner = Dialled()
    guarded(inner, "93.184.215.14").connect_tcp("shop.example", 443)
    assert inner.dialled == ["93.184.215.14"]


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("93.184.215.14", "127.0.0.1"), ("93.184.215.14", "::1"), ()])
@pytest.mark.invariant("I14")
@pytest.mark.fault("S20")
def test_one_bad_answer_spoils_the_name_and_nothing_is_dialled(answers):
    inner = Dialled()
    with pytest.raises(StoreRefused) as caught:
        guarded(inner, *answers).connect_tcp("shop.example", 443)
    assert inner.dialled == []
    assert "STORE_ALLOWED_NETWORKS" in caught.value.action


def test_an_allowed_network_is_dialled():
    inner = Dialled()
    guarded(inner, "::1", "127.0.0.1", allowed=("127.0.0.0/8",)).connect_tcp("localhost", 80)
    assert inner.dialled == ["::1"]


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_a_public_store_is_dialled_on_whatever_port_its_address_names(port):
    inner = Dialled()
    guarded(inner, "93.184.215.14").connect_tcp("shop.example", port)
    assert inner.dialled == ["93.184.215.14"]


@pytest.mark.parametrize("port", [80, 443, 6379])
@pytest.mark.invariant("I14")
def test_an_address_that_is_not_public_is_refused_on_every_port(port):
    inner = Dialled()
    with pytest.raises(StoreRefused, match=r"shop\.example is not a public address"):
        guarded(inner, "127.0.0.1").connect_tcp("shop.example", port)
    assert inner.dialled == []


@pytest.mark.invariant("I14")
@pytest.mark.fault("S20")
def test_a_name_that_changes_its_answer_is_judged_each_time_it_is_dialled():
    inner = Dialled()
    answers = iter((["93.184.215.14"], ["169.254.169.254"]))
    deadline = Deadline(lambda: 0.0)
    deadline.start(60)
    backend = GuardedBackend((), deadline, resolve=lambda host, port: next(answers), inner=inner)
    backend.connect_tcp("rebound.example", 443)
    with pytest.raises(StoreRefused):
        backend.connect_tcp("rebound.example", 443)
    assert inner.dialled == ["93.184.215.14"]


@pytest.mark.invariant("I14")
@pytest.mark.fault("S5")
def test_a_drip_of_bytes_ends_with_the_calls_deadline():
    now = [0.0]
    stream = guarded(Dialled(b"x", b"y"), "93.184.215.14", clock=lambda: now[0]).connect_tcp("shop.example", 80)
    assert stream.read(1, timeout=20) == b"x"
    now[0] = 61.0
    with pytest.raises(Transient, match="took too long"):
        stream.read(1, timeout=20)


def answering(*responses: httpx.Response):
    """A transport that gives these answers in turn, and the requests it got."""
    asked: list[httpx.Request] = []
    rest = list(responses)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return rest.pop(0)

    return httpx.MockTransport(handle), asked


def response(status=200, body=b"", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(body))


def test_a_redirect_to_another_origin_carries_no_credential():
    transport, asked = answering(
        response(302, location="/moved"), response(301, location="https://cdn.example/f"), response(200, b"data")
    )
    http = StoreHttp(headers={"x-key": "test-secret"}, transport=transport)
    sink = io.BytesIO()
    http.download("https://shop.example/f?key=1", sink, {})
    assert sink.getvalue() == b"data"
    assert [str(request.url) for request in asked] == [
        "https://shop.example/f?key=1", "https://shop.example/moved", "https://cdn.example/f",
    ]  # fmt: skip
    assert [request.headers.get("x-key") for request in asked] == ["test-secret", "test-secret", None]


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("http://shop.example/f", "from https to http"),
        ("file:///etc/passwd", "not an http"),
        ("https://user:pass@shop.example/", "not an http"),
    ],
)
def test_redirects_that_weaken_are_refused(location, says):
    transport, asked = answering(response(302, location=location))
    with pytest.raises(StoreRefused, match=says):
        StoreHttp(transport=transport).download("https://shop.example/f", io.BytesIO(), {})
    assert len(asked) == 1


def test_the_fourth_redirect_is_refused():
    transport, asked = answering(*(response(302, location="/f") for _ in range(9)))
    with pytest.raises(StoreRefused, match="more than 3 times"):
        StoreHttp(transport=transport).download("https://shop.example/f", io.BytesIO(), {})
    assert len(asked) == 4


@pytest.mark.invariant("I14")
@pytest.mark.fault("S5")
def test_a_file_that_comes_too_slowly_is_given_up():
    now = iter([0.0, 1.0, 30.0])
    transport, _ = answering(httpx.Response(200, stream=Pieces(b"a", b"b", b"c")))
    http = StoreHttp(transport=transport)
    http._clock = lambda: next(now)
    bounds = Bounds(total_s=900, wire_bytes=100, body_bytes=100, min_bytes_per_s=1000)
    with pytest.raises(Transient, match="too slowly"):
        http.download("https://shop.example/f", io.BytesIO(), {}, bounds)


class Pieces(httpx.SyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self):
        return iter(self._pieces)


@pytest.mark.invariant("I14")
def test_a_file_beyond_its_bound_is_not_whole():
    transport, _ = answering(response(200, b"x" * 101))
    with pytest.raises(StoreIncomplete, match="larger than a feed may be"):
        StoreHttp(transport=transport).download(
            "https://shop.example/f", io.BytesIO(), {}, Bounds(total_s=9, wire_bytes=100, body_bytes=100)
        )


def test_a_read_adds_its_parameters_and_headers_to_those_of_the_store():
    transport, asked = answering(response(200, b"[]", date="Sat, 21 Nov 2026 12:00:00 GMT", x_total="3"))
    http = StoreHttp(headers={"x-key": "test-secret"}, transport=transport)
    answer = http.get("https://shop.example/api?lang=en", {"updated[$gte]": "a b&c/~", "page": "2"}, {"x-sign": "s"})
    assert [(request.method, str(request.url)) for request in asked] == [
        ("GET", "https://shop.example/api?lang=en&updated%5B%24gte%5D=a%20b%26c%2F~&page=2")
    ]
    assert (asked[0].headers["x-key"], asked[0].headers["x-sign"]) == ("test-secret", "s")
    assert (answer.status, answer.body, answer.headers["x-total"]) == (200, b"[]", "3")
    assert answer.url == "https://shop.example/api?lang=en"
    assert asked[0].extensions["timeout"]["read"] == 45.0


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_call_is_not_repeated_where_a_redirect_points(status):
    transport, asked = answering(response(status, location="/moved"))
    with pytest.raises(StoreRefused, match=r"https://shop\.example/api answers with a redirect") as caught:
        StoreHttp(transport=transport).get("https://shop.example/api", {"key": "canary"})
    assert len(asked) == 1
    assert "canary" not in repr(caught.value)


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
def test_a_read_that_fails_is_told_without_its_query(failure, caplog):
    caplog.set_level("DEBUG")

    def fail(request):
        raise failure(f"about {request.url}")

    with pytest.raises(Transient) as caught:
        StoreHttp(transport=httpx.MockTransport(fail)).get("https://shop.example/api", {"key": "canary"})
    assert "https://shop.example/api" in str(caught.value)
    assert "canary" not in str(caught.value) + repr(caught.value) + caught.value.action + caplog.text


def test_a_read_that_breaks_off_is_tried_again_and_says_nothing_about_the_catalog():
    transport, _ = answering(response(200, b"[1,", content_length="9"))
    with pytest.raises(Transient, match="broke off"):
        StoreHttp(transport=transport).get("https://shop.example/api")


@pytest.mark.parametrize(("status", "wait"), [(429, "7"), (503, "7")])
def test_a_store_that_asks_a_read_to_wait_is_waited_for(status, wait):
    transport, _ = answering(response(status, retry_after=wait))
    with pytest.raises(Throttled) as caught:
        refuse(StoreHttp(transport=transport).get("https://shop.example/api", {"key": "canary"}))
    assert caught.value.retry_after_s == 7.0
    assert "canary" not in str(caught.value)


def test_a_packed_answer_is_unpacked_and_a_damaged_one_refused():
    packed = gzip.compress(b"hello" * 100)
    transport, _ = answering(response(200, packed, content_encoding="gzip"))
    assert StoreHttp(transport=transport).post("https://shop.example/", b"{}").body == b"hello" * 100
    for body in (packed[:-3], b"no gzip"):
        transport, _ = answering(response(200, body, content_encoding="gzip"))
        with pytest.raises(StoreIncomplete):
            StoreHttp(transport=transport).download("https://shop.example/", io.BytesIO(), {})


@pytest.mark.invariant("I14")
@pytest.mark.fault("S18")
def test_inflating_gives_small_pieces_and_stops_a_bomb():
    bomb = gzip.compress(b"\0" * (64 << 20))
    inflater = Inflater(1 << 40)
    taken = 0
    with pytest.raises(Bomb):  # noqa: PT012 - how much came before is the point
        for piece in inflater.feed(bomb):
            assert len(piece) <= 256 << 10
            taken += len(piece)
    assert taken <= (250 * len(bomb)) + (1 << 20)


def test_inflating_takes_members_and_padding_and_no_rubbish():
    whole = gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0"
    inflater = Inflater(100)
    assert b"".join([*inflater.feed(whole), *inflater.finish()]) == b"ab"
    with pytest.raises(BrokenGzip):
        list(Inflater(100).feed(gzip.compress(b"a") + b"rubbish"))


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "https://", "https://a@x.example/", "http://x.example:99999/", "x"]
)
def test_only_plain_http_addresses_are_taken(url):
    with pytest.raises(BadInput):
        check_url(url)


def test_messages_show_neither_user_nor_query():
    assert display("https://user:pass@shop.example:8443/feed.csv?key=1#x") == "https://shop.example:8443/feed.csv"
