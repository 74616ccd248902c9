"""What the suite reads: one subject for every kind of store and every format, each with its fake."""

from __future__ import annotations

from tests.contract.subjects.feed import FeedSubject
from tests.contract.subjects.medusa import MedusaSubject
from tests.contract.subjects.saleor import SaleorSubject
from tests.contract.subjects.shopify import ShopifySubject
from tests.contract.subjects.subject import BAD, SECRET, Subject
from tests.contract.subjects.vendure import VendureSubject
from tests.contract.subjects.woocommerce import WooCommerceSubject

__all__ = ["BAD", "REMOTE", "SECRET", "SUBJECTS", "Subject"]

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
    "feed-basic-auth": lambda tmp_path: FeedSubject("csv", tmp_path, auth="basic"),
    "feed-local": lambda tmp_path: FeedSubject("csv", tmp_path, remote=False),
    "medusa": MedusaSubject,
    "saleor": SaleorSubject,
    "shopify": ShopifySubject,
    "vendure": VendureSubject,
    "woocommerce": WooCommerceSubject,
    "woocommerce-http": lambda tmp_path: WooCommerceSubject(tmp_path, scheme="http"),
    "woocommerce-before-10.3": lambda tmp_path: WooCommerceSubject(tmp_path, before_10_3=True),
}
REMOTE = [name for name in SUBJECTS if name != "feed-local"]
