from __future__ import annotations

import io

import pytest

from worker.cli.secrets import read_secret
from worker.errors import BadInput


def test_a_named_variable_holds_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", " test-token\n")
    assert read_secret("Meta token", "ACME_TOKEN") == "test-token"


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_variable_without_a_secret_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("ACME_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("ACME_TOKEN", value)
    with pytest.raises(BadInput, match="ACME_TOKEN is not set"):
        read_secret("Meta token", "ACME_TOKEN")


def test_without_a_terminal_each_secret_is_a_line_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("test-token\ntest-secret\n"))
    assert read_secret("Meta token", None) == "test-token"
    assert read_secret("store's credential", None) == "test-secret"
    with pytest.raises(BadInput, match="No Meta token was given"):
        read_secret("Meta token", None)
