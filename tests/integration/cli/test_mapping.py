from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from worker.database import tables
from worker.database.engine import reading, writing

TOML = '[stock]\nbuffer = 2\n\n[[exclude]]\nbrand = ["Other*", "Test"]\n'
DOCUMENT = {"stock": {"buffer": 2}, "exclude": [{"brand": ["Other*", "Test"]}]}
FEED = "id,title,description,condition,link,image_link,brand,price,availability\n" + "".join(
    f"{name},Item {name},A thing.,new,https://a.example/{name},https://a.example/{name}.jpg,{brand},5 EUR,in stock\n"
    for name, brand in (("a", "Acme"), ("b", "Other"))
)


@pytest.fixture
def mapped(acme: Any, tmp_path: Path) -> Any:
    """The command line with a mapping in ``acme.toml``, not given yet."""
    (tmp_path / "acme.toml").write_text(TOML)
    return acme


def kept(engine: Engine) -> tuple[Any, Any]:
    with reading(engine) as connection:
        row = connection.execute(select(tables.shop)).one()
    return row.mapping, row.store_options


def test_a_mapping_is_written_shown_and_logged(mapped: Any, engine: Engine) -> None:
    assert mapped("shop", "mapping", "acme").stdout == ""
    result = mapped("shop", "mapping", "acme", "acme.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "+buffer = 2\n" in result.stdout
    assert "The mapping of acme is changed. The next full reads everything again under it.\n" in result.stdout
    assert kept(engine) == (DOCUMENT, {})
    assert mapped("shop", "mapping", "acme").stdout == TOML
    assert json.loads(mapped("shop", "mapping", "acme", "--json").stdout) == DOCUMENT
    assert TOML in mapped("shop", "show", "acme").stdout
    assert json.loads(mapped("shop", "show", "acme", "--json").stdout)["mapping"] == DOCUMENT
    with reading(engine) as connection:
        event, detail = connection.execute(select(tables.audit_log.c.event, tables.audit_log.c.detail)).all()[-1]
    assert (event, detail) == ("shop.mapped", {"from": {}, "to": DOCUMENT})

    again = json.loads(mapped("shop", "mapping", "acme", "acme.toml", "--json").stdout)
    assert again == {"shop": "acme", "changed": False, "written": False, "mapping": DOCUMENT}


def test_what_it_shows_can_be_given_back_as_toml_or_json(mapped: Any, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "acme.json").write_text(json.dumps(DOCUMENT))
    mapped("shop", "mapping", "acme", "acme.json")
    shown = mapped("shop", "mapping", "acme").stdout
    assert "is the same already" in mapped("shop", "mapping", "acme", "-", given=shown).stdout
    assert "is the same already" in mapped("shop", "mapping", "acme", "-", given=json.dumps(DOCUMENT)).stdout
    mapped("shop", "mapping", "acme", "-", given="")
    assert kept(engine) == ({}, {})


def test_a_check_writes_nothing(mapped: Any, engine: Engine) -> None:
    result = mapped("shop", "mapping", "acme", "--check", "acme.toml")
    assert (result.exit_code, kept(engine)) == (0, ({}, {}))
    assert result.stdout.endswith("The document is valid. Nothing was written.\n")
    assert mapped("shop", "mapping", "acme", "--check").exit_code == 2


def test_store_options_are_replaced_by_a_document_that_has_them_and_kept_by_one_without(
    mapped: Any, engine: Engine
) -> None:
    mapped("shop", "mapping", "acme", "-", given='[store]\ncountry = "DE"')
    assert kept(engine) == ({}, {"country": "DE"})
    mapped("shop", "mapping", "acme", "acme.toml")
    assert kept(engine) == (DOCUMENT, {"country": "DE"})
    assert mapped("shop", "mapping", "acme").stdout == f'[store]\ncountry = "DE"\n\n{TOML}'
    mapped("shop", "mapping", "acme", "-", given="[store]")
    assert kept(engine) == ({}, {})


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ("[stock]\nbuffer = -1\n[images]\nmost = 0",
         ['Error: [stock] buffer is "-1". Give a whole number from 0 to 1,000,000.',
          '[images] most is "0". Give a whole number from 1 to 21.']),
        ('[store]\nsecret = "x"\nchannel = "eu"',
         [('Error: [store] has no option "secret". Use auth, country, host_key, root, volatile_fields, '
          "volatile_url."),
          ('[store] has no option "channel". Use auth, country, host_key, root, volatile_fields, '
          "volatile_url.")]),
        ('[store]\nroot = "/feeds"', ["Error: The option root bounds local paths"]),
        ("[stock", ["Error: The mapping in - is no TOML: "]),
        ("{", ["Error: The mapping in - is no JSON: "]),
    ],
)  # fmt: skip
def test_every_error_is_a_sentence_and_nothing_is_written(
    mapped: Any, engine: Engine, document: str, errors: list[str]
) -> None:
    result = mapped("shop", "mapping", "acme", "-", given=document)
    assert (result.exit_code, result.stdout, kept(engine)) == (1, "", ({}, {}))
    lines = result.stderr.splitlines()
    assert len(lines) == len(errors)
    assert [line.startswith(error) for line, error in zip(lines, errors, strict=True)] == [True] * len(errors)
    answer = mapped("shop", "mapping", "acme", "-", "--json", given=document)
    assert (answer.exit_code, json.loads(answer.stdout)["error"]) == (1, result.stderr.removeprefix("Error: ").rstrip())


def test_a_file_that_cannot_be_read_is_named(acme: Any, tmp_path: Path) -> None:
    assert acme("shop", "mapping", "acme", "none.toml").stderr == (
        "Error: The file none.toml cannot be read: No such file or directory.\n"
    )
    (tmp_path / "latin.toml").write_bytes('[include]\nbrand = "Größe"'.encode("latin-1"))
    assert "is not UTF-8. Save it in that encoding." in acme("shop", "mapping", "acme", "latin.toml").stderr


def test_ids_are_chosen_before_the_first_sync_and_fixed_by_it(acme: Any, engine: Engine) -> None:
    acme("shop", "mapping", "acme", "-", given='[id]\ntemplate = "{sku}"')
    assert kept(engine)[0] == {"id": {"template": "{sku}"}}
    with writing(engine) as connection:
        connection.execute(tables.shop.update().values(item_seq=1))
    for given in ("", '[id]\ntemplate = "{id}"', '[id]\ntemplate = "x-{sku}"'):
        result = acme("shop", "mapping", "acme", "-", given=given)
        assert (result.exit_code, kept(engine)[0]) == (1, {"id": {"template": "{sku}"}})
        assert result.stderr == (
            "Error: The ids of acme are fixed since its first sync: with others, Meta would have every item twice. "
            'Keep [id] as it is, or move to a new catalog as docs/mapping.md says under "Changing the ids".\n'
        )
    kept_id = '[id]\ntemplate = "{sku}"\n[stock]\nbuffer = 1'
    assert acme("shop", "mapping", "acme", "-", given=kept_id).exit_code == 0


def test_a_shop_is_added_with_its_mapping(cli: Any, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(f'[store]\ncountry = "DE"\n{TOML}')
    add = ["shop", "add", "acme", "--store", "feed", "--store-url", "https://shop.example/feed.csv", "--catalog", "1",
           "--token-env", "ACME_TOKEN", "--mapping", "acme.toml"]  # fmt: skip
    twice = cli(*add, "--store-option", "country=AT")
    assert twice.stderr == "Error: The store option country is given twice. Give it here or in the mapping.\n"
    assert cli(*add).exit_code == 0
    assert kept(engine) == (DOCUMENT, {"country": "DE"})


def test_a_dry_run_tries_a_mapping(cli: Any, engine: Engine, tmp_path: Path) -> None:
    feed = tmp_path / "feed.csv"
    feed.write_text(FEED)
    cli("shop", "add", "acme", "--store", "feed", "--store-url", str(feed), "--catalog", "1", "--token-env",
        "ACME_TOKEN")  # fmt: skip
    (tmp_path / "acme.toml").write_text(TOML)
    whole = json.loads(cli("sync", "full", "acme", "--dry-run", "--json").stdout)
    tried = json.loads(cli("sync", "full", "acme", "--dry-run", "--mapping", "acme.toml", "--json").stdout)
    assert (whole["created"], tried["created"], tried["unchanged"]) == (2, 1, 1)
    assert tried["samples"] == {"created": ["a"]}
    assert kept(engine) == ({}, {})


@pytest.mark.parametrize("args", [["full", "acme"], ["audit", "acme", "--dry-run"]])
def test_a_mapping_is_tried_in_a_dry_run_of_a_pull_alone(mapped: Any, args: list[str]) -> None:
    result = mapped("sync", *args, "--mapping", "acme.toml")
    assert result.exit_code == 2
    assert "--mapping tries a mapping in a dry run of full, delta or volatile." in result.stderr
