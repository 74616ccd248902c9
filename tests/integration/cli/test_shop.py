from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, select

from worker.database import tables
from worker.database.engine import reading, writing

ADD = ["shop", "add", "acme", "--store", "feed", "--store-url", "https://shop.example/feed.csv", "--catalog", "1"]
TOKEN = ["--token-env", "ACME_TOKEN"]


def refused(result: Result) -> str:
    """The one sentence of a command that could not be carried out."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    return str(result.stderr)


def nothing_stored(cli: Any) -> bool:
    return bool(json.loads(cli("shop", "list", "--json").stdout) == [])


def test_a_shop_is_added_with_one_read_and_no_run(cli: Any, meta: Any, sent: list[Any], engine: Engine) -> None:
    result = cli(*ADD, *TOKEN, "--currency", "eur", "--store-option", "root=/feeds")
    assert refused(result).startswith("Error: The option root bounds local paths")
    assert (meta.calls, nothing_stored(cli)) == ([], True)

    result = cli(*ADD, *TOKEN, "--currency", "eur")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Added acme for the catalog 1 (Toys)." in result.stdout
    assert (meta.calls, sent) == ([("test-token", "1")], [])
    (shop,) = json.loads(cli("shop", "list", "--json").stdout)
    assert (shop["shop"], shop["state"], shop["catalog"], shop["currency"]) == ("acme", "active", "1", "EUR")
    assert (shop["has_token"], shop["has_store_secret"]) == (True, False)
    assert sorted(shop["schedules"]) == ["audit", "delta", "full", "volatile"]
    assert json.loads(cli("runs", "--json").stdout) == []


def test_secrets_come_from_standard_input_where_there_is_no_terminal(cli: Any, meta: Any) -> None:
    assert cli(*ADD, given="typed-token\n").exit_code == 0
    assert meta.calls == [("typed-token", "1")]


VENDURE = (
    "shop", "add", "vend", "--store", "vendure", "--store-url", "https://vend.example", "--catalog", "7",
    "--store-option", "storefront_url=https://vend.example/products/{slug}", "--token-env", "ACME_TOKEN",
)  # fmt: skip


def test_a_store_that_needs_a_credential_is_added_with_it(cli: Any) -> None:
    assert cli(*VENDURE, given="api-key\n").exit_code == 0
    shown = json.loads(cli("shop", "show", "vend", "--json").stdout)
    assert (shown["store_url"], shown["has_store_secret"]) == ("https://vend.example/admin-api", True)


def test_a_credential_that_cannot_be_one_stores_nothing(cli: Any, meta: Any) -> None:
    refused = cli(*VENDURE, given="two words\n")
    assert (refused.exit_code, meta.calls) == (1, [])
    assert "The API key is empty or has characters that no key has." in refused.stderr
    assert json.loads(cli("shop", "list", "--json").stdout) == []


@pytest.mark.invariant("I14")
def test_a_secret_shows_up_nowhere(cli: Any, database_url: str) -> None:
    result = cli(*ADD, given="typed-token\n")
    shown = result.output + cli("shop", "show", "acme").output + cli("shop", "show", "acme", "--json").output
    assert "typed-token" not in shown


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--store", "paper"], "There is no kind of store 'paper'. Use one of: feed"),
        (["--catalog", "abc"], "The catalog id 'abc' is not a number"),
        (["--currency", "XYZ"], "'XYZ' is no currency"),
        (["--store-option", "colour=red"], "has no option 'colour'"),
        (["--store", "vendure"], "needs the option storefront_url"),
        (["--token-env", "NOT_THERE"], "NOT_THERE is not set"),
        (["--store-url", "ftp://shop.example/feed.csv"], "ftp:// is no address of a feed"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(cli: Any, meta: Any, args: list[str], sentence: str) -> None:
    assert sentence in refused(cli(*ADD, *TOKEN, *args))
    assert (meta.calls, nothing_stored(cli)) == ([], True)


def test_no_shop_is_called_as_a_command_is_where_a_slug_may_stand(cli: Any, meta: Any) -> None:
    told = refused(cli(*ADD[:2], "show", *ADD[3:], *TOKEN))
    assert told == "Error: The slug 'show' is a word of a command, so no shop can have it. Choose another.\n"
    assert (meta.calls, nothing_stored(cli)) == ([], True)


def test_a_refused_token_stores_nothing(cli: Any) -> None:
    assert "Meta refuses the token" in refused(cli(*ADD, given="revoked\n"))
    assert nothing_stored(cli)


def test_a_catalog_of_another_kind_stores_nothing(cli: Any, meta: Any) -> None:
    meta.vertical = "hotels"
    assert "is one for hotels" in refused(cli(*ADD, *TOKEN))
    assert nothing_stored(cli)


def test_an_option_without_a_value_is_wrong_usage(cli: Any) -> None:
    assert cli(*ADD, *TOKEN, "--store-option", "root").exit_code == 2
    assert cli("shop", "add", "acme").exit_code == 2


def test_a_name_and_a_catalog_belong_to_one_shop(acme: Any, meta: Any) -> None:
    meta.calls.clear()
    assert "already a shop acme" in refused(acme(*ADD, *TOKEN))
    other = ["shop", "add", "other", *ADD[3:], *TOKEN]
    assert "belongs to the shop acme" in refused(acme(*other))
    assert meta.calls == []


def test_a_shop_is_paused_and_resumed_with_its_reason(acme: Any, engine: Engine) -> None:
    assert acme("shop", "pause", "acme", "--reason", "Stocktaking.").exit_code == 0
    (status,) = json.loads(acme("shop", "status", "acme", "--json").stdout)
    assert (status["state"], status["reason"]) == ("paused", "Stocktaking.")
    assert "Stocktaking" in acme("shop", "status").stdout
    assert acme("shop", "resume", "acme").exit_code == 0
    (status,) = json.loads(acme("shop", "status", "acme", "--json").stdout)
    assert (status["state"], status["reason"]) == ("active", None)
    with reading(engine) as connection:
        events = connection.execute(select(tables.audit_log.c.event).order_by(tables.audit_log.c.id)).scalars().all()
    assert events == ["shop.added", "shop.paused", "shop.resumed"]


@pytest.mark.invariant("I11")
@pytest.mark.fault("G7")
def test_a_shop_whose_token_was_refused_is_resumed_by_one_probe_or_not_at_all(
    acme: Any, meta: Any, engine: Engine
) -> None:
    with writing(engine) as connection:
        connection.execute(tables.shop.update().values(state="needs_token", reason="Meta refuses the token."))
    meta.calls.clear()
    meta.refused.add("test-token")
    assert refused(acme("shop", "resume", "acme")) == (
        "Error: Meta refuses the token. Give it a new one: celery -A worker shop token acme.\n"
    )
    assert json.loads(acme("shop", "show", "acme", "--json").stdout)["state"] == "needs_token"
    meta.refused.clear()
    assert acme("shop", "resume", "acme").exit_code == 0
    assert json.loads(acme("shop", "show", "acme", "--json").stdout)["state"] == "active"
    assert meta.calls == [("test-token", "1")] * 2


def test_a_new_token_is_tried_before_it_is_stored(acme: Any, meta: Any) -> None:
    acme("shop", "pause", "acme")
    assert "Meta refuses the token" in refused(acme("shop", "token", "acme", given="revoked\n"))
    assert json.loads(acme("shop", "show", "acme", "--json").stdout)["state"] == "paused"
    assert acme("shop", "token", "acme", *TOKEN).exit_code == 0
    assert json.loads(acme("shop", "show", "acme", "--json").stdout)["state"] == "active"


def test_the_stores_credential_alone_asks_nothing_of_meta(
    acme: Any, meta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta.calls.clear()
    monkeypatch.setenv("ACME_KEY", "test-secret")
    assert acme("shop", "token", "acme", "--store-secret-env", "ACME_KEY").exit_code == 0
    assert meta.calls == []
    assert json.loads(acme("shop", "show", "acme", "--json").stdout)["has_store_secret"] is True


def test_a_removed_shop_is_gone(acme: Any) -> None:
    assert acme("shop", "remove", "acme").exit_code == 0
    assert nothing_stored(acme)
    assert "no shop 'acme'" in refused(acme("shop", "remove", "acme"))


def test_a_cadence_is_changed_and_shown(acme: Any) -> None:
    assert acme("shop", "schedule", "acme", "volatile", "* * * * *").exit_code == 0
    assert acme("shop", "schedule", "acme", "delta", "off").exit_code == 0
    schedules = json.loads(acme("shop", "show", "acme", "--json").stdout)["schedules"]
    assert (schedules["volatile"]["cron"], schedules["delta"]["cron"]) == ("* * * * *", "off")
    assert schedules["delta"]["next_due"] is None


def test_a_daily_job_follows_the_clock_of_its_zone_and_an_interval_does_not(acme: Any) -> None:
    daily = acme("shop", "schedule", "acme", "full", "30 2 * * *", "--tz", "Asia/Kolkata")
    assert daily.exit_code == 0
    assert "21:00:00 UTC." in daily.stdout
    often = acme("shop", "schedule", "acme", "delta", "H/30 * * * *", "--tz", "Asia/Kolkata")
    assert often.stdout.endswith("It runs more than once a day, so it is counted in UTC and not in Asia/Kolkata.\n")
    schedules = json.loads(acme("shop", "show", "acme", "--json").stdout)["schedules"]
    assert (schedules["full"]["zone"], schedules["delta"]["zone"]) == ("Asia/Kolkata", "UTC")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["volatile", "often"], "'often'"),
        (["full", "0 1 * * *", "--tz", "Mars/Olympus"], "Mars/Olympus"),
        (["audit", "weekly"], "'weekly'"),
    ],
)
def test_a_cadence_that_cannot_be_served_changes_nothing(acme: Any, args: list[str], sentence: str) -> None:
    before = acme("shop", "show", "acme", "--json").stdout
    assert sentence in refused(acme("shop", "schedule", "acme", *args))
    assert acme("shop", "show", "acme", "--json").stdout == before


@pytest.mark.parametrize("command", ["show", "pause", "resume", "token", "remove", "status"])
def test_an_unknown_shop_is_named(cli: Any, command: str) -> None:
    assert "no shop 'nobody'" in refused(cli("shop", command, "nobody", given="test-token\n"))


def test_text_is_shown_without_json(acme: Any) -> None:
    assert "acme" in acme("shop", "list").stdout
    assert "H/15 * * * *" in acme("shop", "show", "acme").stdout
    assert "never" in acme("shop", "status").stdout
    assert "feed" in acme("shop", "kinds").stdout


def test_limits_are_shown_changed_and_taken_back(acme: Any, engine: Engine) -> None:
    defaults = {"missing": "10%", "rewritten": "50%", "repriced": "50%", "sold-out": "50%", "delete-after": "30d"}
    assert json.loads(acme("shop", "limits", "acme", "--json").stdout) == {"shop": "acme", "limits": defaults}
    acme("shop", "limits", "acme", "missing=25%", "delete-after=60d")
    changed = json.loads(acme("shop", "limits", "acme", "repriced=12.5%", "missing=default", "--json").stdout)
    expected = defaults | {"repriced": "12.5%", "delete-after": "60d"}
    assert changed["limits"] == json.loads(acme("shop", "show", "acme", "--json").stdout)["limits"] == expected
    assert "delete-after=60d" in acme("shop", "show", "acme").stdout
    with reading(engine) as connection:
        logged = connection.execute(select(tables.audit_log.c.event, tables.audit_log.c.detail)).all()
    assert logged[1:] == [
        ("shop.limited", {"changes": ["missing=25%", "delete-after=60d"]}),
        ("shop.limited", {"changes": ["repriced=12.5%", "missing=default"]}),
    ]


@pytest.mark.parametrize("change", ["missing", "missing=", "lost=20%", "missing=0%", "sold-out=2d", "delete-after=20%"])
def test_a_wrong_limit_changes_nothing(acme: Any, change: str) -> None:
    result = acme("shop", "limits", "acme", "repriced=20%", change, "--json")
    assert (result.exit_code, "error" in json.loads(result.stdout)) == (1, True)
    assert json.loads(acme("shop", "limits", "acme", "--json").stdout)["limits"]["repriced"] == "50%"
