"""What is typed wrongly, or cannot be: one sentence that names the thing and the remedy, and nothing is changed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.processes import TOKEN, Installation, products, until, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(tmp_path_factory, sandbox):
    """One shop, and no worker."""
    directory = tmp_path_factory.mktemp("site") / "my shop"
    directory.mkdir()
    installation = Installation(directory, {"META_GRAPH_URL": sandbox.url, "META_TOKEN": TOKEN})
    try:
        write_feed(directory / "feed.csv", products(3))
        installation.add_feed("acme", directory / "feed.csv", "1001")
        sandbox.control("tokens", {"token": "of-another", "catalogs": ["1001"]})
        sandbox.control("tokens", {"token": "revoked", "state": "revoked"})
        yield installation
    finally:
        installation.close()


def adding(*, store="feed", url="feed.csv", catalog="1002", token_env="META_TOKEN", more=()):
    return ("shop", "add", "new", "--store", store, "--store-url", url, "--catalog", catalog,
            "--token-env", token_env, *more)  # fmt: skip


REFUSED = [
    (("sync", "full", "ghost", "--wait"), {}, "There is no shop 'ghost'. See 'celery -A worker shop list'."),
    (("item", "acme", "nothing"), {}, "Nothing is known of an item 'nothing' in the shop acme."),
    (("runs", "show", "01X"), {}, "There is no run '01X'. See: celery -A worker runs."),
    (
        adding(store="magento"),
        {},
        "There is no kind of store 'magento'. Use one of: feed, medusa, saleor, shopify, vendure, woocommerce.",
    ),
    (adding(catalog="abc"), {}, "The catalog id 'abc' is not a number. Copy it from Commerce Manager, Settings."),
    (adding(catalog="1001"), {}, "The catalog 1001 already belongs to the shop acme; a catalog has one shop."),
    (adding(), {"META_TOKEN": "of-another"}, "Meta refused the call: Unsupported request. Object with ID '1002' does"),
    (adding(), {"META_TOKEN": "revoked"}, "Meta refused the call: Error validating access token"),
    (adding(token_env="NOT_SET"), {}, "The environment variable NOT_SET is not set, and it should hold the Meta tok"),
    (adding(more=("--currency", "ZZZ")), {}, "'ZZZ' is no currency. Use an ISO 4217 code such as USD or EUR."),
    (adding(store="vendure", url="https://x.example"), {}, "The kind of store vendure needs the option storefront_url"),
    (adding(), {"META_GRAPH_URL": "http://127.0.0.1:1"}, "Meta's Graph API at 127.0.0.1 cannot be reached"),
    (("shop", "schedule", "acme", "volatile", "61 * * * *"), {}, "The cadence '61 * * * *' is no cron expression;"),
    (("sync", "approve", "01X"), {}, "There is no run '01X'."),
    (("shop", "list"), {"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL is wrong: mysql is no supported database"),
    (("shop", "list"), {"TOKEN_KEYS": "short"}, "TOKEN_KEYS is wrong: each of its comma-separated keys must have 32"),
]


WRONG_USAGE = [
    ("sync", "full"),
    ("sync", "weekly", "acme"),
    ("sync", "full", "acme", "--wait", "-1"),
    ("shop", "add", "new"),
]


@pytest.fixture(scope="module")
def answers(site):
    """All of them typed, some at once: each command takes a second to start."""
    typed = [(words, environment) for words, environment, _ in REFUSED] + [(words, {}) for words in WRONG_USAGE]
    with ThreadPoolExecutor(max_workers=4) as together:
        return list(together.map(lambda one: site.run(*one[0], **one[1]), typed))


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[sentence[:40] for _, _, sentence in REFUSED])
def test_a_command_that_cannot_be_carried_out_says_why_and_exits_with_1(answers, number):
    done = answers[number]
    assert (done.code, done.out) == (1, "")
    assert done.sentence.startswith(REFUSED[number][2])
    assert done.sentence.endswith(".")


@pytest.mark.parametrize("number", range(len(WRONG_USAGE)), ids=map(" ".join, WRONG_USAGE))
def test_a_command_that_is_no_command_exits_with_2(answers, number):
    done = answers[len(REFUSED) + number]
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: ")


def test_a_refusal_in_json_is_one_document_too(site):
    done = site.run("sync", "full", "ghost", "--json")
    assert (done.code, done.json) == (1, {"error": done.sentence})


def test_waiting_without_a_worker_ends_within_seconds_and_the_run_waits_for_one(site, sandbox):
    began = time.monotonic()
    done = site.run("sync", "full", "acme", "--wait", "--json")
    assert time.monotonic() - began < 60
    assert (done.code, done.json["state"], done.json["started_at"]) == (1, "queued", None)
    assert done.err.splitlines()[-1].startswith("Error: No worker is running, so the run waits until there is one.")

    worker = site.start_worker()
    until(lambda: site.json("runs", "show", done.json["run"])["state"] == "succeeded")
    worker.stop()
    assert sorted(sandbox.items("1001")) == ["mug-1", "mug-2", "mug-3"]


def test_after_all_that_only_the_one_shop_was_there(site, sandbox):
    assert [row["shop"] for row in site.json("shop", "list")] == ["acme"]
    assert {call["catalog"] for call in sandbox.calls("items_batch")} == {"1001"}
