"""What somebody does to a catalog at Meta is found, reported and set right."""

from __future__ import annotations

import pytest

from tests.e2e.processes import until
from worker.cli.comparison import compare

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.mark.parametrize("site", ["embedded"], indirect=True, scope="module")
def test_a_catalog_that_somebody_changed_at_meta_is_set_back_and_their_items_are_left_alone(site, sandbox):
    catalog, slug = "1020", "audited"
    site.add_feed(slug, sandbox.feed_url, catalog)
    site.sync("full", slug)
    before = sandbox.items(catalog)

    clean = site.sync("audit", slug)
    names = ("pulled", "unchanged", "created", "updated", "removed", "rejected", "pending")
    assert [clean[name] for name in names] == [len(before), len(before), 0, 0, 0, 0, 0]
    assert [row for row in site.json("issues", slug) if row["source"] == "diagnostics"] == []

    cheap, *lost = [key for key in sorted(before) if key.startswith("mug-")][:3]
    theirs = {"title": "Another tool's", "price": "5.00 USD", "availability": "in stock"}
    sandbox.control(f"items/{catalog}/{cheap}", {"price": "1.00 USD"})
    sandbox.control(f"items/{catalog}/delete", {"ids": lost})
    sandbox.control(f"items/{catalog}/theirs", theirs)
    dry = site.json("sync", "audit", slug, "--dry-run")
    assert dry["samples"] == {"created": lost, "updated": [cheap], "orphans": ["theirs"]}

    found = site.sync("audit", slug)
    assert [found[name] for name in names] == [len(before) - 1, len(before) - 3, 0, 0, 0, 0, 0]
    until(lambda: [run["state"] for run in site.json("runs", slug)[:2]] == ["succeeded", "succeeded"], every_s=1)
    repair = site.json("runs", slug)[0]
    assert [repair[name] for name in ("job", "created", "updated", "removed", "accepted")] == ["full", 2, 1, 0, 3]
    problems = site.json("issues", slug)
    drift = [(row["retailer_id"], row["code"]) for row in problems if row["source"] == "diagnostics"]
    assert drift == [(cheap, "drift.price"), *((key, "drift.missing") for key in lost), ("theirs", "orphan")]
    items = sandbox.items(catalog)
    assert items.pop("theirs") == theirs
    refused = {row["retailer_id"] for row in problems if row["severity"] == "error"}
    assert compare(sandbox.feed_url, items, refused).different == []

    again = site.sync("audit", slug)
    assert [again[name] for name in names] == [len(before) + 1, len(before), 0, 0, 0, 0, 0]
    left = [row["code"] for row in site.json("issues", slug) if row["source"] == "diagnostics"]
    assert (left, sandbox.items(catalog)["theirs"]) == (["orphan"], theirs)
    assert site.json("shop", "show", slug)["schedules"]["audit"]["cron"] == "H H * * H"
