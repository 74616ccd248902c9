"""A store's credential is in nothing that anybody prints."""

from __future__ import annotations

from tests.contract.subjects import SECRET
from worker.stores import StoreConfig


def test_a_store_keeps_its_secret_out_of_what_prints_it(remote):
    store = remote.open()
    assert SECRET not in repr(store)
    assert SECRET not in repr(StoreConfig("https://shop.example", {}, None, SECRET, "/nowhere"))
    store.close()
