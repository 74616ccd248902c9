"""The lock holds what pyproject.toml asks for, with hashes and without addresses."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.project.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {
    "requirements.txt": ("local", "postgres", "sftp"),
    "requirements-dev.txt": ("local", "postgres", "sftp", "dev"),
}


def _pins(file: str) -> dict[str, list[str]]:
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / file).read_text(), re.MULTILINE):
        pins.setdefault(canonicalize_name(name), []).append(version)
    return pins


@pytest.mark.parametrize("file", EXTRAS)
def test_every_requirement_is_locked_to_versions_that_it_allows(file: str) -> None:
    extras = [text for extra in EXTRAS[file] for text in PROJECT["optional-dependencies"][extra]]
    pins = _pins(file)

    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras]):
        versions = pins[canonicalize_name(requirement.name)]
        assert [version for version in versions if version not in requirement.specifier] == [], requirement


@pytest.mark.parametrize("file", EXTRAS)
def test_every_locked_package_has_hashes_and_none_an_address(file: str) -> None:
    text = (ROOT / file).read_text()
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE | re.IGNORECASE)[1:]

    assert all("--hash=sha256:" in package for package in packages)
    assert re.findall(r"\w+://|--\w*index|--find-links", "".join(packages)) == []


def test_both_locks_agree_on_what_they_share() -> None:
    runtime, dev = _pins("requirements.txt"), _pins("requirements-dev.txt")

    assert {name: dev[name] for name in runtime} == runtime
