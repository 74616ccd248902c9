"""A real Vendure store and a real worker: every kind of change reaches Meta by the job that owes it, and by no other.

What a job finds depends on what Vendure tells it: a price or a stock level moves no timestamp of product or variant, an
order neither, so the volatile listing alone owes them; a name moves the variant's; a deletion shows only as absence.
"""

from __future__ import annotations

import pytest

from tests.e2e.processes import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CATALOG = "7001"


@pytest.fixture(scope="module")
def site(tmp_path_factory, sandbox, vendure_store):
    directory = tmp_path_factory.mktemp("site") / "my shop"
    directory.mkdir()
    installation = Installation(directory, {"META_GRAPH_URL": sandbox.url, "META_TOKEN": "test-token"})
    try:
        installation.start_worker()
        installation.must(
            "shop", "add", "vendure", "--store", "vendure", "--store-url", vendure_store.url, "--catalog", CATALOG,
            "--store-option", "storefront_url=https://shop.example/products/{slug}",
            "--token-env", "META_TOKEN", "--store-secret-env", "STORE_KEY", STORE_KEY=vendure_store.api_key,
        )  # fmt: skip
        yield installation
    finally:
        installation.close()


def test_every_change_in_a_real_store_arrives_by_the_job_that_owes_it(site, sandbox, vendure_store):
    def at_meta(retailer_id, field):
        return sandbox.items(CATALOG)[retailer_id].get(field)

    def sync(job):
        before = len(sandbox.calls("items_batch"))
        run = site.sync(job, "vendure")
        return run, [record for call in sandbox.calls("items_batch")[before:] for record in call["records"]]

    variants = vendure_store.variants()
    first, _ = sync("full")
    # Some sample products have no brand, and Meta wants one: the merchant is told, and nothing is invented.
    problems = site.json("issues", "vendure")
    assert {(row["code"], row["severity"]) for row in problems} == {("brand.missing", "error")}
    nameless = {row["retailer_id"] for row in problems}
    sold = [variant for variant in variants if variant["id"] not in nameless]
    assert 0 < len(nameless) < len(sold)
    assert [first[name] for name in ("pulled", "invalid", "created", "accepted", "rejected", "pending")] == [
        len(variants), len(nameless), len(sold), len(sold), 0, 0,
    ]  # fmt: skip
    assert {key: item["price"] for key, item in sandbox.items(CATALOG).items()} == {
        variant["id"]: f"{variant['priceWithTax'] / 100:.2f} USD" for variant in sold
    }
    again, records = sync("full")
    assert (again["unchanged"], again["calls"], records) == (len(sold), 0, [])

    alone = [one for one in sold if [two["productId"] for two in variants].count(one["productId"]) == 1]
    priced, stocked, ordered, named, disabled, deleted = alone[:6]
    before = sandbox.items(CATALOG)
    vendure_store.set_stock(ordered["id"], 2)
    _, records = sync("volatile")
    assert [record["data"]["id"] for record in records] == [ordered["id"]]

    # Everything at once; then each job takes what is its own.
    vendure_store.set_price(priced["id"], 100_00)
    vendure_store.set_stock(stocked["id"], 3)
    vendure_store.order(ordered["id"], 2)
    vendure_store.set_variant_name(named["id"], "A name of its own")
    vendure_store.set_product_enabled(disabled["productId"], enabled=False)
    vendure_store.delete_product(deleted["productId"])

    table = {}
    volatile, records = sync("volatile")
    for record in records:
        assert set(record["data"]) <= {
            "id", "price", "sale_price", "sale_price_effective_date", "availability", "quantity_to_sell_on_facebook",
        }  # fmt: skip
    assert volatile["calls"] == 1
    table |= {record["data"]["id"]: "volatile" for record in records}
    assert at_meta(priced["id"], "price") == "120.00 USD"
    assert at_meta(stocked["id"], "quantity_to_sell_on_facebook") == 3
    assert (at_meta(ordered["id"], "availability"), at_meta(ordered["id"], "quantity_to_sell_on_facebook")) == (
        "out of stock",
        0,
    )
    assert at_meta(named["id"], "title") == before[named["id"]]["title"]

    _, records = sync("delta")
    table |= {record["data"]["id"]: "delta" for record in records}
    assert at_meta(named["id"], "title") == "A name of its own"
    assert at_meta(disabled["id"], "status") == "archived"
    assert at_meta(deleted["id"], "status") == "active"

    full, records = sync("full")
    table |= {record["data"]["id"]: "full" for record in records}
    assert records == [{"method": "UPDATE", "data": {"id": deleted["id"], "status": "archived"}}]
    assert full["removed"] == 1

    assert table == {
        priced["id"]: "volatile",
        stocked["id"]: "volatile",
        ordered["id"]: "volatile",
        named["id"]: "delta",
        disabled["id"]: "delta",
        deleted["id"]: "full",
    }
    assert sync("full")[1] == []

    vendure_store.set_product_enabled(disabled["productId"], enabled=True)
    sync("delta")
    assert at_meta(disabled["id"], "status") == "active"
    assert {row["retailer_id"] for row in site.json("issues", "vendure")} == nameless
