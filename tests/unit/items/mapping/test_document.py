from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import BadInput
from worker.items.mapping import as_toml, parse

EXAMPLE = """
[id]
template = "shop-{sku}"

[store]
channel = "eu"

[stock]
buffer = 2

[images]
choose = "last"
most = 5

[[category]]
when = { product_type = ["Shoes*", "Boots*"] }
set = { google_product_category = "187", custom_number_0 = 7 }

[include]
brand = "Acme"

[[exclude]]
sku = "TEST-*"
"""


def errors(document: Any, options: list[str] | None = None) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse(document, options)
    return str(caught.value).splitlines()


def test_a_whole_document_is_understood() -> None:
    mapping = parse(tomllib.loads(EXAMPLE), ["channel"])
    assert mapping.template is not None
    assert mapping.template.made_of("7", {"sku": "A"}) == "shop-A"
    assert (mapping.options, mapping.buffer, mapping.choose, mapping.most) == ({"channel": "eu"}, 2, -1, 5)
    assert (len(mapping.categories), len(mapping.include), len(mapping.exclude)) == (1, 1, 1)


def test_an_empty_document_changes_nothing() -> None:
    for document in ({}, {"id": {"template": "{id}"}}, {"stock": {"buffer": 0}}, {"images": {"choose": "first"}}):
        mapping = parse(document)
        assert (mapping.template, mapping.options, mapping.changes_content, mapping.buffer) == (None, None, False, 0)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], ("The mapping is not a document of tables. Use some of id, store, stock, images, category, include, "
             "exclude.")),
        ({"stok": {}}, 'The mapping has no table "stok". Use id, store, stock, images, category, include, exclude.'),
        ({"stock": 2}, "stock is no table. Write [stock] on a line of its own and its keys below."),
        ({"stock": {"bufer": 2}}, '[stock] has no key "bufer". Use buffer.'),
        ({"stock": {"buffer": "2"}}, '[stock] buffer is "2". Give a whole number from 0 to 1,000,000.'),
        ({"stock": {"buffer": True}}, '[stock] buffer is "True". Give a whole number from 0 to 1,000,000.'),
        ({"stock": {"buffer": -1}}, '[stock] buffer is "-1". Give a whole number from 0 to 1,000,000.'),
        ({"images": {"most": 0}}, '[images] most is "0". Give a whole number from 1 to 21.'),
        ({"images": {"choose": "best"}},
         '[images] choose is "best". Use "first", "last", or the place of a picture up to 21.'),
        ({"images": {"choose": 0}}, '[images] choose is "0". Use "first", "last", or the place of a picture up to 21.'),
        ({"id": {"template": ""}}, '[id] template "" is not text of 1 to 100 characters. Write it like "{sku}".'),
        ({"id": {"template": "{handle}"}},
         "[id] template \"{handle}\" holds '{handle}', which is no place for a field. Use {id} or {sku}."),
        ({"id": {"template": "{sku"}},
         "[id] template \"{sku\" holds '{', which is no place for a field. Use {id} or {sku}."),
        ({"id": {"template": "item"}},
         '[id] template "item" would give every item the same id. Use {id} or {sku} in it.'),
        ({"id": {"template": "a {id}"}}, '[id] template "a {id}" holds white space. Use a dash or an underscore.'),
        ({"store": []}, "store is no table. Write [store] on a line of its own and its keys below."),
        ({"store": {"chanel": "eu"}}, '[store] has no option "chanel". Use channel.'),
        ({"store": {"channel": 1}}, '[store] channel is "1", which is not text. Write it in quotes.'),
        ({"category": [{"when": {}}]},
         '[[category]] 1 sets nothing. Write set = { google_product_category = "187" }.'),
        ({"category": ["Shoes"]}, ("[[category]] 1 is no table. Write [[category]] on a line of its own and its keys "
                                  "below.")),
        ({"category": [{"set": {"color": "red"}, "if": {}}]}, '[[category]] 1 has no key "if". Use when, set.'),
        ({"category": [{"set": {"gender": "boys"}}]},
         ('[[category]] 1 set gender is "boys": The gender "boys" is not a value that Meta knows and is left out. '
         "Use one of: male, female, unisex.")),
        ({"category": [{"set": {"custom_label_0": ""}}]},
         '[[category]] 1 set custom_label_0 is "": it is empty. Give custom_label_0 a value.'),
        ({"category": [{"set": {"custom_label_0": True}}]},
         '[[category]] 1 set custom_label_0 is "True": it is neither text nor a number. Give custom_label_0 as text.'),
        ({"category": [{"set": {"color": "red"}, "when": "Shoes"}]},
         '[[category]] 1 when is "Shoes". Write when = { product_type = "Shoes*" }.'),
        ({"include": {"brnad": "Acme"}},
         '[include] asks for "brnad", which is no field. Use a catalog field of Meta\'s, or sku.'),
        ({"include": {"availability": "in stock"}},
         ("[include] asks for availability, which changes by the hour. Use a field that is not price or stock: what is "
         "sold out needs no filter, Meta shows it as such.")),
        ({"include": {"brand": 5}}, ('[include] brand is "5". Give text such as "Shoes*", or a list of up to 1,000 '
                                    "such texts of up to 500 characters.")),
        ({"include": {"brand": []}}, ('[include] brand is "[]". Give text such as "Shoes*", or a list of up to 1,000 '
                                     "such texts of up to 500 characters.")),
        ({"exclude": [{}]}, '[[exclude]] 1 names no field. Write below it brand = "Acme", or take [exclude] out.'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_remedy(document: Any, sentence: str) -> None:
    assert errors(document, ["channel"]) == [sentence]


@pytest.mark.parametrize(
    "name", ["title", "price", "status", "image_link", "item_group_id", "mpn", "previous_id", "sku"]
)
def test_a_rule_cannot_set_what_an_item_is(name: str) -> None:
    (error,) = errors({"category": [{"set": {name: "x"}}]})
    assert error.startswith(f'[[category]] 1 set cannot set "{name}". Set some of ')


def test_all_errors_are_told_at_once() -> None:
    document = {"stock": {"buffer": "a"}, "images": {"most": 99}, "exclude": [{"brand": "x"}, {"colr": "y"}], "x": 1}
    assert [error.partition(" ")[0] for error in errors(document)] == ["The", "[stock]", "[images]", "[[exclude]]"]


KEYS = st.text(min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TABLES = st.dictionaries(TEXTS, TEXTS | st.integers(-9, 9) | st.lists(TEXTS, max_size=3), max_size=3)


@given(st.dictionaries(TEXTS, TABLES | st.lists(TABLES | st.dictionaries(TEXTS, TABLES), min_size=1, max_size=3)))
def test_a_document_written_as_toml_reads_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(as_toml(document)) == document


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KNOWN = ("id", "store", "stock", "images", "category", "include", "exclude")


@given(st.dictionaries(st.sampled_from(KNOWN) | TEXTS, ANYTHING))
def test_no_document_is_too_strange_to_be_refused(document: dict[str, Any]) -> None:
    try:
        parse(document, ["channel"])
    except BadInput as error:
        assert all(line.endswith(".") for line in str(error).splitlines())  # noqa: PT017 - many are valid
