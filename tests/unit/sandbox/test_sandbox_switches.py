"""Fault switches, quotas and tokens."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest

from worker.sandbox.answers import GraphRefusal
from worker.sandbox.batches import BatchFault
from worker.sandbox.faults import Switchboard, on_batch, parsed
from worker.sandbox.quota import BUSINESS_ID, Quotas, QuotaSettings, quota
from worker.sandbox.tokens import Standing, Tokens, check_proof


def switched(*faults: dict[str, Any]) -> Switchboard:
    board = Switchboard()
    board.add(parsed(json.dumps(faults).encode()))
    return board


def fired(board: Switchboard, calls: int, route: str = "items_batch", catalog_id: str = "1") -> list[int]:
    return [len(board.firing(route, catalog_id)) for _ in range(calls)]


def test_a_fault_fires_once_unless_told_otherwise() -> None:
    assert fired(switched({"route": "items_batch", "action": "close"}), 3) == [1, 0, 0]


def test_a_fault_fires_for_the_next_calls_after_some_that_it_lets_pass() -> None:
    assert fired(switched({"route": "items_batch", "action": "close", "times": 2, "skip": 1}), 5) == [0, 1, 1, 0, 0]


def test_a_fault_fires_on_every_kth_call_for_ever() -> None:
    assert fired(switched({"route": "items_batch", "action": "close", "every": 3}), 7) == [0, 0, 1, 0, 0, 1, 0]


def test_a_fault_concerns_its_route_and_catalog_only() -> None:
    board = switched({"route": "items_batch", "action": "close", "catalog": "1", "times": 9})
    assert fired(board, 1, catalog_id="2") == [0]
    assert fired(board, 1, route="products") == [0]
    assert fired(board, 1) == [1]


def test_graph_means_every_route_but_the_store() -> None:
    board = switched({"route": "graph", "action": "slow", "seconds": 1, "times": 9})
    assert fired(board, 1, route="products") == [1]
    assert fired(board, 1, route="store") == [0]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"route": "items_batch", "action": "explode"}, "explode"),
        ({"route": "items_batch", "action": "close", "often": 3}, "often"),
        ({"route": "products", "action": "reject"}, "products"),
        ({"route": "items_batch", "action": "shrink"}, "items_batch"),
        ({"route": "nowhere", "action": "close"}, "nowhere"),
        ({"route": "items_batch", "action": "error"}, "code"),
        ({"route": "items_batch", "action": "close", "times": 0}, "times"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_its_reason(fault: dict[str, Any], sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=sentence):
        parsed(json.dumps(fault).encode())


def test_faults_on_one_batch_add_up() -> None:
    board = switched(
        {"route": "items_batch", "action": "reject", "ids": ["a"], "message": "No."},
        {"route": "items_batch", "action": "reject", "ids": ["b"], "message": "Never."},
        {"route": "items_batch", "action": "ending", "state": "error", "share": 0.25},
        {"route": "items_batch", "action": "lag", "seconds": 5},
    )
    assert on_batch(board.firing("items_batch")) == BatchFault(
        reject={"a": "No.", "b": "Never."}, reject_message="No.", ending="error", share=0.25, lag_s=5.0, foreign=[]
    )


def test_a_listing_of_faults_counts_what_they_saw() -> None:
    board = switched({"route": "items_batch", "action": "close", "every": 2})
    fired(board, 3)
    assert board.listed() == [
        {
            "action": "close",
            "route": "items_batch",
            "times": None,
            "every": 2,
            "skip": 0,
            "catalog": None,
            "accepted": True,
            "seen": 3,
            "fired": 1,
        }
    ]


@pytest.mark.parametrize(("visits", "calls"), [(0, 8), (1, 8), (100, 61), (1000, 87), (10_000, 114), (1_000_000, 167)])
def test_the_quota_follows_metas_formula(visits: int, calls: int) -> None:
    assert quota("catalog_batch", visits) == calls


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_beyond_the_quota_calls_are_refused_with_the_usage_header_in_its_true_shape() -> None:
    quotas = Quotas(_Clock(), QuotaSettings(enforce=True))
    for _ in range(8):
        quotas.take("catalog_batch", "1")
    with pytest.raises(GraphRefusal) as refused:
        quotas.take("catalog_batch", "1")
    assert refused.value.code == 80014
    assert json.loads(refused.value.headers["X-Business-Use-Case-Usage"]) == {
        BUSINESS_ID: [
            {
                "type": "catalog_batch",
                "call_count": 100,
                "total_cputime": 25,
                "total_time": 25,
                "estimated_time_to_regain_access": 1,
            }
        ]
    }
    assert quotas.take("catalog_batch", "2") != {}
    assert quotas.take("catalog_management", "1") == {}


def test_calls_while_blocked_extend_the_block() -> None:
    clock = _Clock()
    quotas = Quotas(clock, QuotaSettings(enforce=True, calls={"catalog_batch": 1}))
    quotas.take("catalog_batch", "1")
    for clock.now in (10.0, 65.0, 120.0):
        with pytest.raises(GraphRefusal):
            quotas.take("catalog_batch", "1")
    clock.now = 180.0
    quotas.take("catalog_batch", "1")


def test_reads_have_a_bucket_and_a_code_of_their_own() -> None:
    quotas = Quotas(_Clock(), QuotaSettings(enforce=True, calls={"catalog_management": 1}))
    quotas.take("catalog_management", "1")
    with pytest.raises(GraphRefusal) as refused:
        quotas.take("catalog_management", "1")
    assert refused.value.code == 80009


def test_without_enforcement_nothing_is_refused_and_no_header_sent() -> None:
    quotas = Quotas(_Clock(), QuotaSettings())
    assert [quotas.take("catalog_batch", "1") for _ in range(50)] == [{}] * 50


def refusal_of(tokens: Tokens, token: str | None, catalog_id: str | None = "1") -> tuple[int, object] | None:
    try:
        tokens.admit(token, catalog_id)
    except GraphRefusal as refusal:
        return refusal.code, refusal.more.get("error_subcode")
    return None


def test_any_text_is_a_token_and_no_text_is_none() -> None:
    tokens = Tokens()
    assert refusal_of(tokens, "test-token") is None
    assert refusal_of(tokens, None) == (190, None)
    assert refusal_of(tokens, "") == (190, None)


def test_unknown_revoked_and_foreign_tokens_are_refused() -> None:
    tokens = Tokens()
    tokens.set("revoked", Standing(190, 463))
    tokens.set("narrow", Standing(catalogs=frozenset({"2"})))
    assert refusal_of(tokens, "revoked") == (190, 463)
    assert refusal_of(tokens, "narrow") == (100, None)
    assert refusal_of(tokens, "narrow", "2") is None
    tokens.known_only = True
    assert refusal_of(tokens, "test-token") == (190, None)
    assert refusal_of(tokens, "narrow", None) is None


def test_a_proof_is_checked_against_the_apps_secret() -> None:
    proof = hmac.new(b"app-secret", b"test-token", hashlib.sha256).hexdigest()
    check_proof("app-secret", "test-token", proof)
    check_proof(None, "test-token", None)
    with pytest.raises(GraphRefusal, match="require an appsecret_proof argument"):
        check_proof("app-secret", "test-token", None)
    with pytest.raises(GraphRefusal, match="Invalid appsecret_proof"):
        check_proof("app-secret", "another-token", proof)
