from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, insert, select

from worker.database import schedules, shops, tables
from worker.database.credentials import Keyring
from worker.database.engine import reading, writing
from worker.database.tables import metadata
from worker.errors import BadInput, Permanent

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEYRING = Keyring(["a test key of thirty-two characters"])


def add(engine: Engine, slug: str = "acme", catalog_id: str = "1") -> int:
    with writing(engine) as connection:
        shop_id = shops.add(
            connection,
            slug=slug,
            store_kind="feed",
            store_url="https://shop.example/feed.csv",
            store_options={"root": "/feeds"},
            mapping={},
            catalog_id=catalog_id,
            currency="EUR",
            now=NOON,
        )
        schedules.create_defaults(connection, shop_id, slug, NOON)
        return shop_id


def get(engine: Engine, slug: str = "acme") -> shops.Shop:
    with reading(engine) as connection:
        return shops.by_slug(connection, slug)


def test_a_new_shop_is_active_and_comes_back_as_it_was_added(engine: Engine) -> None:
    shop_id = add(engine)
    shop = get(engine)
    assert (shop.id, shop.slug, shop.state, shop.reason) == (shop_id, "acme", "active", None)
    assert (shop.store_kind, shop.store_options, shop.catalog_id, shop.currency) == (
        "feed",
        {"root": "/feeds"},
        "1",
        "EUR",
    )
    assert (shop.meta_token, shop.store_secret, shop.created_at) == (None, None, NOON)
    with reading(engine) as connection:
        assert shops.by_id(connection, shop_id) == shop


def test_shops_are_listed_by_slug(engine: Engine) -> None:
    add(engine, "zebra", "1")
    add(engine, "acme", "2")
    with reading(engine) as connection:
        assert [shop.slug for shop in shops.all_shops(connection)] == ["acme", "zebra"]


def test_an_unknown_shop_is_named_with_what_to_do(engine: Engine) -> None:
    with pytest.raises(BadInput, match=r"no shop 'nobody'.*shop list"):
        get(engine, "nobody")


def test_a_slug_and_a_catalog_belong_to_one_shop(engine: Engine) -> None:
    add(engine)
    with pytest.raises(BadInput, match="already a shop acme"):
        add(engine, "acme", "2")
    with pytest.raises(BadInput, match="catalog 1 already belongs to the shop acme"):
        add(engine, "other", "1")
    with reading(engine) as connection:
        assert len(shops.all_shops(connection)) == 1


@pytest.mark.parametrize("slug", ["", "Acme", "a b", "-a", "a/b", "a" * 64, "ümlaut"])
def test_a_slug_that_no_command_line_likes_is_refused(engine: Engine, slug: str) -> None:
    with pytest.raises(BadInput, match="slug"):
        add(engine, slug)


@pytest.mark.parametrize("catalog_id", ["", "abc", "1 2", "١٢"])
def test_a_catalog_id_is_a_number(engine: Engine, catalog_id: str) -> None:
    with pytest.raises(BadInput, match="catalog id"):
        add(engine, catalog_id=catalog_id)


def test_secrets_are_stored_encrypted_and_bound_to_their_shop(engine: Engine) -> None:
    first, second = add(engine), add(engine, "other", "2")
    with writing(engine) as connection:
        shops.set_secrets(connection, KEYRING, first, meta_token="test-token", store_secret="test-secret")
        shops.set_secrets(connection, KEYRING, first, meta_token="test-token-2")
    shop = get(engine)
    assert shop.meta_token is not None
    assert shop.store_secret is not None
    assert KEYRING.decrypt(shop.meta_token, shop_id=first, purpose="meta_token") == "test-token-2"
    assert KEYRING.decrypt(shop.store_secret, shop_id=first, purpose="store_secret") == "test-secret"
    with pytest.raises(Permanent):
        KEYRING.decrypt(shop.meta_token, shop_id=second, purpose="meta_token")
    assert "test" not in repr(shop).replace(repr(shop.slug), "")


def test_a_state_carries_its_reason(engine: Engine) -> None:
    shop_id = add(engine)
    with writing(engine) as connection:
        shops.set_state(connection, shop_id, "needs_token", "Meta refused the token.")
    assert (get(engine).state, get(engine).reason) == ("needs_token", "Meta refused the token.")
    with writing(engine) as connection:
        shops.set_state(connection, shop_id, "active")
    assert (get(engine).state, get(engine).reason) == ("active", None)


def test_removing_a_shop_leaves_only_its_audit_log_and_the_other_shops(engine: Engine) -> None:
    gone, kept = add(engine), add(engine, "other", "2")
    with writing(engine) as connection:
        for shop_id in (gone, kept):
            fill(connection, shop_id)
        shops.log_event(connection, shops.by_slug(connection, "acme"), actor="me", event="shop.removed", now=NOON)
        shops.remove(connection, gone)
    with reading(engine) as connection:
        for table in metadata.sorted_tables:
            if "shop_id" in table.c and table.name != "audit_log":
                found = set(connection.execute(select(table.c.shop_id)).scalars())
                assert found == {kept}, table.name
        assert [shop.slug for shop in shops.all_shops(connection)] == ["other"]
        assert connection.execute(select(tables.audit_log.c.slug, tables.audit_log.c.event)).all() == [
            ("acme", "shop.removed")
        ]


def fill(connection: Any, shop_id: int) -> None:
    """A row of this shop in every table that has shops; values as the types allow."""
    samples: dict[type, Any] = {int: 0, str: "x", bytes: b"", bool: False, object: NOON}
    for table in metadata.sorted_tables:
        if "shop_id" not in table.c or table.name in {"audit_log", "schedule"}:
            continue
        values = {
            column.name: {} if isinstance(column.type, JSON) else samples[column.type.python_type]
            for column in table.columns
            if not column.nullable and not (column.primary_key and column.name == "id" and table.name != "run")
        }
        values["shop_id"] = shop_id
        if table.name == "run":
            values["id"] = f"run-{shop_id}"
        connection.execute(insert(table).values(values))


def test_the_audit_log_keeps_who_did_what(engine: Engine) -> None:
    add(engine)
    with writing(engine) as connection:
        shop = shops.by_slug(connection, "acme")
        shops.log_event(connection, shop, actor="jo", event="shop.paused", detail={"reason": "sale"}, now=NOON)
        shops.log_event(connection, None, actor="jo", event="db.upgraded", now=NOON)
    with reading(engine) as connection:
        log = tables.audit_log
        rows = connection.execute(select(log.c.at, log.c.slug, log.c.actor, log.c.event, log.c.detail)).all()
    assert rows == [
        (NOON, "acme", "jo", "shop.paused", {"reason": "sale"}),
        (NOON, None, "jo", "db.upgraded", {}),
    ]


def test_a_new_shop_has_a_cadence_for_each_job(engine: Engine) -> None:
    shop_id = add(engine)
    with reading(engine) as connection:
        rows = schedules.of_shop(connection, shop_id)
    assert [(row.job, row.cron, row.zone, row.enabled) for row in rows] == [
        ("audit", "H H * * H", "UTC", True),
        ("delta", "H * * * *", "UTC", True),
        ("full", "H H * * *", "UTC", True),
        ("volatile", "H/15 * * * *", "UTC", True),
    ]
    assert all(row.next_run_at > NOON for row in rows)


def test_a_cadence_is_changed_switched_off_and_on_again(engine: Engine) -> None:
    shop_id = add(engine)
    shop = get(engine)
    with writing(engine) as connection:
        due = schedules.set_cron(connection, shop, "volatile", "*/5 * * * *", now=NOON)
        assert due == datetime(2026, 1, 5, 12, 5, tzinfo=UTC)
        assert schedules.set_cron(connection, shop, "delta", "off", now=NOON) is None
    with reading(engine) as connection:
        rows = {row.job: row for row in schedules.of_shop(connection, shop_id)}
    assert (rows["volatile"].cron, rows["volatile"].next_run_at) == ("*/5 * * * *", due)
    assert (rows["delta"].enabled, rows["delta"].next_run_at) == (False, None)
    with writing(engine) as connection:
        assert schedules.set_cron(connection, shop, "delta", "0 * * * *", now=NOON) == datetime(
            2026, 1, 5, 13, tzinfo=UTC
        )


def test_a_cadence_that_cannot_be_served_changes_nothing(engine: Engine) -> None:
    shop_id = add(engine)
    with reading(engine) as connection:
        before = schedules.of_shop(connection, shop_id)
    with pytest.raises(BadInput, match="every day"), writing(engine) as connection:
        schedules.set_cron(connection, get(engine), "full", "every day", now=NOON)
    with reading(engine) as connection:
        assert schedules.of_shop(connection, shop_id) == before
