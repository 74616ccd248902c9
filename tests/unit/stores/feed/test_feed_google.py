"""Google's own way of writing a product, from the file to what Meta is sent (Google: product data specification)."""

from __future__ import annotations

import pytest

from tests.unit.stores.feed.feed_files import local
from worker.items import prepare
from worker.items.encoding import decode

HEAD = b'<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>'
ITEM = b"""<item><g:id>1</g:id><g:title>Cup</g:title><g:description>A cup</g:description>
<g:link>https://shop.example/1</g:link><g:image_link>https://img.example/1.jpg</g:image_link>
<g:additional_image_link>https://img.example/2.jpg</g:additional_image_link>
<g:additional_image_link>https://img.example/3.jpg</g:additional_image_link>
<g:price>9.50 EUR</g:price><g:sale_price>8.00 EUR</g:sale_price>
<g:sale_price_effective_date>2026-11-20T00:00+0100/2026-11-30T23:59+0100</g:sale_price_effective_date>
<g:availability>in_stock</g:availability><g:sell_on_google_quantity>5</g:sell_on_google_quantity>
<g:condition>new</g:condition><g:brand>Acme</g:brand>
<g:shipping><g:country>DE</g:country><g:service>Standard</g:service><g:price>4.95 EUR</g:price></g:shipping>
<g:shipping><g:country>AT</g:country><g:price>9.95 EUR</g:price></g:shipping>
<g:product_detail><g:attribute_name>Volume</g:attribute_name><g:attribute_value>300 ml</g:attribute_value>
</g:product_detail><g:product_highlight>Holds tea</g:product_highlight>
<g:shipping_weight>0.4 kg</g:shipping_weight><g:identifier_exists>no</g:identifier_exists></item>"""


def _sent(tmp_path, body: bytes) -> tuple[dict, dict]:
    feed = local(tmp_path, body, "feed.xml")
    (record,) = feed.full(None).records
    prepared = prepare(record.retailer_id, feed.fields(record), None)
    feed.close()
    assert (prepared.content_ok, prepared.volatile_ok, prepared.findings) == (True, True, ())
    return decode(prepared.content), decode(prepared.volatile)


def test_googles_attributes_reach_meta_under_its_names(tmp_path):
    content, volatile = _sent(tmp_path, HEAD + ITEM + b"</channel></rss>")
    assert content["additional_image_link"] == ["https://img.example/2.jpg", "https://img.example/3.jpg"]
    assert content["shipping"] == "DE::Standard:4.95 EUR,AT:::9.95 EUR"
    assert content["shipping_weight"] == "0.4 kg"
    assert not {"product_detail", "product_highlight", "identifier_exists"} & content.keys()
    assert volatile == {
        "price": "9.50 EUR",
        "sale_price": "8.00 EUR",
        "sale_price_effective_date": "2026-11-20T00:00+01:00/2026-11-30T23:59+01:00",
        "availability": "in stock",
        "quantity_to_sell_on_facebook": 5,
    }


@pytest.mark.parametrize(
    ("googles", "metas"),
    [
        (b"in_stock", "in stock"),
        (b"out_of_stock", "out of stock"),
        (b"out of stock", "out of stock"),
        (b"preorder", "preorder"),
        (b"backorder", "available for order"),
    ],
)
def test_googles_words_for_availability_are_metas(tmp_path, googles, metas):
    body = HEAD + ITEM.replace(b">in_stock<", b">" + googles + b"<") + b"</channel></rss>"
    assert _sent(tmp_path, body)[1]["availability"] == metas
