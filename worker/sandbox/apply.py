"""Carrying out one accepted record: all of it, or an error and nothing."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.sandbox.batches import Batch, Record
from worker.sandbox.item_fields import FIELDS, missing, missing_fields
from worker.sandbox.money import split

_FIRST_NODE = 7_000_000_000_000_000
_LAST_NODE = 7_999_999_999_999_999
_MAX_ID = 100
_NO_CATEGORY = (
    "These fields have missing information: Make items easier to discover by providing google_product_category "
    "information."
)


def is_node_id(text: str) -> bool:
    """Whether this could be an item's own numeric id, of an item that exists or once did."""
    return text.isdigit() and _FIRST_NODE <= int(text) <= _LAST_NODE


@dataclass(slots=True)
class Item:
    """``node`` is Meta's own id. ``fields`` are in the names in which they are written, and replaced as a whole."""

    node: int
    fields: dict[str, Any]


@dataclass(slots=True)
class Catalog:
    """Items in the order of their creation, which is also that of their node ids."""

    id: str
    items: dict[str, Item] = field(default_factory=dict)
    groups: Counter[str] = field(default_factory=Counter)
    created: int = 0
    order: list[tuple[int, str]] | None = None
    """Node and retailer id of every item, ascending; None while nobody has listed them since the last change."""

    def put(self, retailer_id: str, fields: dict[str, Any]) -> None:
        before = self.items.get(retailer_id)
        if before is None:
            self.created += 1
            # Spread by catalog, so that an id tells which catalog it belongs to and no two collide.
            node = _FIRST_NODE + (int(self.id) % 10_000) * 100_000_000_000 + self.created
            self.items[retailer_id] = Item(node, fields)
            self.order = None
        else:
            self._leave_group(before.fields)
            before.fields = fields
        if "item_group_id" in fields:
            self.groups[fields["item_group_id"]] += 1

    def remove(self, retailer_id: str) -> bool:
        """Whether it was there."""
        item = self.items.pop(retailer_id, None)
        if item is None:
            return False
        self._leave_group(item.fields)
        self.order = None
        return True

    def by_node(self, node_id: str) -> tuple[str, Item] | None:
        if not is_node_id(node_id):
            return None
        listed, node = self.listed(), int(node_id)
        place = bisect.bisect_left(listed, (node, ""))
        if place == len(listed) or listed[place][0] != node:
            return None
        return listed[place][1], self.items[listed[place][1]]

    def listed(self) -> list[tuple[int, str]]:
        if self.order is None:
            self.order = [(item.node, retailer_id) for retailer_id, item in self.items.items()]
        return self.order

    def _leave_group(self, fields: Mapping[str, Any]) -> None:
        group = fields.get("item_group_id")
        if group is not None:
            self.groups[group] -= 1
            if not self.groups[group]:
                del self.groups[group]


def apply(catalog: Catalog, batch: Batch, record: Record) -> None:
    """Carry out one record; what is wrong with it goes into the batch's errors and warnings."""
    retailer_id, fault = record.data["id"], batch.fault
    if fault.lose is not None and (not fault.lose or retailer_id in fault.lose):
        return
    if retailer_id in fault.reject or retailer_id in batch.rejected_at_random:
        problems = [fault.reject.get(retailer_id, fault.reject_message)]
    elif record.method == "DELETE":
        problems = []
        if not catalog.remove(retailer_id):
            nothing = f"Item not deleted: No item with id {retailer_id} exists."
            batch.warnings.append((record.line, retailer_id, nothing))
    else:
        problems = _write(catalog, batch, record)
    batch.errors.extend((record.line, retailer_id, problem) for problem in problems)


def _write(catalog: Catalog, batch: Batch, record: Record) -> list[str]:
    retailer_id, data = record.data["id"], record.data
    existing = catalog.items.get(retailer_id)
    if existing is None and record.method == "UPDATE" and not batch.allow_upsert:
        return [f"Could not find Product Item for catalog id {catalog.id}, retailer id {retailer_id}"]
    if existing is not None and record.method == "CREATE":
        return [f"Duplicate retailer_id: An item with id {retailer_id} exists."]  # Meta's pages do not say; so no
    fields = dict(existing.fields) if existing is not None else {}
    problems, bad = _set_fields(fields, data)
    problems += [missing(name) for name in missing_fields(fields) if name not in bad]
    if len(retailer_id) > _MAX_ID:
        problems.append(f"Invalid value: The value of id is not valid: it is longer than {_MAX_ID} characters.")
    problems += _contradictions(catalog, retailer_id, fields)
    if problems:
        return problems
    catalog.put(retailer_id, fields)
    if existing is None and "google_product_category" not in fields:
        batch.warnings.append((record.line, retailer_id, _NO_CATEGORY))
    return []


def _set_fields(fields: dict[str, Any], data: Mapping[str, Any]) -> tuple[list[str], set[str]]:
    """Change ``fields`` as a partial update does; the problems, and the names of the fields that have one."""
    problems: list[str] = []
    bad: set[str] = set()
    for name, value in data.items():
        check = FIELDS.get(name)
        if check is None or value is None:  # unknown fields were warned of; null leaves a field as it is
            continue
        kept_as = "quantity_to_sell_on_facebook" if name == "inventory" else name
        if value == "" and name != "video":
            fields.pop(kept_as, None)
        elif problem := check(value):
            problems.append(problem)
            bad.add(name)
        elif value == [] and name == "video":
            fields.pop(name, None)
        else:
            fields[kept_as] = value
    return problems, bad


def _contradictions(catalog: Catalog, retailer_id: str, fields: Mapping[str, Any]) -> list[str]:
    found = []
    if "sale_price" in fields and "price" in fields:
        price, currency = split(fields["price"])
        sale_price, sale_currency = split(fields["sale_price"])
        if sale_currency != currency or sale_price >= price:
            found.append("Invalid value: sale_price must be less than price, in the same currency.")
    group = fields.get("item_group_id")
    if group == retailer_id or retailer_id in catalog.groups or (group is not None and group in catalog.items):
        found.append("ID conflicts with group ID: An item's id must differ from every item_group_id.")
    return found
