from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.cli.conftest import Cli
from worker.settings import read_settings

OLD = "a test key of thirty-two characters"
NEW = "another key of thirty-two characters"


def status(cli: Cli) -> tuple[int, Any]:
    result = cli("keys", "status", "--json")
    assert OLD not in result.output
    assert NEW not in result.output
    return result.exit_code, json.loads(result.stdout)


def use(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setenv("TOKEN_KEYS", ",".join(keys))
    read_settings.cache_clear()


@pytest.mark.invariant("I14")
@pytest.mark.fault("N22")
def test_a_key_is_replaced_and_no_step_shows_it(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    code, found = status(acme)
    (old,) = found["keys"]
    assert (code, found["source"], old["credentials"], old["newest"]) == (0, "TOKEN_KEYS", 1, True)
    assert (found["missing"], found["unreadable"]) == ([], [])

    use(monkeypatch, NEW, OLD)
    assert [row["credentials"] for row in status(acme)[1]["keys"]] == [0, 1]
    rotated = acme("keys", "rotate")
    assert (rotated.exit_code, rotated.stdout.startswith("1 credential has the newest key now (")) == (0, True)
    assert [row["credentials"] for row in status(acme)[1]["keys"]] == [1, 0]
    assert acme("keys", "rotate").stdout.startswith("0 credentials have")

    use(monkeypatch, OLD)
    code, found = status(acme)
    assert (code, [row["credentials"] for row in found["missing"]]) == (1, [1])
    assert found["unreadable"] == [{"shop": "acme", "credential": "meta_token"}]
    refused = acme("keys", "rotate")
    assert (refused.exit_code, "No key at hand decrypts the credentials of acme" in refused.stderr) == (1, True)
    assert acme("keys", "status").stdout.endswith("acme: its meta token does not decrypt.\n")
