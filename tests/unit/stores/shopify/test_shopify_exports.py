"""A Shopify shop read by exports: waited for, brought whole to disk, picked up by any machine."""

from __future__ import annotations

import pytest

from tests.fakes.shopify import FILES, FakeShopify, picture, product, variant, video
from tests.unit.stores.shopify.shopify_pulls import NOW, delta, ids, operations, pages
from worker.errors import StoreIncomplete, StoreRefused, Transient
from worker.stores import CursorExpired
from worker.stores.shopify import Shopify


def test_a_full_waits_for_an_export_and_keeps_no_worker(fake, opened):
    fake.polls = 3
    found = pages(opened().full)
    assert [(len(page.records), page.pause_s > 0) for page in found] == [
        (0, True),
        (0, True),
        (0, True),
        (0, False),
        (3, False),
    ]
    assert [page.watermark for page in found] == ["2026-11-21T12:00:00Z", None, None, None, None]
    assert operations(fake) == ["Shop", "RunExport", "Export", "Export", "Export"]


def test_pauses_grow_to_half_a_minute(fake, opened):
    fake.polls = 40
    pauses = [page.pause_s for page in pages(opened().full)[:-2]]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[1], pauses[-1]) == (2.0, 3.0, 30.0)


def test_children_are_found_wherever_they_stand_in_the_file(fake, opened):
    fake.products = [
        product(1, [variant(11), variant(12, media=[picture(120)])], media=[video(5), picture(1), picture(2)]),
        product(2, [variant(21, media=[picture(210), picture(211)])], media=[]),
    ]
    store = opened()
    found = {record.retailer_id: store.fields(record) for page in pages(store.full) for record in page.records}
    pictures = {name: [one["image_link"], *one.get("additional_image_link", [])] for name, one in found.items()}
    assert pictures == {
        "11": ["https://img.example/1.jpg", "https://img.example/2.jpg"],
        "12": ["https://img.example/120.jpg", "https://img.example/1.jpg", "https://img.example/2.jpg"],
        "21": ["https://img.example/210.jpg"],
    }


def test_the_same_variant_has_the_same_bytes_from_an_export_a_list_and_by_id(fake, opened):
    fake.products[1]["media"] = [video(1), *(picture(number) for number in range(30))]
    fake.products[1]["variants"][0]["media"] = [picture(7), picture(8)]
    exported = {record.retailer_id: record for page in pages(opened().full) for record in page.records}
    for one in fake.products:
        one["updatedAt"] = NOW
    listed = {record.retailer_id: record for page in delta(opened()) for record in page.records}
    assert listed == exported
    assert {record.retailer_id: record for record in opened().fetch(list(exported))} == exported


def test_another_machine_downloads_the_export_again_and_goes_on_where_it_was(fake, opened):
    fake.products = [product(number) for number in range(1, 2_502)]
    expected = ids(pages(opened().full))
    store = opened()
    first = [store.full(None)]
    while not first[-1].records:
        first.append(store.full(first[-1].cursor))
    rest, cursor = opened("two"), first[-1].cursor
    found = ids(first)
    while cursor is not None:
        page = rest.full(cursor)
        found += [record.retailer_id for record in page.records]
        cursor = page.cursor
    assert found == expected
    assert operations(fake).count("RunExport") == 2


def test_an_export_leaves_nothing_behind_once_it_was_read(opened, tmp_path):
    store = opened()
    pages(store.full)
    assert len(list((tmp_path / "one").iterdir())) == 2
    assert not (tmp_path / "one").stat().st_mode & 0o077
    store.close()
    assert list((tmp_path / "one").iterdir()) == []


def started(fake: FakeShopify, store: Shopify) -> str:
    """The cursor of a pull whose export is done and not downloaded yet."""
    cursor = store.full(None).cursor
    fake.exports["7000"]["status"] = "COMPLETED"
    assert cursor is not None
    return cursor


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[: body.rindex(b'{"id"')],
        lambda body: body[: len(body) // 2],
        lambda body: body[:-20],
        lambda body: b"",
        lambda body: body + b'{"id": "gid://shopify/Product/9"}\n',
        lambda body: body.replace(b"}\n", b"\n", 1),
        lambda body: body.replace(b'{"id"', b'["id"', 1),
        lambda body: body.replace(b'"__parentId": "gid://shopify/Product/2"', b'"__parentId": "gid://shopify/X/2"'),
        lambda body: body.replace(b', "__parentId": "gid://shopify/Product/2"', b""),
    ],
)
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_an_export_that_did_not_come_whole_is_not_believed(fake, opened, tmp_path, spoil):
    store = opened()
    cursor = started(fake, store)
    (url,) = fake.files
    fake.files[url] = spoil(fake.files[url])
    with pytest.raises(StoreIncomplete) as caught:
        store.full(cursor)
    assert "canary" not in str(caught.value)
    assert list((tmp_path / "one").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"status": "FAILED", "errorCode": "TIMEOUT"}, StoreIncomplete, "could not finish"),
        ({"status": "FAILED", "errorCode": "INTERNAL_SERVER_ERROR"}, StoreIncomplete, "could not finish"),
        ({"status": "FAILED", "errorCode": "ACCESS_DENIED"}, StoreRefused, "read_products"),
        ({"status": "CANCELED"}, StoreIncomplete, "canceled"),
        ({"status": "EXPIRED"}, CursorExpired, None),
        ({"url": None}, StoreIncomplete, "no file"),
        ({"url": "http://files.example/x"}, StoreIncomplete, "https"),
        ({"status": "RUNNING", "createdAt": "2026-11-21T05:59:59Z", "polls": 9}, StoreIncomplete, "6 hours"),
    ],
)
@pytest.mark.invariant("I9")
def test_an_export_that_failed_is_never_read(fake, opened, change, error, named):
    store = opened()
    cursor = started(fake, store)
    fake.exports["7000"].update(change)
    with pytest.raises(error, match=named):
        store.full(cursor)
    assert not any(url.startswith(("http://files", FILES)) for url in fake.urls)


def test_an_export_that_shopify_has_forgotten_starts_the_pull_again(fake, opened):
    store = opened()
    cursor = started(fake, store)
    fake.exports.clear()
    with pytest.raises(CursorExpired):
        store.full(cursor)


def test_a_file_that_is_refused_is_asked_for_again_and_its_signature_kept_out(fake, opened):
    store = opened()
    cursor = started(fake, store)
    fake.files.clear()
    with pytest.raises(Transient) as caught:
        store.full(cursor)
    assert type(caught.value) is Transient
    assert "canary" not in str(caught.value)


def test_too_many_exports_at_once_are_waited_for(fake, opened):
    fake.max_exports = 0
    store = opened()
    waiting = store.full(None)
    assert (waiting.pause_s, waiting.watermark) == (30.0, "2026-11-21T12:00:00Z")
    again = store.full(waiting.cursor)
    assert (again.pause_s, again.cursor == waiting.cursor) == (30.0, False)
    fake.max_exports = 5
    cursor = again.cursor
    found: list[str] = []
    while cursor is not None:
        page = store.full(cursor)
        found += [record.retailer_id for record in page.records]
        cursor = page.cursor
    assert found == ["1000", "2000", "2001"]


def test_an_hour_of_other_exports_ends_the_pull(fake, opened):
    fake.max_exports = 0
    store = opened()
    with pytest.raises(StoreIncomplete, match="other exports"):
        pages(store.full)
    assert operations(fake).count("RunExport") == 121


@pytest.mark.parametrize("cursor", ['{"phase": "sold"}', '{"phase": "file", "export": "../x"}', "[]", '{"phase": 1}'])
def test_a_cursor_of_another_pull_or_of_nobody_has_expired(fake, opened, cursor):
    with pytest.raises(CursorExpired):
        opened().full(cursor)
    assert fake.asked == []


def test_the_token_is_sent_to_the_shop_alone(fake, opened):
    # The fake refuses a download that carries it.
    pages(opened().full)
    assert [url for url in fake.urls if url.startswith(FILES)] == [f"{FILES}7000.jsonl?signature=canary"]
