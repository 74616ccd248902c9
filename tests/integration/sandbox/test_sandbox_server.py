"""The sandbox through a socket: encodings, tokens, faults of the transport, the store, the control calls."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.processes import until
from tests.unit.sandbox.sandbox_calls import create, update
from worker.sandbox import Sandbox

BATCH = "/v26.0/1000/items_batch"
PAYLOAD: dict[str, Any] = {"item_type": "PRODUCT_ITEM", "requests": [create("a")]}
FORM = {"item_type": "PRODUCT_ITEM", "requests": json.dumps(PAYLOAD["requests"])}


@pytest.fixture(name="sandbox")
def running() -> Iterator[Sandbox]:
    with Sandbox(latency_s=0, sample_items=40) as sandbox:
        yield sandbox


@pytest.fixture(name="client")
def connected(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers={"Authorization": "Bearer test-token"}, timeout=60) as client:
        yield client


# For an answer that does not come; whoever is slow to connect is waited for.
SOON = httpx.Timeout(60, read=0.2)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_json_form_and_multipart_say_the_same(sandbox: Sandbox, client: httpx.Client) -> None:
    parts = {name: (None, text) for name, text in FORM.items()}
    answers = [client.post(BATCH, json=PAYLOAD), client.post(BATCH, data=FORM), client.post(BATCH, files=parts)]
    assert [(answer.status_code, len(answer.json()["handles"])) for answer in answers] == [(200, 1)] * 3
    assert [call["encoding"] for call in sandbox.calls("items_batch")] == ["json", "form", "multipart"]
    assert {json.dumps(call["records"]) for call in sandbox.calls("items_batch")} == {json.dumps([create("a")])}


def test_form_booleans_are_read_as_json(sandbox: Sandbox, client: httpx.Client) -> None:
    assert client.post(BATCH, data={**FORM, "allow_upsert": "false"}).status_code == 200
    assert sandbox.calls()[-1]["allow_upsert"] is False
    assert client.post(BATCH, data={**FORM, "allow_upsert": "False"}).status_code == 400


@pytest.mark.parametrize(
    "request_of",
    [
        lambda client: client.post(BATCH, json={**PAYLOAD, "requests": json.dumps(PAYLOAD["requests"])}),
        lambda client: client.post(BATCH, json=[PAYLOAD]),
        lambda client: client.post(BATCH, content=b'{"item_type":', headers={"Content-Type": "application/json"}),
        lambda client: client.post(BATCH, content=b"x", headers={"Content-Type": "text/csv"}),
        lambda client: client.post(BATCH, data={**FORM, "requests": "[{]"}),
        lambda client: client.post(BATCH, json=PAYLOAD, headers={"Content-Encoding": "gzip"}),
        lambda client: client.post(BATCH, json={**PAYLOAD, "access_token": "test-token"}),
        lambda client: client.get("/v26.0/1000", params={"pretty": "1"}),
        lambda client: client.get("/v26.0/1000", headers={"If-None-Match": '"x"'}),
    ],
)
def test_what_no_page_of_meta_documents_is_refused(client: httpx.Client, request_of: Any) -> None:
    answer = request_of(client)
    assert (answer.status_code, error_of(answer)["code"]) == (400, 100)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v23.0/1000", 400, 2635),
        ("/v24.0/1000", 200, None),
        ("/v27.0/1000", 400, 2500),
        ("/1000", 400, 2500),
        ("/v26.0/1000/product_sets", 400, 2500),
        ("/v26.0/?ids=1,2", 400, 2500),
        ("/v26.0/1000?ids=1,2", 500, 100),
    ],
)
def test_versions_and_paths(client: httpx.Client, path: str, status: int, code: int | None) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code


def test_a_token_is_taken_from_header_query_and_form(sandbox: Sandbox) -> None:
    with httpx.Client(base_url=sandbox.url) as client:
        assert error_of(client.get("/v26.0/1000"))["code"] == 190
        assert client.get("/v26.0/1000", params={"access_token": "test-token"}).status_code == 200
        assert client.post(BATCH, data={**FORM, "access_token": "test-token"}).status_code == 200
    shown = {call.get("token") for call in sandbox.calls()}
    assert shown == {None, hashlib.sha256(b"test-token").hexdigest()[:12]}


def test_a_revoked_token_is_refused_and_others_go_on(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.control("tokens", {"token": "test-token", "state": "revoked", "subcode": 460})
    error = error_of(client.get("/v26.0/1000"))
    assert (error["code"], error["error_subcode"]) == (190, 460)
    assert client.get("/v26.0/1000", headers={"Authorization": "Bearer other-token"}).status_code == 200
    answer = client.get(
        "/v26.0/debug_token",
        params={"input_token": "test-token"},
        headers={"Authorization": "Bearer other-token"},
    )
    assert answer.json()["data"]["is_valid"] is False


def test_a_token_sees_its_own_catalogs_and_their_items_only(sandbox: Sandbox, client: httpx.Client) -> None:
    client.post(BATCH, json=PAYLOAD)
    node = client.get("/v26.0/1000/products").json()["data"][0]["id"]
    sandbox.control("tokens", {"token": "test-token", "catalogs": ["1000"]})
    assert client.get(f"/v26.0/{node}").status_code == 200
    assert error_of(client.get("/v26.0/2000"))["code"] == 100
    sandbox.control("tokens", {"token": "test-token", "catalogs": ["2000"]})
    assert error_of(client.get(f"/v26.0/{node}"))["code"] == 100


def test_with_an_app_secret_every_call_needs_its_proof(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.control("settings", {"app_secret": "app-secret"})
    proof = hmac.new(b"app-secret", b"test-token", hashlib.sha256).hexdigest()
    assert "require an appsecret_proof" in error_of(client.post(BATCH, json=PAYLOAD))["message"]
    assert client.post(BATCH, json=PAYLOAD, params={"appsecret_proof": proof}).status_code == 200
    assert client.post(BATCH, data={**FORM, "appsecret_proof": proof}).status_code == 200
    assert sandbox.control("settings")["app_secret"] == "(set)"


def test_a_body_beyond_28_megabytes_is_read_and_refused(client: httpx.Client) -> None:
    for size in (28_000_001, 40_000_000):
        answer = client.post(BATCH, content=b" " * size, headers={"Content-Type": "application/json"})
        assert (answer.status_code, error_of(answer)["code"]) == (500, 1)


def test_a_handle_is_polled_and_the_products_are_listed(client: httpx.Client) -> None:
    handle = client.post(BATCH, json=PAYLOAD).json()["handles"][0]
    asked = {"handle": handle, "fields": "status,errors_total_count", "load_ids_of_invalid_requests": "true"}
    status = client.get("/v26.0/1000/check_batch_request_status", params=asked)
    assert status.json() == {"data": [{"status": "finished", "errors_total_count": 0}]}
    listed = client.get("/v26.0/1000/products", params={"fields": "retailer_id", "limit": "1"}).json()
    assert [item["retailer_id"] for item in listed["data"]] == ["a"]


def test_the_next_page_is_an_address_without_a_token(sandbox: Sandbox, client: httpx.Client) -> None:
    client.post(BATCH, json={**PAYLOAD, "requests": [create("a"), create("b")]})
    first = client.get("/v26.0/1000/products", params={"limit": "1", "access_token": "test-token"}).json()
    assert "test-token" not in first["paging"]["next"]
    second = client.get(first["paging"]["next"]).json()
    assert {first["data"][0]["retailer_id"], second["data"][0]["retailer_id"]} == {"a", "b"}
    assert "next" not in second["paging"]


@pytest.mark.parametrize(("accepted", "stored"), [(True, ["a"]), (False, [])])
def test_a_closed_connection_leaves_open_whether_the_call_was_taken(
    sandbox: Sandbox, client: httpx.Client, accepted: bool, stored: list[str]
) -> None:
    sandbox.fault("items_batch", "close", accepted=accepted)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(BATCH, json=PAYLOAD)
    assert list(sandbox.items("1000")) == stored
    assert client.post(BATCH, json=PAYLOAD).status_code == 200


def test_a_hanging_answer_times_out_after_the_call_was_taken(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("items_batch", "hang", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        client.post(BATCH, json=PAYLOAD, timeout=SOON)
    until(lambda: list(sandbox.items("1000")) == ["a"])


def test_a_slow_answer_is_the_usual_one(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("items_batch", "slow", seconds=0.2)
    started = time.monotonic()
    assert client.post(BATCH, json=PAYLOAD).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_gateway_answers_in_its_own_words_after_the_call_was_taken(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("items_batch", "text", http_status=502, body="<html>Bad Gateway</html>", accepted=True)
    answer = client.post(BATCH, json=PAYLOAD)
    assert (answer.status_code, answer.text) == (502, "<html>Bad Gateway</html>")
    assert list(sandbox.items("1000")) == ["a"]


def test_an_answer_may_be_cut_with_or_without_notice(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("items_batch", "truncate")
    with pytest.raises(json.JSONDecodeError):
        client.post(BATCH, json=PAYLOAD).json()
    sandbox.fault("items_batch", "truncate", announced=True)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(BATCH, json=PAYLOAD)


def test_an_injected_envelope_takes_nothing_and_carries_every_member(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("items_batch", "error", code=80014, regain_minutes=7, times=2)
    answer = client.post(BATCH, json=PAYLOAD)
    usage = json.loads(answer.headers["x-business-use-case-usage"])
    assert [entry["estimated_time_to_regain_access"] for entries in usage.values() for entry in entries] == [7]
    assert (answer.status_code, error_of(answer)["code"], dict(sandbox.items("1000"))) == (400, 80014, {})
    sandbox.control("faults", method="DELETE")
    sandbox.fault("graph", "error", code=2, message="Down", is_transient=True, subcode=99, http_status=200)
    answer = client.get("/v26.0/1000")
    assert answer.status_code == 200
    assert error_of(answer) == {
        "message": "Down",
        "type": "OAuthException",
        "code": 2,
        "error_subcode": 99,
        "is_transient": True,
        "fbtrace_id": "ASandboxFault",
    }


def test_a_header_may_be_anything(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("node", "header", name="X-Business-Use-Case-Usage", value="{not json")
    assert client.get("/v26.0/1000").headers["x-business-use-case-usage"] == "{not json"


def test_quotas_are_enforced_once_switched_on(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.control("settings", {"quota_enforced": True, "quota_calls": {"catalog_batch": 2}})
    codes = [client.post(BATCH, json=PAYLOAD).json().get("error", {}).get("code") for _ in range(4)]
    assert codes == [None, None, 80014, 80014]
    assert client.post("/v26.0/2000/items_batch", json=PAYLOAD).status_code == 200
    assert client.get("/v26.0/1000").status_code == 200


def test_the_call_log_tells_what_was_sent_and_no_secret(sandbox: Sandbox, client: httpx.Client) -> None:
    client.post(BATCH, json={**PAYLOAD, "requests": [create("a"), update("b", price="1.00 USD")]})
    [call] = sandbox.calls("items_batch")
    assert (call["seq"], call["catalog"], call["items"], call["ids"], call["status"]) == (1, "1000", 2, ["a", "b"], 200)
    assert call["records"][1] == update("b", price="1.00 USD")
    assert (call["overlapping"], call["faults"]) == ([], [])
    assert "test-token" not in json.dumps(sandbox.control("calls?records=true"))
    assert "records" not in sandbox.control("calls?after=0")[0]
    assert sandbox.control("calls?after=1") == []


def test_the_call_log_tells_what_a_refused_call_carried(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.fault("items_batch", "error", code=80014)
    client.post(BATCH, json=PAYLOAD)
    [call] = sandbox.calls("items_batch")
    assert (call["status"], call["ids"], call["handle"], call["faults"]) == (400, ["a"], None, ["error"])


def test_the_call_log_drops_the_oldest_records_beyond_its_cap(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.control("settings", {"record_cap": 2})
    for retailer_id in ("a", "b", "c"):
        client.post(BATCH, json={**PAYLOAD, "requests": [create(retailer_id)]})
    assert [(call["items"], call["ids"]) for call in sandbox.calls()] == [(1, None), (1, ["b"]), (1, ["c"])]


def test_items_at_meta_are_lost_changed_and_reset_by_control(sandbox: Sandbox, client: httpx.Client) -> None:
    client.post(BATCH, json={**PAYLOAD, "requests": [create("a"), create("b")]})
    assert sandbox.control("items/1000/delete", {"ids": ["a", "x"]}) == {"deleted": ["a"]}
    assert sandbox.control("items/1000/b", {"price": "1.00 USD", "brand": None})["price"] == "1.00 USD"
    assert "brand" not in sandbox.control("items/1000?retailer_id=b")["b"]
    sandbox.control("reset", {})
    assert sandbox.control("items/1000") == {}


@pytest.mark.parametrize(
    ("path", "document"),
    [("settings", {"latency": 1}), ("settings", {"latency_s": -1}), ("faults", {"action": "close"}), ("nowhere", {})],
)
def test_a_wrong_control_call_changes_nothing_and_says_why(sandbox: Sandbox, path: str, document: Any) -> None:
    before = sandbox.control("settings"), sandbox.control("faults")
    with pytest.raises(ValueError, match=r"\w"):
        sandbox.control(path, document)
    assert (sandbox.control("settings"), sandbox.control("faults")) == before


def test_the_feed_answers_304_until_the_store_changes(sandbox: Sandbox, client: httpx.Client) -> None:
    first = client.get(sandbox.feed_url)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        again = client.get(sandbox.feed_url, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
    retailer_id = sandbox.control("store/items")[0]["id"]
    sandbox.change_item(retailer_id, price="1.23 USD")
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        changed = client.get(sandbox.feed_url, headers=headers)
        assert changed.status_code == 200
        assert "1.23 USD" in changed.text


def test_store_items_are_added_and_removed_by_control(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.control("store/items?feed=feed-jpy", {"id": "new-1", "title": "New"})
    url = f"{sandbox.url}/store/feed-jpy.ndjson"
    assert json.loads(client.get(url).text.splitlines()[-1]) == {"id": "new-1", "title": "New"}
    sandbox.control("store/items/new-1?feed=feed-jpy", method="DELETE")
    assert "new-1" not in client.get(url).text
    with pytest.raises(ValueError, match="new-1"):
        sandbox.control("store/items/new-1?feed=feed-jpy", method="DELETE")


def test_the_store_has_faults_of_its_own(sandbox: Sandbox, client: httpx.Client) -> None:
    whole = client.get(sandbox.feed_url).content
    sandbox.fault("store", "text", http_status=429, headers={"Retry-After": "120"}, body="")
    throttled = client.get(sandbox.feed_url)
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "120")
    sandbox.fault("store", "text", http_status=200, body="")
    assert client.get(sandbox.feed_url).content == b""
    sandbox.fault("store", "truncate")
    assert client.get(sandbox.feed_url).content == whole[: len(whole) // 2]
    sandbox.fault("store", "truncate", announced=True)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(sandbox.feed_url)
    sandbox.fault("store", "shrink", share=0)
    assert client.get(sandbox.feed_url).content == whole[: whole.index(b"\n") + 1]
    assert client.get(sandbox.feed_url).content == whole


def test_a_broken_gzip_is_as_long_as_a_good_one(sandbox: Sandbox, client: httpx.Client) -> None:
    url = f"{sandbox.url}/store/feed.csv.gz"
    whole = client.get(url).content
    sandbox.fault("store", "broken_gzip")
    broken = client.get(url).content
    assert len(broken) == len(whole)
    assert broken != whole


def test_a_dripping_feed_starts_at_once_and_outlasts_patience(sandbox: Sandbox) -> None:
    sandbox.fault("store", "drip", bytes_per_s=50)
    asked = time.monotonic()
    with httpx.Client(timeout=60) as client, client.stream("GET", sandbox.feed_url) as answer:
        received = 0
        for part in answer.iter_raw():
            received += len(part)
            if received >= 20:
                break
    # Some bytes are ahead of the beat; the whole feed would be thousands.
    assert received / 50 - 1 < time.monotonic() - asked


def test_stopping_ends_answers_that_hang() -> None:
    with Sandbox() as sandbox, httpx.Client(base_url=sandbox.url, headers={"Authorization": "Bearer t"}) as client:
        sandbox.fault("node", "hang", seconds=600)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/v26.0/1000", timeout=SOON)
        started = time.monotonic()
    assert time.monotonic() - started < 60
