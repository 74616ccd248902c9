"""What becomes of a feed's columns: names, aliases, nested values."""

from __future__ import annotations

import pytest

from tests.unit.stores.feed.feed_files import items, local
from worker.items.prepare import prepare, prepare_volatile


def test_nested_columns_become_nested_values(tmp_path):
    body = (
        b"id,title,image[1].url,image[0].url,image[0].tag[0],applink.ios_url,video[0].url,importer_address.city\n"
        b"a,x,https://i.example/2.jpg,https://i.example/1.jpg,front,app://a,,Pune\n"
    )
    assert items(local(tmp_path, body))["a"] == {
        "id": "a",
        "title": "x",
        "image": [{"url": "https://i.example/1.jpg", "tag": ["front"]}, {"url": "https://i.example/2.jpg"}],
        "applink": {"ios_url": "app://a"},
        "importer_address": {"city": "Pune"},
    }


def test_old_and_googles_names_become_metas(tmp_path):
    body = b"id,title,inventory,visibility,g:image link\na,x,4,hidden,https://i.example/1.jpg\nb,y,5,published,\n"
    found = items(local(tmp_path, body))
    assert found["a"] == {
        "id": "a", "title": "x", "quantity_to_sell_on_facebook": "4", "status": "archived",
        "image_link": "https://i.example/1.jpg",
    }  # fmt: skip
    assert found["b"]["status"] == "active"


def test_the_proper_column_wins_over_its_alias_and_id_over_its_own(tmp_path):
    body = b"product_id,inventory,id,quantity_to_sell_on_facebook,title\nwrong,1,a,2,x\n"
    assert items(local(tmp_path, body)) == {
        "a": {"id": "a", "quantity_to_sell_on_facebook": "2", "title": "x"},
    }


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        (
            ["image link", "image_link", "g:image_link", "Image Link", "imageLink", "image-link", "image_url"],
            "image_link",
        ),
        (["link", "product_link", "Product URL"], "link"),
        (["Sale Price", "salePrice", "g:sale_price"], "sale_price"),
        (["sale price effective date", "salePriceEffectiveDate"], "sale_price_effective_date"),
        (
            [
                "inventory",
                "quantity",
                "quantity_to_sell_on_facebook",
                "sell_on_google_quantity",
                "sellOnGoogleQuantity",
            ],
            "quantity_to_sell_on_facebook",
        ),
        (["additional image link", "additionalImageLinks", "additional_image_url"], "additional_image_link"),
        (["item group id", "itemGroupId"], "item_group_id"),
        (["Google Product Category", "googleProductCategory"], "google_product_category"),
    ],
)
def test_every_spelling_of_a_column_is_the_same_field(tmp_path, columns, field):
    for column in columns:
        feed = local(tmp_path, f"id,title,{column},price\na,x,value,1 USD\n".encode())
        assert feed.fields(feed.full(None).records[0]) == {"id": "a", "title": "x", field: "value", "price": "1 USD"}
        feed.close()


def test_metas_template_for_further_pictures_is_a_list(tmp_path):
    feed = local(
        tmp_path,
        b"id,title,additional_image_link[0].url,additional_image_link[1].url,product_tags[0],product_tags[1]\n"
        b"a,x,https://i.example/1.jpg,https://i.example/2.jpg,new,red\n",
    )
    fields = feed.fields(feed.full(None).records[0])
    assert fields["additional_image_link"] == [{"url": "https://i.example/1.jpg"}, {"url": "https://i.example/2.jpg"}]
    content = prepare("a", fields, None).content
    assert b'"https://i.example/1.jpg","https://i.example/2.jpg"' in content
    assert b'"new","red"' in content
    feed.close()


def test_the_two_ends_of_a_sale_in_columns_of_their_own_are_volatile(tmp_path):
    body = (
        b"id,title,price,sale_price,sale_price_start_date,sale_price_end_date,availability\n"
        b"a,x,9 USD,8 USD,2026-01-01T00:00Z,2027-01-01T00:00Z,in stock\n"
    )
    feed = local(tmp_path, body)
    (slim,) = feed.volatile(None, None).records
    whole = feed.fields(feed.full(None).records[0])
    assert prepare_volatile("a", slim.fields, None).volatile_fp == prepare("a", whole, None).volatile_fp
    feed.close()
