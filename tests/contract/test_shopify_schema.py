"""Every document that the Shopify store may send, against Shopify's own schema."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from graphql import GraphQLSchema, NoDeprecatedCustomRule, parse, validate

from tests.fakes import shopify_schema
from worker.stores.shopify import API_VERSIONS
from worker.stores.shopify.store import LEVELS_SCOPES

CACHE = Path(tempfile.gettempdir()) / "shopify-schema"


@pytest.fixture(scope="module", params=API_VERSIONS)
def version(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def official(version) -> GraphQLSchema:
    try:
        return shopify_schema.official(CACHE, version)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"Shopify's schema is not here: {error.__class__.__name__}; it needs npm and its registry.")


@pytest.mark.parametrize("name", shopify_schema.documents())
def test_a_document_is_valid_against_the_official_schema_and_uses_nothing_deprecated(official, name):
    document = parse(shopify_schema.documents()[name])
    assert [error.message for error in validate(official, document)] == []
    assert [error.message for error in validate(official, document, [NoDeprecatedCustomRule])] == []


def test_nothing_that_is_read_needs_a_scope_beside_read_products_except_stock_by_location(official, version):
    for document, text in shopify_schema.documents().items():
        held = {"read_products"}
        if document == "CHANGED_LEVELS":
            held |= LEVELS_SCOPES
        elif "gid://shopify/Location/" in text:
            held |= {"read_inventory"}
        for name, any_of in shopify_schema.scopes(CACHE, version, text).items():
            assert held & set(any_of), name


def test_the_committed_part_of_the_schema_is_what_the_package_says(official, version):
    assert shopify_schema.PRUNED.read_text(encoding="utf-8") == shopify_schema.committed(CACHE, version)


@pytest.mark.parametrize("name", shopify_schema.documents())
def test_a_document_is_valid_against_the_committed_part(name):
    document = parse(shopify_schema.documents()[name])
    assert [error.message for error in validate(shopify_schema.pruned(), document)] == []
