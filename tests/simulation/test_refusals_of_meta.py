"""Every code of Meta's that we know, on the real lane: who stops, who waits, who is blamed, and who notices nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Row as Record

from tests.simulation.mall import Mall
from worker.database import shops
from worker.database.engine import writing
from worker.database.tables import batch, budget, issue, pending, shop
from worker.errors import AppRefused, CallRefused, CallTooLarge, CatalogRefused, Throttled, TokenRefused, Transient
from worker.graph.errors import TABLE, Row, refusal, row_for

DAY_S = 86_400.0


def envelope(row: Row, code: int | None = None) -> dict[str, Any]:
    """An error of Meta's that this row of the table answers."""
    error: dict[str, Any] = {"message": row.marker or "No.", "code": row.first if code is None else code}
    if row.subcodes:
        error["error_subcode"] = min(row.subcodes)
    return {"error": error}


def of_kind(kind: type[Exception], scope: str | None = None) -> list[Any]:
    rows = [row for row in TABLE if row.kind is kind and (scope is None or row.scope == scope)]
    assert rows
    return [pytest.param(row, id=f"{row.first}-{min(row.subcodes, default='')}-{row.marker[:12]}") for row in rows]


@pytest.fixture
def mall(tmp_path: Path) -> Iterator[Mall]:
    mall = Mall(tmp_path / "mall.db", shops=2)
    yield mall
    mall.close()


def refusing(mall: Mall, body: dict[str, Any], *, edge: str = "items_batch", shop_id: int = 1) -> None:
    """Meta refuses every call of this kind by one shop."""
    mall.on_call = lambda call: httpx.Response(400, json=body) if (call.edge, call.shop_id) == (edge, shop_id) else None
    mall.sweep()


def calls(mall: Mall, shop_id: int = 1) -> Counter[str]:
    return Counter(call.edge for call in mall.calls if call.shop_id == shop_id)


def stand(mall: Mall, shop_id: int = 1) -> Record[Any]:
    return next(row for row in mall.rows(shop) if row.id == shop_id)


def wants(mall: Mall, shop_id: int = 1) -> list[tuple[int, int, int, int | None]]:
    """Attempts, strikes, largest call and open batch of what a shop has to send."""
    rows = [row for row in mall.rows(pending) if row.shop_id == shop_id]
    return [(row.attempts, row.strikes, row.share_limit, row.batch_id) for row in rows]


def blocked(mall: Mall) -> dict[str, float]:
    """Seconds from the only refusal to the end of each block."""
    return {
        row.key: round(row.blocked_until.timestamp() - mall.calls[0].at)
        for row in mall.rows(budget)
        if row.blocked_until is not None
    }


@pytest.mark.parametrize("row", TABLE)
def test_each_row_of_the_table_is_played_by_an_error_of_its_own(row: Row) -> None:
    found = refusal(envelope(row))
    assert found is not None
    assert row_for(found) is row


@pytest.mark.invariant("I11")
@pytest.mark.fault("G7", "G8", "G9")
@pytest.mark.parametrize("row", [*of_kind(TokenRefused), *of_kind(CatalogRefused)])
def test_a_refused_token_or_catalog_stops_that_shop_at_its_first_call(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.run_for(1800)
    assert calls(mall) == {"items_batch": 1}
    assert stand(mall).state == ("needs_token" if row.kind is TokenRefused else "paused")
    assert stand(mall).reason.endswith(row.action)
    assert wants(mall) == [(0, 0, 0, None)] * 2
    assert (stand(mall, 2).state, wants(mall, 2), mall.rows(issue)) == ("active", [], [])


@pytest.mark.invariant("I11")
@pytest.mark.fault("G7")
def test_a_token_that_is_refused_at_a_poll_is_not_used_again_and_the_handle_waits_for_the_next(mall: Mall) -> None:
    revoked = {"error": {"code": 190, "error_subcode": 460, "message": "The password was changed"}}
    refusing(mall, revoked, edge="check_batch_request_status")
    mall.run_for(1800)
    before = calls(mall)
    assert before["check_batch_request_status"] == 1
    assert stand(mall).state == "needs_token"
    assert {row.state for row in mall.rows(batch) if row.shop_id == 1} == {"sent"}
    mall.on_call = lambda _: None
    with writing(mall.engine) as connection:
        shops.set_state(connection, 1, "active")
    mall.run_for(300)
    assert (wants(mall), calls(mall)["items_batch"], calls(mall)["catalog"]) == ([], 2, 0)


@pytest.mark.invariant("I11")
@pytest.mark.fault("G7")
def test_two_shops_with_one_revoked_token_each_learn_it_by_one_call(mall: Mall) -> None:
    mall.on_call = lambda _: httpx.Response(400, json={"error": {"code": 190, "message": "Revoked"}})
    mall.sweep()
    mall.run_for(1800)
    assert [call.shop_id for call in mall.calls] in ([1, 2], [2, 1])
    assert {row.state for row in mall.rows(shop)} == {"needs_token"}
    assert mall.blames() == {(0, 0, 0, 0)}


@pytest.mark.invariant("I11")
@pytest.mark.fault("G4", "G10")
@pytest.mark.parametrize("row", of_kind(Throttled, "token"))
def test_a_throttled_token_waits_as_long_as_it_must_and_stays_active(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.run_for(10)
    assert (calls(mall), blocked(mall)) == ({"items_batch": 1}, {"token:1": row.wait_s or 15})
    assert (stand(mall).state, wants(mall)) == ("active", [(0, 0, 0, None)] * 2)
    assert wants(mall, 2) == []


@pytest.mark.fault("G10")
def test_a_block_for_policy_is_waited_out_for_a_day(mall: Mall) -> None:
    refusing(mall, {"error": {"code": 368, "message": "Blocked"}})
    mall.run_for(10)
    mall.now_s += DAY_S - 30
    mall.sweep()
    mall.run_for(5)
    assert calls(mall) == {"items_batch": 1}
    mall.on_call = lambda _: None
    mall.run_for(300)
    assert wants(mall) == []


@pytest.mark.invariant("I11")
@pytest.mark.fault("G5")
@pytest.mark.parametrize("row", of_kind(Throttled, "catalog"))
def test_a_throttled_catalog_waits_alone(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.run_for(10)
    assert (calls(mall), blocked(mall)) == ({"items_batch": 1}, {"catalog:1001:write": 15})
    assert (wants(mall), wants(mall, 2)) == ([(0, 0, 0, None)] * 2, [])


@pytest.mark.fault("G6")
def test_a_throttle_of_polls_keeps_no_call_from_being_made_and_fails_no_batch(mall: Mall) -> None:
    refusing(mall, {"error": {"code": 80009, "message": "Too many"}}, edge="check_batch_request_status")
    mall.run_for(10)
    assert calls(mall) == {"items_batch": 2, "check_batch_request_status": 1}
    assert set(blocked(mall)) == {"catalog:1001:read"}
    mall.on_call = lambda _: None
    mall.run_for(120)
    assert (wants(mall), {row.state for row in mall.rows(batch)}) == ([], {"settled"})


@pytest.mark.invariant("I11")
@pytest.mark.parametrize("row", [*of_kind(AppRefused), *of_kind(Throttled, "app")])
def test_what_concerns_the_app_blocks_everybody_by_one_row(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.on_call = lambda _: httpx.Response(400, json=envelope(row))
    mall.run_for(10)
    assert (len(mall.calls), blocked(mall)) == (1, {"app": 15})
    assert {row.state for row in mall.rows(shop)} == {"active"}
    assert mall.blames() == {(0, 0, 0, 0)}


@pytest.mark.fault("G1")
@pytest.mark.parametrize("row", of_kind(Transient))
def test_what_passes_by_itself_is_tried_again_in_a_second(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.run_for(0.5)
    assert blocked(mall) == {"catalog:1001:write": 1}
    mall.on_call = lambda _: None
    mall.run_for(120)
    assert (wants(mall), mall.rows(issue)) == ([], [])


@pytest.mark.fault("G9")
@pytest.mark.parametrize("row", of_kind(CallRefused))
def test_a_call_that_is_refused_as_it_stands_is_a_strike_for_its_items(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.run_for(1)
    assert wants(mall) == [(0, 1, 0, None)] * 2
    mall.run_for(120)
    assert {found.retailer_id for found in mall.rows(issue)} == {"gone", "price"}
    assert calls(mall)["items_batch"] == 4
    assert (stand(mall).state, wants(mall, 2)) == ("active", [])


@pytest.mark.fault("G2")
@pytest.mark.parametrize("row", of_kind(CallTooLarge))
def test_one_item_that_is_too_much_for_a_call_is_put_to_rest(mall: Mall, row: Row) -> None:
    refusing(mall, envelope(row))
    mall.run_for(120)
    assert calls(mall) == {"items_batch": 2}
    assert {found.retailer_id for found in mall.rows(issue)} == {"gone", "price"}


@pytest.mark.fault("G11")
@pytest.mark.parametrize("error", [{"code": 98765, "message": "Something new"}, {"message": "No code at all"}])
def test_an_error_nobody_knows_is_never_taken_for_success_and_waits_longer_each_time(
    mall: Mall, error: dict[str, Any]
) -> None:
    refusing(mall, {"error": error})
    mall.run_for(600)
    assert {row.state for row in mall.rows(batch) if row.shop_id == 1} == {"refused"}
    assert 5 <= calls(mall)["items_batch"] <= 20
    assert (len(wants(mall)), wants(mall, 2)) == (2, [])
    mall.on_call = lambda _: None
    mall.run_for(300)
    assert wants(mall) == []


@pytest.mark.invariant("I14")
@pytest.mark.fault("N22")
def test_a_token_that_does_not_decrypt_stops_its_shop_before_any_call(mall: Mall) -> None:
    mall.unreadable.add(1)
    mall.sweep()
    mall.run_for(1800)
    assert calls(mall) == Counter()
    assert stand(mall).state == "paused"
    assert stand(mall).reason == (
        "The shop's stored credential was encrypted with a key that is not among TOKEN_KEYS. Put its key back into"
        " TOKEN_KEYS (or the key file) and use 'shop resume', or give the shop its credentials again with 'shop token'."
    )
    assert (wants(mall), wants(mall, 2)) == ([(0, 0, 0, None)] * 2, [])
    mall.unreadable.clear()
    with writing(mall.engine) as connection:
        shops.set_state(connection, 1, "active")
    mall.run_for(120)
    assert wants(mall) == []
