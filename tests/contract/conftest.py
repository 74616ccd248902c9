"""The subjects as fixtures: a test that takes one runs for every store."""

from __future__ import annotations

import pytest

from tests.contract.subjects import REMOTE, SUBJECTS


@pytest.fixture(params=SUBJECTS)
def subject(request, tmp_path):
    return SUBJECTS[request.param](tmp_path)


@pytest.fixture(params=REMOTE)
def remote(request, tmp_path):
    found = SUBJECTS[request.param](tmp_path)
    found.fill(20)
    return found
