from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, Engine, insert

from tests.integration.database.rows import add_shop, row
from worker.database import issues, item_report, reports, run_state, schedules, shops, tables
from worker.database.engine import database_now, make_engine, reading, writing
from worker.database.shops import Shop
from worker.database.types import to_ms
from worker.errors import BadInput

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database whose time stands still, so that ages are exact."""
    engine = make_engine(database_url, clock=NOON.timestamp)
    yield engine
    engine.dispose()


class Line(NamedTuple):
    retailer_id: str
    parts: int


def unpack(manifest: bytes) -> list[Line]:
    return [Line(manifest.decode(), 3)]


@pytest.fixture
def acme(engine: Engine) -> Shop:
    shop_id = add_shop(engine)
    with writing(engine) as connection:
        schedules.create_defaults(connection, shop_id, "acme", NOON)
        return shops.by_slug(connection, "acme")


@pytest.fixture
def write(engine: Engine) -> Callable[..., None]:
    def write(table: Any, **values: Any) -> None:
        with writing(engine) as connection:
            connection.execute(insert(table).values(row(table, **values)))

    return write


def now_ms(engine: Engine) -> int:
    with reading(engine) as connection:
        return to_ms(database_now(connection))


def one_status(engine: Engine, shop: Shop) -> dict[str, Any]:
    with reading(engine) as connection:
        return reports.status(connection, [shop])[0]


def test_a_run_is_reported_as_the_contract_says(engine: Engine, acme: Shop, write: Callable[..., None]) -> None:
    write(
        tables.run,
        id="01J",
        shop_id=acme.id,
        job="full",
        state="succeeded",
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=1.5),
        pulled=1000,
        invalid=3,
        unchanged=900,
        created=40,
        updated=50,
        removed=7,
        accepted=95,
        rejected=2,
        calls=1,
    )
    with reading(engine) as connection:
        assert reports.one_run(connection, "01j") == {
            "run": "01J",
            "shop": "acme",
            "job": "full",
            "state": "succeeded",
            "started_at": "2026-01-05T12:00:00.000Z",
            "finished_at": "2026-01-05T12:00:01.500Z",
            "pulled": 1000,
            "invalid": 3,
            "unchanged": 900,
            "created": 40,
            "updated": 50,
            "removed": 7,
            "accepted": 95,
            "rejected": 2,
            "pending": 0,
            "calls": 1,
            "error": None,
        }


def test_pending_counts_what_a_run_waits_for_and_no_quarantine(
    engine: Engine, acme: Shop, write: Callable[..., None]
) -> None:
    write(tables.run, id="01A", shop_id=acme.id, job="full", state="pushing")
    write(tables.run, id="01B", shop_id=acme.id, job="volatile", state="pushing")
    soon, far = now_ms(engine) + 60_000, now_ms(engine) + 24 * 3_600_000
    write(tables.pending, shop_id=acme.id, retailer_id="waiting", due_at=soon, run_id="01A")
    write(tables.pending, shop_id=acme.id, retailer_id="both", due_at=soon, run_id="01A", volatile_run="01B")
    write(tables.pending, shop_id=acme.id, retailer_id="quarantined", due_at=far, run_id="01A")
    write(tables.pending, shop_id=acme.id, retailer_id="in flight", due_at=far, run_id="01A", batch_id=1)
    write(tables.pending, shop_id=acme.id, retailer_id="nobody's", due_at=soon)
    with reading(engine) as connection:
        assert [(run["run"], run["pending"]) for run in reports.runs(connection, acme)] == [("01B", 1), ("01A", 3)]
    assert one_status(engine, acme)["pending_items"] == 4


def test_a_run_reports_as_pending_what_it_waits_for(engine: Engine, acme: Shop, write: Callable[..., None]) -> None:
    write(tables.run, id="01A", shop_id=acme.id, job="full", state="pushing")
    for hours in (11, 13):
        due = now_ms(engine) + hours * 3_600_000
        write(tables.pending, shop_id=acme.id, retailer_id=f"in {hours} h", due_at=due, run_id="01A")
    with reading(engine) as connection:
        assert reports.one_run(connection, "01A")["pending"] == 1
        assert run_state.left(connection, acme.id, "01A", now_ms(engine)) == 1


def test_runs_are_listed_newest_first_per_shop_and_limited(
    engine: Engine, acme: Shop, write: Callable[..., None]
) -> None:
    other = add_shop(engine, "other", "2")
    for number, shop_id in enumerate((acme.id, other, acme.id)):
        fire_time = NOON + timedelta(hours=number)
        write(tables.run, id=f"01{number}", shop_id=shop_id, job="full", state="failed", fire_time=fire_time)
    with reading(engine) as connection:
        assert [run["run"] for run in reports.runs(connection)] == ["012", "011", "010"]
        assert [run["run"] for run in reports.runs(connection, acme)] == ["012", "010"]
        assert [run["run"] for run in reports.runs(connection, limit=1)] == ["012"]


def test_an_unknown_run_is_named(engine: Engine) -> None:
    with pytest.raises(BadInput, match="no run '01X'"), reading(engine) as connection:
        reports.one_run(connection, "01X")


def test_the_status_of_a_new_shop_promises_and_has_nothing_yet(engine: Engine, acme: Shop) -> None:
    found = one_status(engine, acme)
    freshness = found.pop("freshness")
    nothing = {"open_issues": 0, "pending_items": 0, "held_runs": []}
    assert found == {"shop": "acme", "state": "active", "reason": None, **nothing}
    assert {job: (fresh["age_s"], fresh["promise_s"], fresh["met"]) for job, fresh in freshness.items()} == {
        "full": (None, 86_400, False),
        "delta": (None, 3600, False),
        "volatile": (None, 900, False),
    }
    assert freshness["volatile"]["next_due"].startswith("2026-01-05T12:")


@pytest.mark.parametrize(("age_s", "met"), [(0, True), (900, True), (1020, True), (1021, False)])
def test_a_promise_is_kept_with_two_minutes_of_grace(engine: Engine, acme: Shop, age_s: int, met: bool) -> None:
    with writing(engine) as connection:
        accepted = database_now(connection) - timedelta(seconds=age_s)
        connection.execute(
            tables.schedule.update().where(tables.schedule.c.job == "volatile").values(accepted_at=accepted)
        )
    fresh = one_status(engine, acme)["freshness"]["volatile"]
    assert (fresh["age_s"], fresh["met"]) == (age_s, met)


def test_a_block_of_the_catalog_makes_an_active_shop_throttled_while_it_lasts(
    engine: Engine, acme: Shop, write: Callable[..., None]
) -> None:
    with reading(engine) as connection:
        now = database_now(connection)
    write(tables.budget, key="catalog:1:write", blocked_until=now + timedelta(hours=1), reason="Too many calls")
    found = one_status(engine, acme)
    assert found["state"] == "throttled"
    assert found["reason"].startswith("Too many calls (until ")
    with writing(engine) as connection:
        connection.execute(tables.budget.update().values(blocked_until=now - timedelta(seconds=1)))
    assert one_status(engine, acme)["state"] == "active"


def test_a_stopped_shop_shows_its_reason_and_is_never_due(engine: Engine, acme: Shop) -> None:
    with writing(engine) as connection:
        shops.set_state(connection, acme.id, "needs_token", "Meta refused the token.")
        acme = shops.by_slug(connection, "acme")
    found = one_status(engine, acme)
    assert (found["state"], found["reason"]) == ("needs_token", "Meta refused the token.")
    assert {fresh["next_due"] for fresh in found["freshness"].values()} == {None}


def test_issues_are_reported_as_the_contract_says(engine: Engine, acme: Shop) -> None:
    with writing(engine) as connection:
        issues.replace_rules(
            connection,
            acme.id,
            {"sku-1": [("price.missing", "error", "No price.", "Give one.", "merchant", "https://store.example/1")]},
            NOON,
        )
        issues.replace_rules(connection, acme.id, {"sku-2": [("a.b", "warning", "m", "a", "operator", None)]}, NOON)
        issues.replace_rules(connection, acme.id, {"sku-2": []}, NOON)
    with reading(engine) as connection:
        assert reports.issues(connection, acme) == [
            {
                "retailer_id": "sku-1",
                "source": "rules",
                "severity": "error",
                "code": "price.missing",
                "message": "No price.",
                "action": "Give one.",
                "url": "https://store.example/1",
                "owner": "merchant",
                "first_seen": "2026-01-05T12:00:00.000Z",
                "last_seen": "2026-01-05T12:00:00.000Z",
                "count": 1,
                "resolved_at": None,
            }
        ]
        everything = reports.issues(connection, acme, resolved=True)
    assert [(issue["retailer_id"], issue["resolved_at"]) for issue in everything] == [
        ("sku-1", None),
        ("sku-2", "2026-01-05T12:00:00.000Z"),
    ]


def item(connection: Connection, shop: Shop, retailer_id: str) -> dict[str, Any]:
    return item_report.item(connection, shop, retailer_id, unpack)


def test_an_item_tells_what_the_store_said_what_was_sent_and_what_meta_has(
    engine: Engine, acme: Shop, write: Callable[..., None]
) -> None:
    mask = bytes(8)
    half = mask + b'"title":"Red shirt"'
    with writing(engine) as connection:
        payload_id = connection.execute(
            insert(tables.payload)
            .values(shop_id=acme.id, data=b"before" + half + b"after")
            .returning(tables.payload.c.id)
        ).scalar_one()
    write(tables.snapshot, shop_id=acme.id, retailer_id="sku-1", content_fp=-1, volatile_fp=2)
    write(
        tables.pending,
        shop_id=acme.id,
        retailer_id="sku-1",
        payload_id=payload_id,
        payload_offset=6,
        payload_length=len(half),
        volatile=mask + b'"price":"9.99 USD"',
        due_at=to_ms(NOON),
        content_fp=3,
    )
    record = b'{"method":"UPDATE","data":{"id":"sku-1","title":"Blue shirt"}}'
    body = zlib.compress(b'{"method":"UPDATE","data":{"id":"sku-10"}}\n' + record + b"\n")
    write(
        tables.batch,
        shop_id=acme.id,
        manifest=b"sku-1",
        state="settled",
        items=2,
        handle="h1",
        sent_at=NOON,
        settled_at=NOON,
        body=body,
    )
    write(tables.batch, shop_id=acme.id, manifest=b"sku-10", state="sent")
    with reading(engine) as connection:
        found = item(connection, acme, "sku-1")
    assert found["state"] == "pending"
    assert found["acknowledged"] == {
        "status": "active",
        "content_fp": "ffffffffffffffff",
        "volatile_fp": "0000000000000002",
        "source_fp": None,
    }
    assert (found["desired"]["content"], found["desired"]["volatile"]) == (
        {"title": "Red shirt"},
        {"price": "9.99 USD"},
    )
    assert found["desired"]["due_at"] == "2026-01-05T12:00:00.000Z"
    assert [(sent["handle"], sent["carried"], sent["record"]) for sent in found["sent"]] == [
        ("h1", ["content", "volatile"], {"method": "UPDATE", "data": {"id": "sku-1", "title": "Blue shirt"}})
    ]


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "pending"),
        ({"batch_id": 1}, "in flight"),
        ({"gate_run": "01J"}, "held"),
        ({"content_quarantine": 1}, "quarantined"),
        ({"volatile_quarantine": 2, "batch_id": 1}, "in flight"),
    ],
)
def test_an_item_is_in_one_state(
    engine: Engine, acme: Shop, write: Callable[..., None], values: dict[str, Any], state: str
) -> None:
    write(tables.pending, shop_id=acme.id, retailer_id="sku-1", **values)
    with reading(engine) as connection:
        assert item(connection, acme, "sku-1")["state"] == state


def test_an_archived_item_says_so(engine: Engine, acme: Shop, write: Callable[..., None]) -> None:
    write(tables.snapshot, shop_id=acme.id, retailer_id="sku-1", state=1)
    with reading(engine) as connection:
        assert item(connection, acme, "sku-1")["state"] == "archived"


def test_an_item_that_nobody_knows_is_named(engine: Engine, acme: Shop) -> None:
    with pytest.raises(BadInput, match="item 'sku-1' in the shop acme"), reading(engine) as connection:
        item(connection, acme, "sku-1")


def test_what_an_audit_found_is_told_from_what_others_found(engine: Engine, acme: Shop, write: Any) -> None:
    earlier, later = NOON - timedelta(days=7), NOON + timedelta(minutes=1)
    write(tables.run, id="A", shop_id=acme.id, job="audit", started_at=NOON, created_at=NOON)
    seen = {"sku-1": ("drift.price", later), "sku-2": ("drift.hidden", later), "sku-3": ("drift.price", earlier)}
    for key, (code, at) in (seen | {"sku-4": ("orphan", later)}).items():
        write(tables.issue, shop_id=acme.id, retailer_id=key, source="diagnostics", code=code, last_seen=at)
    for key, at in {"sku-4": NOON, "sku-5": earlier}.items():
        write(tables.orphan, shop_id=acme.id, retailer_id=key, last_seen_at=at)
    fulls = {"F1": ("audit", earlier), "F2": ("manual", later)}
    for number, (key, (trigger, at)) in enumerate((fulls | {"F3": ("audit", later)}).items()):
        fire_time = NOON + timedelta(seconds=number)
        write(tables.run, id=key, shop_id=acme.id, job="full", trigger=trigger, created_at=at, fire_time=fire_time)
    with reading(engine) as connection:
        assert reports.audit_findings(connection, "A") == (2, 1, "F3")
