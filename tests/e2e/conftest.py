"""Where end-to-end stories take place: on embedded defaults, and on Redis with PostgreSQL where both answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.conftest import PostgresServer
from tests.e2e.processes import Installation
from tests.e2e.vendure.store import vendure_store
from worker.sandbox import Sandbox

__all__ = ["vendure_store"]

NO_REDIS = "No Redis with an empty database answers at TEST_REDIS_URL (default 127.0.0.1:6379): its tests are skipped."

_CLAIM = "shelfbeat-tests"


@contextmanager
def a_redis_of_our_own() -> Iterator[str | None]:
    """URL of an empty numbered database of the server at ``TEST_REDIS_URL`` (default 127.0.0.1:6379); None: no server.

    Nobody else's keys are touched: the number is taken only if it is empty, and emptied afterwards.
    """
    base = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379").rstrip("/")
    for number in range(15, 0, -1):
        url = f"{base}/{number}"
        with redis.Redis.from_url(url, socket_connect_timeout=30) as client:
            try:
                taken = client.dbsize() > 0 or not client.set(_CLAIM, os.getpid(), nx=True)
            except (redis.ConnectionError, redis.TimeoutError):
                break
            if taken:
                continue
            try:
                yield url
            finally:
                client.flushdb()
            return
    yield None


@pytest.fixture(scope="module")
def servers_or_why_not(postgres_or_why_not: PostgresServer | str) -> Iterator[dict[str, str] | str]:
    """Settings for a Redis and a PostgreSQL database that are this module's alone, or why there are none."""
    postgres = postgres_or_why_not
    if isinstance(postgres, str):
        yield postgres
        return
    with a_redis_of_our_own() as redis_url:
        if redis_url is None:
            yield NO_REDIS
            return
        url = postgres.make()
        yield {"DATABASE_URL": url, "REDIS_URL": redis_url, "TOKEN_KEYS": "a-key-for-tests-with-32-characters"}
        postgres.drop(url)


@pytest.fixture(scope="module")
def servers(servers_or_why_not: dict[str, str] | str) -> dict[str, str]:
    """Settings for a Redis and a PostgreSQL database that are this module's alone."""
    if isinstance(servers_or_why_not, str):
        pytest.skip(servers_or_why_not)
    return servers_or_why_not


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(latency_s=0.1) as running:
        yield running


@pytest.fixture(scope="module", params=["embedded", "servers"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> Iterator[Installation]:
    """An installation with a worker and no beat, shared by the tests of a module: each has shops of its own."""
    sandbox.control("reset", {})
    settings = {"META_GRAPH_URL": sandbox.url, "META_DRAIN_S": "2"}
    if request.param == "servers":
        settings |= request.getfixturevalue("servers")
    directory = tmp_path_factory.mktemp("site") / "my shop"
    directory.mkdir()
    installation = Installation(directory, settings)
    try:
        if request.param == "servers":
            installation.must("db", "upgrade")
        installation.start_worker(concurrency=3)
        yield installation
    finally:
        installation.close()
