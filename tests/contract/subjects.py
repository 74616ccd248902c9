"""What the suite reads: one subject for every kind of store and every format, each with its fake."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import Any
from xml.sax.saxutils import escape

import httpx

from tests.fakes import shopify
from tests.fakes.feed_host import FeedHost
from tests.fakes.vendure import FakeVendure, product, variant
from tests.fakes.woocommerce import FakeWooCommerce, variation
from tests.fakes.woocommerce import product as woo_product
from worker.stores import Store, StoreConfig
from worker.stores.feed import Feed
from worker.stores.shopify import KIND as SHOPIFY
from worker.stores.vendure import KIND as VENDURE
from worker.stores.vendure import Vendure
from worker.stores.woocommerce import KIND as WOOCOMMERCE
from worker.stores.woocommerce import WooCommerce

SECRET = "canary-secret"

# How each kind of XML feed begins, names an item, and ends. Prefixes are the exporter's choice.
MARKUP = {
    "xml": ('<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>', "item", "g:",
            "</channel></rss>"),
    "atom": ('<feed xmlns="http://www.w3.org/2005/Atom" xmlns:shop="http://base.google.com/ns/1.0"><title>Shop</title>',
             "entry", "shop:", "</feed>"),
}  # fmt: skip


def markup(form: str, columns: list[str], rows: list[list[Any]], *, spoil: bool) -> str:
    head, item, prefix, tail = MARKUP[form]
    texts = []
    for number, row in enumerate(rows):
        inner = "".join(
            f"<{prefix}{name}>{escape(value)}</{prefix}{name}>\n" for name, value in zip(columns, row, strict=True)
        )
        # Whole XML can hold an item that is none: one that never ends being a list.
        more = "<x/>" * 10_001 if spoil and number == 7 else ""
        texts.append(f"<{item}>{inner}{more}</{item}>\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{"".join(texts)}{tail}\n'


def packed(body: bytes, packing: str) -> bytes:
    if packing == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("products", body)
        return out.getvalue()
    return gzip.compress(body) if packing == "gz" else body


class FeedSubject:
    """A feed in one format, remote or local."""

    name_of_the_bad_one = "7"

    def __init__(self, form: str, tmp_path, *, remote: bool = True) -> None:
        self.form, self.remote, self.spool = form, remote, tmp_path / "spool"
        self.path = tmp_path / f"feed.{form}"
        self.host = FeedHost()

    def fill(self, count: int, *, spoil: bool = False) -> None:
        rows = [self._row(number) for number in range(count)]
        columns = ["id", "title", "price", "availability"]
        form, _, packing = self.form.partition(".")
        if form == "ndjson":
            lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
            if spoil:
                lines[7] = '{"id": "7", "title": "Item'
            text = "".join(f"{line}\n" for line in lines)
        elif form in MARKUP:
            text = markup(form, columns, rows, spoil=spoil)
        else:
            out = io.StringIO()
            writer = csv.writer(out, delimiter="\t" if form == "tsv" else ",")
            writer.writerow(columns)
            if spoil:
                rows[7].append("a cell too many")
            writer.writerows(rows)
            text = out.getvalue()
        body = text.encode()
        self.host.body = packed(body, packing)
        self.path.write_bytes(self.host.body)

    def open(self) -> Store:
        url = f"https://shop.example/feed.{self.form}?key={SECRET}" if self.remote else str(self.path)
        return Feed(StoreConfig(url, {}, None, None, str(self.spool)), self.host if self.remote else None)

    def answer_with(self, response: httpx.Response) -> None:
        self.host.override = response

    @staticmethod
    def _row(number: int) -> list[Any]:
        # A quote, a comma, a line break and letters beyond ASCII, as real titles have.
        return [str(number), f'Item {number}, 5" größe', f"{number}.50 USD", "in stock"]

    @staticmethod
    def title(number: int) -> str:
        return f'Item {number}, 5" größe'


class VendureSubject:
    name_of_the_bad_one = "7"
    remote = True

    def __init__(self, tmp_path) -> None:
        self.fake = FakeVendure(key=SECRET)

    def fill(self, count: int, *, spoil: bool = False) -> None:
        # Two variants a product, numbered like the items of a feed.
        variants = [variant(number, name=self.title(number), priceWithTax=number * 100 + 50) for number in range(count)]
        if spoil:
            variants[7]["priceWithTax"] = {"amount": "?"}
        self.fake.products = [product(90_000 + start // 2, variants[start : start + 2]) for start in range(0, count, 2)]

    def open(self) -> Store:
        options = {"storefront_url": "https://shop.example/{slug}"}
        config = StoreConfig("https://shop.example/admin-api", options, None, SECRET, "/nowhere")
        defaults = {option.name: option.default for option in VENDURE.options if option.default is not None}
        return Vendure(config, defaults, self.fake)

    def answer_with(self, response: httpx.Response) -> None:
        self.fake.override = response

    @staticmethod
    def title(number: int) -> str:
        return f"Item {number}"


class ShopifySubject:
    name_of_the_bad_one = "7"
    remote = True

    def __init__(self, tmp_path) -> None:
        self.fake = shopify.FakeShopify(token=SECRET)
        self.spool = tmp_path / "spool"

    def fill(self, count: int, *, spoil: bool = False) -> None:
        variants = [shopify.variant(number, price=f"{number}.50") for number in range(count)]
        if spoil:
            variants[7]["price"] = "?"
        self.fake.products = [
            shopify.product(90_000 + start // 2, variants[start : start + 2], title=self.title(start))
            for start in range(0, count, 2)
        ]

    def open(self) -> Store:
        config = StoreConfig(SHOPIFY.canonical_url("shop.myshopify.com"), {}, None, SECRET, str(self.spool))
        return SHOPIFY.open(config, self.fake)

    def answer_with(self, response: httpx.Response) -> None:
        self.fake.override = response

    @staticmethod
    def title(number: int) -> str:
        # The product's: a variant has none of its own.
        return f"Items {number - number % 2} and {number - number % 2 + 1}"


class WooCommerceSubject:
    """Simple products first, then variations, as the pull reads them."""

    name_of_the_bad_one = "7"
    remote = True

    def __init__(self, tmp_path, *, scheme: str = "https", before_10_3: bool = False) -> None:
        self.fake = FakeWooCommerce(secret=f"cs_{SECRET}")
        self.fake.before_10_3 = before_10_3
        self.scheme = scheme

    def fill(self, count: int, *, spoil: bool = False) -> None:
        simple = count // 2
        products = [woo_product(number, **self._own(number)) for number in range(simple)]
        if spoil:
            products[7]["regular_price"] = {"amount": "?"}
        variations = [variation(number, **self._own(number)) for number in range(simple, count)]
        for place, start in enumerate(range(0, len(variations), 120)):
            parent = woo_product(90_000 + place, name="Item", variations=variations[start : start + 120])
            products.append(parent)
            for one in parent["variations"]:
                one["attributes"] = [{"name": "Number", "slug": "number", "option": str(one["id"])}]
        self.fake.products = products

    def _own(self, number: int) -> dict[str, Any]:
        return {"name": self.title(number), "regular_price": f"{number}.50"}

    def open(self) -> Store:
        url = f"{self.scheme}://shop.example/wp-json/wc/v3"
        config = StoreConfig(url, {}, None, f"ck_test:cs_{SECRET}", "/nowhere")
        defaults = {option.name: option.default for option in WOOCOMMERCE.options if option.default is not None}
        return WooCommerce(config, defaults, self.fake)

    def answer_with(self, response: httpx.Response) -> None:
        self.fake.override = response

    @staticmethod
    def title(number: int) -> str:
        return f"Item {number}"


SUBJECTS = {
    "feed-csv": lambda tmp_path: FeedSubject("csv", tmp_path),
    "feed-tsv": lambda tmp_path: FeedSubject("tsv", tmp_path),
    "feed-ndjson": lambda tmp_path: FeedSubject("ndjson", tmp_path),
    "feed-rss": lambda tmp_path: FeedSubject("xml", tmp_path),
    "feed-atom": lambda tmp_path: FeedSubject("atom", tmp_path),
    "feed-rss-gz": lambda tmp_path: FeedSubject("xml.gz", tmp_path),
    "feed-csv-zip": lambda tmp_path: FeedSubject("csv.zip", tmp_path),
    "feed-csv-gz": lambda tmp_path: FeedSubject("csv.gz", tmp_path),
    "feed-ndjson-gz": lambda tmp_path: FeedSubject("ndjson.gz", tmp_path),
    "feed-local": lambda tmp_path: FeedSubject("csv", tmp_path, remote=False),
    "shopify": ShopifySubject,
    "vendure": VendureSubject,
    "woocommerce": WooCommerceSubject,
    "woocommerce-http": lambda tmp_path: WooCommerceSubject(tmp_path, scheme="http"),
    "woocommerce-before-10.3": lambda tmp_path: WooCommerceSubject(tmp_path, before_10_3=True),
}
REMOTE = [name for name in SUBJECTS if name != "feed-local"]
