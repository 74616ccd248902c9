from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.items.sample import SHIRT, shirt
from worker.items import compose, compose_archive, cut, mask_of, prepare, source_fp, source_seed
from worker.items.fields import FIELDS, TABLE

SALE, VIDEO, COLOR = (1 << (FIELDS[name].bit or 0) for name in ("sale_price", "video", "color"))


def test_a_price_push_carries_the_id_and_the_volatile_fields_alone() -> None:
    assert compose("sku-1", None, shirt().volatile, 0) == (
        b'{"method":"UPDATE","data":{"id":"sku-1","price":"9.99 USD","availability":"in stock"}}'
    )


def test_a_content_record_makes_the_item_active_and_unsets_what_it_lacks() -> None:
    content = shirt(title="A", description="B", color="Red").content
    assert compose("sku-1", content, None, SALE | VIDEO | COLOR) == (
        b'{"method":"UPDATE","data":{"id":"sku-1","title":"A","description":"B","condition":"new",'
        b'"link":"https://shop.example/p/1","image_link":"https://shop.example/i/1.jpg","brand":"Acme",'
        b'"color":"Red","status":"active","video":[]}}'
    )


def test_a_price_push_unsets_volatile_fields_only() -> None:
    assert compose("sku-1", None, shirt().volatile, SALE | VIDEO | COLOR) == (
        b'{"method":"UPDATE","data":{"id":"sku-1","price":"9.99 USD","availability":"in stock","sale_price":""}}'
    )


def test_an_archive_record_carries_nothing_but_the_status() -> None:
    assert compose_archive('a"é') == '{"method":"UPDATE","data":{"id":"a\\"é","status":"archived"}}'.encode()


def test_empty_halves_still_make_a_record() -> None:
    nothing = shirt(**dict.fromkeys(SHIRT)).content
    assert compose("a", nothing, nothing, 0) == b'{"method":"UPDATE","data":{"id":"a","status":"active"}}'


def test_the_mask_names_the_optional_fields_of_a_half() -> None:
    item = shirt(color="Red", sale_price="7")
    assert mask_of(item.content) == COLOR | 1 << (FIELDS["brand"].bit or 0)
    assert mask_of(item.volatile) == SALE


def test_stored_bit_numbers_never_change() -> None:
    bits = {row.name: row.bit for row in TABLE if row.bit is not None}
    assert sorted(bits.values()) == list(range(50))
    assert {name: bits[name] for name in ("rich_text_description", "gtin", "custom_label_0", "custom_number_4")} == {
        "rich_text_description": 0,
        "gtin": 16,
        "custom_label_0": 22,
        "custom_number_4": 31,
    }
    assert (bits["wa_compliance_category"], bits["sale_price"], bits["quantity_to_sell_on_facebook"]) == (46, 47, 49)


def test_the_order_of_the_stores_columns_means_nothing() -> None:
    assert prepare("sku-1", dict(reversed(SHIRT.items())), "USD") == shirt()


@pytest.mark.parametrize(
    ("sizes", "items", "size", "expected"),
    [
        ([], 3, 100, 0),
        ([10, 10, 10], 3, 100, 3),
        ([10, 10, 10], 2, 100, 2),
        ([10, 10, 10], 3, 22, 2),
        ([10, 10, 10], 3, 21, 1),
        ([500, 10], 3, 100, 1),
    ],
)
def test_a_call_takes_as_many_records_as_fit(sizes: list[int], items: int, size: int, expected: int) -> None:
    assert cut(sizes, items, size) == expected


def test_a_record_too_large_by_itself_goes_alone() -> None:
    assert cut([10, 500, 10], 3, 100) == 1
    assert cut([500], 3, 100) == 1


def test_the_seed_depends_on_every_part_and_on_nothing_else() -> None:
    assert source_seed("feed", 1, {"a": 1, "b": None}) == source_seed("feed", 1, {"b": None, "a": 1})
    assert len({source_seed(), source_seed("feed"), source_seed("feed", 1), source_seed("feed", 2)}) == 4
    assert source_fp(b"x", source_seed(1)) != source_fp(b"x", source_seed(2))


def test_fingerprints_are_the_same_in_every_process() -> None:
    code = "from worker.items import *; print(source_fp(b'x', source_seed('feed', 1)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(answer.stdout) == source_fp(b"x", source_seed("feed", 1))
