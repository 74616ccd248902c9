"""A shop's mapping: what happens between a store's fields and the item, in one document; see docs/mapping.md."""

from worker.items.mapping.apply import ItemMapping
from worker.items.mapping.document import parse
from worker.items.mapping.template import DEFAULT, Template
from worker.items.mapping.toml import as_toml

__all__ = ["DEFAULT", "ItemMapping", "Template", "as_toml", "parse"]
