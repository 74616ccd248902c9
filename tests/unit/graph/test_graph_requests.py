"""Exactly what goes over the wire."""

from __future__ import annotations

import hashlib
import hmac
import logging
import sys
from urllib.parse import parse_qs

import httpx
import pytest

from tests.unit.graph.graph_calls import SECRET, TOKEN, Meta, answering
from worker.errors import TokenRefused
from worker.graph import BatchAnswer, BatchStatus, Catalog, Graph, GraphConfig, ProductPage, Usage

ACCEPTED = {"handles": ["h-1"]}
RECORDS = [b'{"method":"UPDATE","data":{"id":"a","price":"1.00 USD"}}', '{"data":{"id":"ü"}}'.encode(), b'{"c": 1}']
PROOF = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()


def test_a_batch_is_one_post_with_the_records_byte_for_byte() -> None:
    meta = answering(ACCEPTED)
    answer = meta.graph().items_batch("77", RECORDS, allow_upsert=True)
    (request,) = meta.requests
    assert (request.method, str(request.url)) == ("POST", "https://graph.test/v26.0/77/items_batch")
    assert request.content == (
        b'{"item_type":"PRODUCT_ITEM","allow_upsert":true,"locale":"en_US","requests":[' + b",".join(RECORDS) + b"]}"
    )
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert answer == BatchAnswer("h-1", {}, {}, None, "")


def test_a_batch_of_one_record_that_may_not_create() -> None:
    meta = answering(ACCEPTED)
    meta.graph().items_batch("77", [b'{"a":1}'], allow_upsert=False)
    assert meta.requests[0].content == (
        b'{"item_type":"PRODUCT_ITEM","allow_upsert":false,"locale":"en_US","requests":[{"a":1}]}'
    )


def test_a_large_batch_leaves_in_pieces_and_arrives_as_one_announced_body() -> None:
    records = [b'{"n":%d}' % number for number in range(1001)]
    meta = answering(ACCEPTED)
    meta.graph().items_batch("77", records, allow_upsert=True)
    (request,) = meta.requests
    body = b'{"item_type":"PRODUCT_ITEM","allow_upsert":true,"locale":"en_US","requests":[' + b",".join(records) + b"]}"
    assert request.content == body
    assert request.headers["content-length"] == str(len(body))
    assert "transfer-encoding" not in request.headers


def test_nothing_holds_the_records_once_the_call_is_over() -> None:
    class Keeping(httpx.BaseTransport):
        """Requests live on, as those of httpx do until the collector comes."""

        kept: httpx.Request

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.kept = request
            assert b"".join(request.stream).endswith(b'{"c": 1}]}')
            return httpx.Response(200, json=ACCEPTED)

    transport, records = Keeping(), list(RECORDS)
    before = sys.getrefcount(records)
    Graph(GraphConfig(base_url="https://graph.test"), TOKEN, transport).items_batch("77", records, allow_upsert=True)
    assert sys.getrefcount(records) == before


def test_the_callers_records_stay_as_they_were() -> None:
    records = list(RECORDS)
    answering(ACCEPTED).graph().items_batch("77", records, allow_upsert=True)
    assert records == RECORDS


def test_the_proof_travels_in_the_query_of_a_post() -> None:
    meta = answering(ACCEPTED)
    meta.graph(app_secret=SECRET).items_batch("77", [b"{}"], allow_upsert=True)
    assert meta.requests[0].content == (
        b'{"item_type":"PRODUCT_ITEM","allow_upsert":true,"locale":"en_US","requests":[{}]}'
    )
    assert dict(meta.requests[0].url.params) == {"appsecret_proof": PROOF}


def test_the_proof_travels_in_the_query_of_a_get() -> None:
    meta = answering({"id": "77"})
    meta.graph(app_secret=SECRET).catalog("77")
    assert dict(meta.requests[0].url.params) == {
        "fields": "id,name,vertical,product_count",
        "locale": "en_US",
        "appsecret_proof": PROOF,
    }


def test_form_encoding_carries_the_requests_as_json_text() -> None:
    meta = answering(ACCEPTED)
    meta.graph(encoding="form", app_secret=SECRET).items_batch("77", RECORDS, allow_upsert=False)
    (request,) = meta.requests
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.content.decode()) == {
        "item_type": ["PRODUCT_ITEM"],
        "allow_upsert": ["false"],
        "locale": ["en_US"],
        "requests": ["[" + b",".join(RECORDS).decode() + "]"],
    }


def test_a_batch_without_records_is_a_bug_and_calls_nothing() -> None:
    meta = answering(ACCEPTED)
    with pytest.raises(ValueError, match="at least one record"):
        meta.graph().items_batch("77", [], allow_upsert=True)
    assert meta.requests == []


def test_a_handle_is_asked_for_with_explicit_fields_and_the_ids() -> None:
    meta = answering({"data": [{"handle": "h-1", "status": "Finished", "errors_total_count": 0}]})
    status = meta.graph().batch_status("77", "h/1+=&")
    assert meta.requests[0].url.path == "/v26.0/77/check_batch_request_status"
    assert dict(meta.requests[0].url.params) == {
        "handle": "h/1+=&",
        "load_ids_of_invalid_requests": "true",
        "fields": "handle,status,errors,errors_total_count,warnings,ids_of_invalid_requests",
        "locale": "en_US",
    }
    assert meta.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert status == BatchStatus("finished", (), 0, (), ())


def test_the_catalog_is_read() -> None:
    meta = answering({"id": "77", "name": "Shop", "vertical": "commerce", "product_count": 3})
    assert meta.graph(version="v25.0").catalog("77") == Catalog("77", "Shop", "commerce", 3)
    assert meta.requests[0].url.path == "/v25.0/77"


def test_a_catalog_id_cannot_leave_its_place_in_the_path() -> None:
    meta = answering({"id": "77"})
    meta.graph().catalog("../me?x=1")
    assert meta.requests[0].url.raw_path.startswith(b"/v26.0/..%2Fme%3Fx%3D1?fields=")


def test_products_are_paged_by_cursor_and_the_next_address_is_never_followed() -> None:
    more = {"cursors": {"before": "b", "after": "c-2"}, "next": f"https://evil.test/?access_token={TOKEN}"}
    first = {"data": [{"id": "1", "retailer_id": "a"}], "paging": more}
    last = {"data": [{"id": "2", "retailer_id": "b"}], "paging": {"cursors": {"before": "c", "after": "c-3"}}}
    meta = Meta(lambda r: httpx.Response(200, json=last if "after" in r.url.params else first))
    graph = meta.graph()
    page = graph.products("77", limit=2, fields=("id", "retailer_id"))
    assert page == ProductPage(({"id": "1", "retailer_id": "a"},), "c-2")
    assert graph.products("77", page.after, limit=2, fields=("id", "retailer_id")).after is None
    assert [(r.url.host, dict(r.url.params)) for r in meta.requests] == [
        ("graph.test", {"fields": "id,retailer_id", "limit": "2", "locale": "en_US"}),
        ("graph.test", {"fields": "id,retailer_id", "limit": "2", "after": "c-2", "locale": "en_US"}),
    ]


def test_a_few_products_are_asked_for_by_their_ids() -> None:
    meta = answering({"data": []}, headers={"X-App-Usage": '{"call_count":42}'})
    page = meta.graph().products("77", limit=3, fields=("id",), retailer_ids=["a", 'b"&'])
    assert page == ProductPage((), None, Usage(used_pct=42, regain_s=None))
    assert [dict(r.url.params) for r in meta.requests] == [
        {
            "fields": "id",
            "limit": "3",
            "filter": '{"retailer_id":{"is_any":["a","b\\"&"]}}',
            "locale": "en_US",
        }
    ]


def test_usage_and_trace_come_with_the_answer() -> None:
    usage = '{"9":[{"type":"catalog_batch","call_count":71,"total_cputime":3,"total_time":9}]}'
    meta = answering(ACCEPTED, headers={"X-Business-Use-Case-Usage": usage, "X-Fb-Trace-Id": "T1"})
    assert meta.graph().items_batch("77", [b"{}"], allow_upsert=True) == BatchAnswer(
        "h-1", {}, {}, Usage(used_pct=71, regain_s=None), "T1"
    )


def test_a_cookie_of_one_answer_is_not_sent_with_the_next_call() -> None:
    meta = answering({"id": "77"}, headers={"Set-Cookie": "session=1; Path=/"})
    graph = meta.graph()
    graph.catalog("77")
    graph.catalog("77")
    assert [r.headers.get("cookie") for r in meta.requests] == [None, None]


def test_a_redirect_is_not_followed() -> None:
    meta = answering(b"", 302, {"Location": "https://evil.test/"})
    with pytest.raises(Exception, match="neither a result nor an error"):
        meta.graph().catalog("77")
    assert len(meta.requests) == 1


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "tökén-7731"])
def test_a_token_that_cannot_be_a_header_is_refused_before_any_call(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        Graph(GraphConfig(), token)
    assert str(caught.value) == "The stored token is not one of Meta's. Store a new one with 'shop token'."


def test_reads_do_not_log_their_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answering({"id": "77"}).graph(app_secret=SECRET).catalog("77")
    assert PROOF not in caplog.text
