"""Every document that the Saleor store may send, against Saleor's own schema."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from graphql import GraphQLSchema, NoDeprecatedCustomRule, build_schema, parse, validate

from tests.fakes import saleor_schema

PREORDER = {"ProductVariant.preorder", "PreorderData.globalThreshold", "PreorderData.globalSoldUnits"}


@pytest.fixture(scope="module")
def repository() -> Path:
    """A copy of Saleor's source, which no registry of packages has."""
    if "SALEOR_SOURCE" not in os.environ:
        pytest.skip("Set SALEOR_SOURCE to a copy of github.com/saleor/saleor to compare with Saleor's whole schema.")
    return Path(os.environ["SALEOR_SOURCE"])


@pytest.fixture(scope="module")
def official(repository) -> GraphQLSchema:
    text = (repository / "saleor" / "graphql" / "schema.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid=True)


@pytest.mark.parametrize("name", saleor_schema.documents())
def test_a_document_is_valid_against_the_official_schema(official, name):
    assert [error.message for error in validate(official, parse(saleor_schema.documents()[name]))] == []


def test_the_committed_part_of_the_schema_is_what_saleor_publishes(repository):
    committed = saleor_schema.PRUNED.read_text(encoding="utf-8")
    version = committed.partition("github.com/saleor/saleor, ")[2].partition(": only")[0]
    assert committed == saleor_schema.committed(repository, version)


@pytest.mark.parametrize("name", saleor_schema.documents())
def test_a_document_is_valid_against_the_committed_part_and_only_preorders_are_deprecated(name):
    document = parse(saleor_schema.documents()[name])
    assert [error.message for error in validate(saleor_schema.pruned(), document)] == []
    used = {error.message.split()[2] for error in validate(saleor_schema.pruned(), document, [NoDeprecatedCustomRule])}
    assert used == (PREORDER if "preorder" in saleor_schema.documents()[name] else set())
