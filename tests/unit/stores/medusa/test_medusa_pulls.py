"""How Medusa's lists are paged, and what a delta finds of what moved."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.medusa import FakeMedusa, level, part, product, variant
from tests.unit.stores.medusa.medusa_shops import LATE, NOW, changed, opened, pulled
from worker.errors import BadInput, StoreIncomplete
from worker.stores import CursorExpired


def shop(count: int) -> FakeMedusa:
    return FakeMedusa([product(number) for number in range(1, count + 1)])


def ids(numbers) -> list[str]:
    return [str(1000 * number) for number in numbers]


@pytest.mark.fault("S10")
def test_a_deletion_while_paging_loses_no_variant():
    fake = shop(1_200)
    store = opened(fake)
    first = store.full(None)
    del fake.products[3:6]
    rest, cursor = [], first.cursor
    while cursor is not None:
        page = store.full(cursor)
        rest += [record.retailer_id for record in page.records]
        cursor = page.cursor
    assert rest == ids(range(501, 1_201))


@pytest.mark.fault("S10")
def test_the_deletion_of_the_page_before_starts_the_pull_again():
    fake = shop(1_200)
    store = opened(fake)
    cursor = store.full(None).cursor
    del fake.products[:500]
    with pytest.raises(CursorExpired):
        store.full(cursor)


@pytest.mark.fault("S11")
def test_a_cursor_of_another_pull_has_expired():
    store = opened(shop(1_200))
    cursor = store.full(None).cursor
    for read in (lambda: store.volatile(None, cursor), lambda: store.changed(NOW, cursor)):
        with pytest.raises(CursorExpired):
            read()


@pytest.mark.invariant("I9")
@pytest.mark.fault("S12")
def test_a_server_that_repeats_its_page_is_not_believed():
    fake = shop(1_200)
    store = opened(fake)
    cursor = store.full(None).cursor
    fake.ignored = frozenset({"offset"})
    with pytest.raises(StoreIncomplete, match="another part of its list"):
        store.full(cursor)


@pytest.mark.invariant("I9")
@pytest.mark.parametrize("ignored", ["limit", "offset"])
def test_an_answer_to_another_question_is_not_believed(ignored):
    class Deaf(FakeMedusa):
        def _list(self, name, rows, params, made=()):
            return super()._list(name, rows, [pair for pair in params if pair[0] != ignored], made)

    fake = Deaf([product(number) for number in range(1, 1_201)])
    with pytest.raises(StoreIncomplete, match="another part of its list"):
        pulled(opened(fake).full)


@pytest.mark.invariant("I9")
def test_fewer_variants_than_counted_are_not_a_catalog():
    class Short(FakeMedusa):
        def _list(self, name, rows, params, made=()):
            answer = super()._list(name, rows, params, made)
            body = answer.read().replace(b'"count": 3,', b'"count": 4,')
            return httpx.Response(200, headers=answer.headers, stream=httpx.ByteStream(body))

    with pytest.raises(StoreIncomplete, match="counts 4 product variants and gives 3"):
        pulled(opened(Short([product(number) for number in range(1, 4)])).full)


@pytest.mark.fault("S21")
def test_the_watermark_is_the_stores_clock_before_the_first_list_was_read():
    fake = shop(1_200)
    store = opened(fake)
    page = store.full(None)
    assert page.watermark == NOW
    assert [path for path, _ in fake.asked] == ["stores", "price-lists", "product-variants"]
    assert store.full(page.cursor).watermark is None


def test_what_holds_for_all_variants_is_read_anew_by_each_pull_and_process():
    fake = shop(1_200)
    store = opened(fake)
    cursor = store.full(None).cursor
    store.full(cursor)
    opened(fake).full(cursor)
    store.volatile(None, None)
    assert [path for path, _ in fake.asked].count("price-lists") == 3


def test_the_delta_finds_changed_variants_and_those_of_changed_products_once():
    fake = FakeMedusa([product(number, [variant(1000 * number), variant(1000 * number + 1)]) for number in range(1, 6)])
    fake.products[0]["updated_at"] = LATE
    fake.products[0]["variants"][0]["updated_at"] = LATE
    fake.products[2]["variants"][0]["updated_at"] = LATE
    assert changed(opened(fake)) == (["1000", "3000", "1001"], [])


def test_a_change_at_the_very_instant_of_the_overlap_counts():
    fake = shop(2)
    fake.products[1]["variants"][0]["updated_at"] = "2026-11-21T12:00:00.000Z"
    assert changed(opened(fake), "2026-11-21T12:10:00Z") == (["2000"], [])
    assert changed(opened(fake), "2026-11-21T12:10:01Z") == ([], [])


def test_stock_that_moved_is_found_by_the_sweep_though_it_moves_no_variant():
    fake = shop(3)
    fake.products[1]["variants"][0]["inventory_items"] = [part("iitem_2000", level(7, 3, moved=LATE))]
    assert changed(opened(fake)) == (["2000"], [])
    assert [path for path, _ in fake.asked].count("inventory-items") == 1


def test_a_part_of_several_kits_brings_them_all():
    shared = part("iitem_shared", level(7, moved=LATE))
    fake = FakeMedusa([product(1, [variant(1, inventory_items=[shared]), variant(2, inventory_items=[shared])])])
    assert changed(opened(fake)) == (["1", "2"], [])


def test_what_was_deleted_is_gone_whether_alone_or_with_its_product():
    fake = FakeMedusa([product(number, [variant(1000 * number), variant(1000 * number + 1)]) for number in range(1, 5)])
    fake.products[0]["variants"][1]["deleted_at"] = LATE
    fake.products[1]["deleted_at"] = LATE
    for one in fake.products[1]["variants"]:
        one["deleted_at"] = LATE
    fake.products[2]["variants"][0]["deleted_at"] = "2026-11-02T00:00:00.000Z"
    assert changed(opened(fake)) == ([], ["1001", "2000", "2001"])
    assert [record.retailer_id for record in pulled(opened(fake).full)[0]] == ["1000", "3001", "4000", "4001"]


@pytest.mark.invariant("I9")
@pytest.mark.parametrize("ignored", ["with_deleted", "variants[deleted_at][$gte]"])
def test_a_version_that_ignores_what_is_asked_of_tombstones_makes_nothing_that_lives_gone(ignored):
    fake = shop(30)
    fake.products[4]["variants"][0]["deleted_at"] = LATE
    fake.ignored = frozenset({ignored})
    gone = changed(opened(fake))[1]
    assert gone == ([] if ignored == "with_deleted" else ["5000"])


def test_a_version_that_ignores_times_is_read_whole():
    fake = shop(30)
    fake.ignored = frozenset({"updated_at[$gte]"})
    assert sorted(set(changed(opened(fake))[0]), key=int) == ids(range(1, 31))


@pytest.mark.invariant("I9")
def test_a_version_that_ignores_ids_is_not_believed():
    fake = shop(30)
    fake.ignored = frozenset({"id[]"})
    with pytest.raises(StoreIncomplete, match="other rows than those that were asked for"):
        opened(fake).fetch(["5000"])


def test_the_volatile_pull_trusts_no_timestamp():
    fake = shop(5)
    records, _ = pulled(lambda cursor: opened(fake).volatile("2030-01-01T00:00:00Z", cursor))
    assert [record.retailer_id for record in records] == ids(range(1, 6))
    assert all("updated_at" not in str(params) for _, params in fake.asked)


def test_a_look_up_returns_only_what_was_asked_for_and_exists():
    fake = shop(250)
    fake.products[6]["variants"][0]["deleted_at"] = LATE
    wanted = ids(range(1, 221))
    found = opened(fake).fetch([*wanted, "404"])
    assert sorted(record.retailer_id for record in found) == sorted(set(wanted) - {"7000"})
    assert sum(path == "product-variants" for path, _ in fake.asked) == 3


def test_a_watermark_of_another_store_is_refused():
    with pytest.raises(BadInput):
        opened(shop(1)).changed("yesterday", None)
