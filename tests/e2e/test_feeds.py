"""Feeds that arrive damaged or empty: the run fails or is held, says why, and changes nothing at Meta."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.processes import product, products, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def ndjson(items):
    return "".join(json.dumps({"id": key, **item}) + "\n" for key, item in items.items()).encode()


def feed_bytes(path, items):
    if ".ndjson" in path.name:
        return ndjson(items)
    plain = path.with_name("plain.csv")
    write_feed(plain, items)
    return plain.read_bytes()


def packed(path, body):
    return gzip.compress(body) if path.suffix == ".gz" else body


DAMAGED = {
    "cut.csv": lambda whole: whole[: whole.rindex(b",in stock") + 4],
    "open-quote.csv": lambda whole: whole + b'mug-99,"never closed\n',
    "empty.csv": lambda whole: b"",
    "page.csv": lambda whole: b"<!DOCTYPE html><html><body>Down for maintenance</body></html>",
    "cut.ndjson": lambda whole: whole[:-40],
    "cut.csv.gz": lambda whole: whole[:-20],
    "broken.ndjson.gz": lambda whole: whole[:60] + b"\xff" * 16 + whole[76:],
    "header.csv": lambda whole: whole[: whole.index(b"\n") + 1],
}


@pytest.mark.parametrize("site", ["embedded"], indirect=True, scope="module")
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6", "S7", "S13")
def test_a_damaged_feed_fails_its_run_an_empty_one_is_held_and_neither_changes_anything(site, sandbox):
    """All at once, because what may be a transfer cut short is tried again for half a minute."""
    items = products(20)
    shops = {name: (f"shop-{number}", str(5000 + number)) for number, name in enumerate(DAMAGED)}

    def live_through(name):
        slug, catalog = shops[name]
        path = site.directory / slug / name
        path.parent.mkdir()
        path.write_bytes(packed(path, feed_bytes(path, items)))
        site.add_feed(slug, path, catalog)
        first = site.sync("full", slug)
        # Every item differs, so anything that were believed would be sent.
        changed = {key: product(90, title="Changed") for key in list(items)[:10]}
        path.write_bytes(DAMAGED[name](packed(path, feed_bytes(path, changed))))
        return first, site.run("sync", "full", slug, "--wait", "--json")

    with ThreadPoolExecutor(max_workers=len(DAMAGED)) as together:
        lives = dict(zip(DAMAGED, together.map(live_through, DAMAGED), strict=True))

    for name, (first, ended) in lives.items():
        assert first["accepted"] == 20, name
        # A header without items is a whole feed: it may be what the merchant wants.
        code, state, removed = (3, "held", 20) if name == "header.csv" else (1, "failed", 0)
        assert (ended.code, ended.json["state"]) == (code, state), (name, ended)
        assert ended.json["error"].endswith("."), (name, ended.json)
        assert (ended.json["removed"], ended.json["accepted"], ended.json["calls"]) == (removed, 0, 0), name
        items_at_meta = sandbox.items(shops[name][1])
        assert {key: item["title"] for key, item in items_at_meta.items()} == {
            key: item["title"] for key, item in items.items()
        }
        assert {item["status"] for item in items_at_meta.values()} == {"active"}
    assert len(sandbox.calls("items_batch")) == len(DAMAGED)
