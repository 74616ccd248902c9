from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.integration.database.rows import add_shop
from worker.database import issues
from worker.database.engine import reading, writing
from worker.database.issues import IssueRow, RuleFinding
from worker.database.tables import issue

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def shop_id(engine: Engine) -> int:
    return add_shop(engine)


def finding(code: str, severity: str = "error", message: str = "It is wrong.") -> RuleFinding:
    return (code, severity, message, "Repair it.", "merchant", None)


def row(retailer_id: str, code: str, source: str = "batch", severity: str = "error") -> IssueRow:
    return IssueRow(retailer_id, source, code, severity, "It is wrong.", "Repair it.", "merchant")


def stored(engine: Engine, shop_id: int) -> dict[tuple[str, str], Any]:
    with reading(engine) as connection:
        rows = connection.execute(select(issue).where(issue.c.shop_id == shop_id)).all()
    return {(found.retailer_id, found.code): found for found in rows}


def test_a_finding_is_counted_each_time_it_is_found(engine: Engine, shop_id: int) -> None:
    for now in (NOON, LATER):
        with writing(engine) as connection:
            issues.replace_rules(connection, shop_id, {"sku-1": [finding("price.missing")]}, now)
    found = stored(engine, shop_id)[("sku-1", "price.missing")]
    assert (found.source, found.count, found.first_seen, found.last_seen, found.resolved_at) == (
        "rules",
        2,
        NOON,
        LATER,
        None,
    )


def test_a_finding_that_is_gone_is_resolved_and_one_that_returns_is_open_again(engine: Engine, shop_id: int) -> None:
    with writing(engine) as connection:
        issues.replace_rules(connection, shop_id, {"sku-1": [finding("price.missing"), finding("link.missing")]}, NOON)
        issues.replace_rules(connection, shop_id, {"sku-1": [finding("link.missing")]}, LATER)
    assert stored(engine, shop_id)[("sku-1", "price.missing")].resolved_at == LATER
    assert stored(engine, shop_id)[("sku-1", "link.missing")].resolved_at is None
    with writing(engine) as connection:
        issues.replace_rules(connection, shop_id, {"sku-1": [finding("price.missing", message="Still.")]}, LATER)
    back = stored(engine, shop_id)[("sku-1", "price.missing")]
    assert (back.count, back.first_seen, back.resolved_at, back.message) == (2, NOON, None, "Still.")


def test_a_volatile_pull_leaves_issues_about_other_fields_open(engine: Engine, shop_id: int) -> None:
    with writing(engine) as connection:
        issues.replace_rules(connection, shop_id, {"sku-1": [finding("price.missing"), finding("link.missing")]}, NOON)
        issues.replace_rules(connection, shop_id, {"sku-1": []}, LATER, fields={"price"})
    found = stored(engine, shop_id)
    assert found[("sku-1", "price.missing")].resolved_at == LATER
    assert found[("sku-1", "link.missing")].resolved_at is None


def test_replacing_rules_touches_neither_other_items_nor_sources_nor_shops(engine: Engine, shop_id: int) -> None:
    other = add_shop(engine, "other", "2")
    with writing(engine) as connection:
        issues.replace_rules(connection, shop_id, {"sku-2": [finding("price.missing")]}, NOON)
        issues.replace_rules(connection, other, {"sku-1": [finding("price.missing")]}, NOON)
        issues.record(connection, shop_id, [row("sku-1", "price.refused")], NOON)
        issues.replace_rules(connection, shop_id, {"sku-1": []}, LATER)
    everything = stored(engine, shop_id) | stored(engine, other)
    assert [found.resolved_at for found in everything.values()] == [None, None, None]


def test_resolving_closes_only_the_named_items_and_sources(engine: Engine, shop_id: int) -> None:
    with writing(engine) as connection:
        rows = [row("sku-1", "a"), row("sku-1", "b", source="validation"), row("sku-1", "c", source="rules")]
        issues.record(connection, shop_id, [*rows, row("sku-2", "a")], NOON)
        issues.resolve(connection, shop_id, ["sku-1"], {"batch", "validation"}, LATER)
    closed = {key: found.resolved_at for key, found in stored(engine, shop_id).items()}
    assert closed == {("sku-1", "a"): LATER, ("sku-1", "b"): LATER, ("sku-1", "c"): None, ("sku-2", "a"): None}


def test_of_one_cause_found_twice_in_an_item_the_error_counts_and_counts_once(engine: Engine, shop_id: int) -> None:
    with writing(engine) as connection:
        rows = [row("sku-1", "a", severity="warning"), row("sku-1", "a"), row("sku-1", "a", severity="warning")]
        issues.record(connection, shop_id, rows, NOON)
    found = stored(engine, shop_id)[("sku-1", "a")]
    assert (found.severity, found.count) == ("error", 1)


def test_many_items_are_recorded_and_cured_in_chunks(engine: Engine, shop_id: int) -> None:
    ids = [f"sku-{number}" for number in range(2500)]
    with writing(engine) as connection:
        issues.replace_rules(connection, shop_id, {item: [finding("price.missing")] for item in ids}, NOON)
        issues.replace_rules(connection, shop_id, {item: [] for item in ids[1:]}, LATER)
    assert [key for key, found in stored(engine, shop_id).items() if found.resolved_at is None] == [
        ("sku-0", "price.missing")
    ]
