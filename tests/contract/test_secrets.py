"""A store's credential is in nothing that anybody prints."""

from __future__ import annotations

import logging

import httpx
import pytest

from tests.contract.reading import full, pages, volatile
from tests.contract.subjects import SECRET
from tests.contract.wire import Wire, opened
from worker.errors import ShelfbeatError
from worker.stores import StoreConfig

pytestmark = pytest.mark.invariant("I14")


def test_a_store_keeps_its_secret_out_of_what_prints_it(remote):
    store = remote.open()
    assert SECRET not in repr(store)
    assert SECRET not in repr(StoreConfig("https://shop.example", {}, None, SECRET, "/nowhere"))
    store.close()


@pytest.mark.parametrize("read", [full, volatile])
def test_a_pull_leaves_the_secret_in_no_log_page_or_file_name(remote, read, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    remote.fill(20, spoil=True)
    store = remote.open()
    printed = [repr(page) for page in pages(read, store)]
    printed += [str(path) for path in tmp_path.rglob("*")]
    store.close()
    assert SECRET not in "\n".join([*printed, caplog.text])


def test_the_secret_travels_in_headers_and_in_no_address(remote):
    remote.fill(20)
    wire = Wire(remote.fake)
    store = opened(remote, wire)
    pages(full, store)
    store.close()
    assert any(SECRET in str(request.url) for request in wire.asked) is remote.secret_in_address


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_quotes_the_credential_is_not_quoted(remote, status, caplog):
    """What a server does on errors: show the request with its headers, in JSON or as a page."""
    caplog.set_level(logging.DEBUG)
    quoting = f'{{"error": "{SECRET}", "errors": [{{"message": "{SECRET}", "extensions": {{"code": "{SECRET}"}}}}]}}'
    for kind in ("application/json", "text/html"):
        headers = {"content-type": kind, "location": f"ftp://{SECRET}/", "www-authenticate": SECRET}
        remote.answer_with(httpx.Response(status, headers=headers, stream=httpx.ByteStream(quoting.encode())))
        store = remote.open()
        with pytest.raises(ShelfbeatError) as caught:
            store.full(None)
        error = caught.value
        assert SECRET not in f"{error} {error!r} {error.message} {error.action} {vars(error)} {caplog.text}"
        store.close()
