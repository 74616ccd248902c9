"""What each pull of a Saleor shop asks and sees."""

from __future__ import annotations

from itertools import cycle

import pytest

from tests.fakes.saleor import CHANNEL, FakeSaleor, gid, listing, pricing, product, stock, variant
from tests.unit.stores.saleor.saleor_shop import ids, opened, pages, volatile
from worker.errors import StoreIncomplete
from worker.stores import CursorExpired, Fields

APPAREL = 1_847


@pytest.fixture
def fake() -> FakeSaleor:
    return FakeSaleor([product(1), product(2, [variant(2000), variant(2001)])])


def apparel() -> FakeSaleor:
    """147 products with 1,847 variants, of which every third has no SKU."""
    names = iter(range(APPAREL))
    shares = [range(12 + (place < APPAREL - 147 * 12)) for place in range(147)]
    variants = [
        [variant(number, sku=f"S{number}" if number % 3 else None) for _, number in zip(share, names, strict=False)]
        for share in shares
    ]
    return FakeSaleor([product(90_000 + place, some) for place, some in enumerate(variants)])


def test_each_pull_takes_a_page_for_100_variants_and_one_call_before():
    fake = apparel()
    for pull in ("full", "delta", "volatile"):
        fake.asked.clear()
        store = opened(fake)
        read = {
            "full": store.full,
            "delta": lambda cursor, store=store: store.changed("2026-11-21T11:00:00Z", cursor),
            "volatile": lambda cursor, store=store: store.volatile(None, cursor),
        }[pull]
        assert len(set(ids(pages(read)))) == APPAREL
        assert (pull, len(fake.asked)) == (pull, 20)


def changed(fake: FakeSaleor) -> dict[str, Fields]:
    store = opened(fake)
    return {record.retailer_id: store.fields(record) for record in store.changed("2026-11-21T11:00:00Z", None).records}


def test_the_delta_sees_what_moves_no_date(fake):
    store = opened(fake)
    before = {
        record.retailer_id: store.fields(record) for record in store.changed("2026-11-21T11:00:00Z", None).records
    }
    fake.products[0]["channelListings"] = [listing(isPublished=False)]
    fake.products[1]["variants"][0]["pricing"] = {CHANNEL: pricing(9.0, 12.0)}
    fake.products[1]["variants"][1]["stocks"] = [stock(0)]
    after = changed(fake)
    hidden, cheaper, gone = (gid("ProductVariant", number) for number in (1000, 2000, 2001))
    assert after[hidden]["status"] == "archived"
    assert after[cheaper] == {**before[cheaper], "sale_price": "9.00 USD"}
    assert after[gone] == {**before[gone], "availability": "out of stock", "quantity_to_sell_on_facebook": 0}


def test_what_changes_while_it_is_read_is_read_again_and_nothing_is_lost():
    fake = apparel()
    store = opened(fake)
    first = store.full(None)
    fake.edit(fake.products[0], name="Renamed")
    del fake.products[140]
    rest = pages(lambda cursor: store.full(cursor or first.cursor))
    found = ids([first, *rest])
    assert len(found) == APPAREL - 12 + 13
    assert len(set(found)) == APPAREL - 12
    last = rest[-1].records[-1]
    assert store.fields(last)["title"] == "Renamed"


@pytest.mark.fault("S6")
def test_fewer_variants_than_counted_are_not_a_catalog(fake):
    real = fake._productVariants
    fake._productVariants = lambda **given: {**real(**given), "totalCount": 4}  # type: ignore[method-assign]  # miscounts
    with pytest.raises(StoreIncomplete, match="counts 4 variants and gives 3 of them"):
        opened(fake).full(None)


def test_a_catalog_that_shrinks_while_it_is_read_is_whole():
    fake = apparel()
    store = opened(fake)
    first = store.full(None)
    del fake.products[0]
    rest = pages(lambda cursor: store.full(cursor or first.cursor))
    assert len(ids([first, *rest])) == APPAREL


@pytest.mark.fault("S12")
def test_a_server_that_repeats_its_page_is_not_believed():
    fake = apparel()
    real = fake._productVariants
    store = opened(fake)
    first = store.full(None)
    fake._productVariants = lambda after=None, **given: real(**given)  # type: ignore[method-assign]  # ignores cursors
    with pytest.raises(StoreIncomplete, match="does not say where they begin"):
        store.full(first.cursor)


@pytest.mark.fault("S12")
def test_a_server_that_pages_in_a_circle_is_not_read_for_ever():
    fake = apparel()
    real = fake._productVariants
    first = real(channel=CHANNEL, first=100, sortBy={})["pageInfo"]["endCursor"]
    starts = [None, first, real(channel=CHANNEL, first=100, sortBy={}, after=first)["pageInfo"]["endCursor"]]
    circle = cycle(starts)
    # Leads back to its first page at every fourth one.
    fake._productVariants = lambda after=None, **given: real(after=next(circle), **given)  # type: ignore[method-assign]  # as the comment says
    with pytest.raises(StoreIncomplete, match="counts 1847 variants and gives 3800 of them"):
        pages(opened(fake).full)


@pytest.mark.fault("S11")
@pytest.mark.parametrize("cursor", ["", "{}", '["x"]', '["x", "y"]', "7", '["bm90IG91cnM=", 100]'])
def test_a_cursor_of_another_pull_has_expired(fake, cursor):
    with pytest.raises(CursorExpired):
        opened(fake).full(cursor)


@pytest.mark.fault("S21")
def test_the_watermark_is_the_stores_clock_when_the_pull_began(fake):
    store = opened(fake)
    assert store.full(None).watermark == store.changed(None, None).watermark == "2026-11-21T12:00:00Z"


def test_dates_of_publication_are_judged_by_the_stores_clock(fake):
    fake.products[0]["channelListings"] = [listing(publishedAt="2026-11-21T12:00:00+00:00")]
    store = opened(fake)
    assert all("status" not in store.fields(record) for record in store.full(None).records)


def test_other_channels_change_no_record(fake):
    before = opened(fake).full(None).records
    fake.products[0]["channelListings"].insert(0, listing("channel-pl", isPublished=False))
    fake.products[0]["variants"][0]["pricing"]["channel-pl"] = pricing(50.0, currency="PLN")
    assert opened(fake).full(None).records == before


def test_what_the_channel_does_not_list_is_not_in_the_catalog(fake):
    fake.products[0]["channelListings"] = [listing("channel-pl")]
    assert (
        ids(pages(opened(fake).full)) == ids(volatile(opened(fake))) == [gid("ProductVariant", n) for n in (2000, 2001)]
    )


def test_a_look_up_asks_for_ids_of_variants_alone(fake):
    store = opened(fake)
    wanted = [gid("ProductVariant", 2001), gid("ProductVariant", 5), gid("Product", 1), "S2001", "é", ""]
    found = store.fetch(wanted)
    assert [record.retailer_id for record in found or ()] == wanted[:1]
    assert found == [record for record in store.full(None).records if record.retailer_id == wanted[0]]
    assert fake.asked[1] == ("VariantsById", {"channel": CHANNEL, "first": 100, "ids": wanted[:2]})


def test_a_look_up_of_many_asks_a_hundred_at_a_time():
    fake = apparel()
    wanted = [gid("ProductVariant", number) for number in range(250)]
    assert len(opened(fake).fetch(wanted) or ()) == 250
    assert [len(variables["ids"]) for name, variables in fake.asked if name == "VariantsById"] == [100, 100, 50]


def test_a_look_up_of_no_variant_asks_for_none(fake):
    assert opened(fake).fetch(["S2001"]) == []
    assert [name for name, _ in fake.asked] == ["Start"]


def test_a_saleor_without_preorders_is_asked_without_them(fake):
    fake.lacking = {"preorder"}
    fake.products[0]["variants"][0]["stocks"] = []
    store = opened(fake)
    found = [record.fields["availability"] for record in store.volatile(None, None).records]
    assert found == ["out of stock", "in stock", "in stock"]
    assert len(store.full(None).records) == 3
    # Asked with them once, and for the next pull of the same store never again.
    assert [name for name, _ in fake.asked] == ["Start", "Sold", "Sold", "Start", "Variants"]


@pytest.mark.parametrize(("displayed", "price"), [(True, "12.00 USD"), (False, "3.00 USD")])
def test_prices_are_those_that_the_channel_displays(fake, displayed, price):
    fake.channels[CHANNEL]["taxConfiguration"] = {"displayGrossPrices": displayed}
    assert {record.fields["price"] for record in opened(fake).volatile(None, None).records} == {price}
