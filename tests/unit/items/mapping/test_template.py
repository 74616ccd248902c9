from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.items.mapping import Template, parse


def template(text: str) -> Template:
    found = parse({"id": {"template": text}}).template
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "fields", "made"),
    [
        ("{sku}", {"sku": " A-1 "}, "A-1"),
        ("{sku}", {"sku": 17}, "17"),
        ("{sku}", {"mpn": "A-1"}, None),
        ("{sku}_{id}", {"sku": "A-1"}, "A-1_7"),
        ("shop-{id}", {}, "shop-7"),
    ],
)
def test_an_id_is_made_of_what_the_template_names(text: str, fields: dict[str, Any], made: str | None) -> None:
    assert template(text).made_of("7", fields) == made


@given(st.text(min_size=1), st.sampled_from(["a-{id}", "{id}-b", "a{id}a"]))
def test_a_template_of_the_own_id_and_text_works_both_ways(own_id: str, text: str) -> None:
    found = template(text)
    assert found.is_reversible
    assert found.own_id(found.made_of(own_id, {}) or "") == own_id


@pytest.mark.parametrize("foreign", ["", "a", "aa", "b7a", "a7b"])
def test_an_id_that_the_template_cannot_have_made_has_no_own_id(foreign: str) -> None:
    assert template("a{id}a").own_id(foreign) is None


@pytest.mark.parametrize("text", ["{sku}", "{id}{id}", "{id}-{sku}"])
def test_other_templates_work_one_way(text: str) -> None:
    assert not template(text).is_reversible
