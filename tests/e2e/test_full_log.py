"""A worker whose log cannot be written: it goes on, and comes to the same end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.processes import CELERY, Daemon, Installation, products, until, write_feed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.fault("N23")]


@pytest.fixture(scope="module")
def site(tmp_path_factory, sandbox):
    """No worker yet."""
    installation = Installation(tmp_path_factory.mktemp("site"), {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": "2"})
    yield installation
    installation.close()


def a_full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def a_reader_that_is_gone() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="There is no /dev/full here, the device of a full disk.")
@pytest.mark.parametrize("opened", [a_full_disk, a_reader_that_is_gone])
def test_a_worker_that_cannot_write_its_log_goes_on(site, sandbox, opened: Callable[[], int]) -> None:
    slug = opened.__name__.replace("_", "-")
    catalog = str(6000 + len(slug))
    feed = site.directory / f"{slug}.csv"
    # One item that our rules refuse, one that Meta refuses: whatever is worth a line is met.
    write_feed(feed, {**products(20), "bad": {**products(1)["mug-1"], "price": "none"}})
    site.add_feed(slug, feed, catalog)
    sandbox.fault("items_batch", "error", code=2, catalog=catalog)
    log = opened()
    process = subprocess.Popen(
        [*CELERY, "worker", "-c", "1", "-l", "INFO"],
        cwd=site.directory,
        env=site.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    os.close(log)
    worker = Daemon("worker", process, Path(os.devnull))
    try:
        done = site.run("sync", "full", slug, "--json")
        assert done.code == 0, done
        ended = until(lambda: finished(site, done.json["run"]), every_s=0.5)
        assert (ended["state"], ended["accepted"], ended["invalid"], ended["pending"]) == ("succeeded", 20, 1, 0)
        assert (len(sandbox.items(catalog)), process.poll()) == (20, None)
    finally:
        with suppress(ProcessLookupError):
            worker.kill()


def finished(site, run_id):
    run = site.json("runs", "show", run_id)
    return run if run["finished_at"] else None
