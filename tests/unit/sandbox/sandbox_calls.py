"""A catalog model on a clock that the test moves, and records to feed it."""

from __future__ import annotations

import random
from typing import Any

from worker.sandbox.batches import NO_FAULT, BatchFault
from worker.sandbox.catalog import CatalogModel, ModelSettings

CATALOG = "1000"
STATUS_FIELDS = "handle,status,errors,errors_total_count,warnings,warnings_total_count,ids_of_invalid_requests"


def whole_item(retailer_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": retailer_id,
        "title": "Red shirt",
        "description": "Made to be worn.",
        "availability": "in stock",
        "condition": "new",
        "price": "9.99 USD",
        "link": f"https://shop.example/p/{retailer_id}",
        "image_link": "https://images.shop.example/1.jpg",
        "brand": "Ovenbird",
        "google_product_category": "Apparel & Accessories > Clothing",
        **changes,
    }


def update(retailer_id: str, **fields: Any) -> dict[str, Any]:
    return {"method": "UPDATE", "data": {"id": retailer_id, **fields}}


def create(retailer_id: str, **changes: Any) -> dict[str, Any]:
    """An UPDATE that can create: the whole item."""
    return {"method": "UPDATE", "data": whole_item(retailer_id, **changes)}


class Meta:
    """The model under test. ``now`` is its clock; batches are instant unless ``latency_s`` says otherwise."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:
        self.now = 0.0
        settings = {"latency_s": 0.0, "latency_spread": 0.0, **settings}
        self.model = CatalogModel(lambda: self.now, random.Random(seed), ModelSettings(**settings))

    def call(self, *requests: Any, fault: BatchFault = NO_FAULT, **more: Any) -> tuple[int, dict[str, Any]]:
        payload = {"item_type": "PRODUCT_ITEM", "requests": list(requests), **more}
        return self.model.items_batch(CATALOG, payload, fault=fault)

    def push(self, *requests: Any, fault: BatchFault = NO_FAULT, **more: Any) -> str:
        status, body = self.call(*requests, fault=fault, **more)
        assert status == 200, body
        assert body["validation_status"] == []
        [handle] = body["handles"]
        return str(handle)

    def status(self, handle: str, **params: Any) -> dict[str, Any]:
        asked = {"handle": handle, "fields": STATUS_FIELDS, "load_ids_of_invalid_requests": "true", **params}
        status, body = self.model.batch_status(CATALOG, asked)
        assert status == 200, body
        [found] = body["data"]
        return dict(found)

    def errors(self, *requests: Any, **more: Any) -> list[tuple[str, str]]:
        """Id and message of what the handle lists once it has finished."""
        status = self.status(self.push(*requests, **more))
        assert status["status"] == "finished"
        return [(error["id"], error["message"]) for error in status["errors"]]

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        return self.model.items(CATALOG)
