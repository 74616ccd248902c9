"""Merchants' platforms: one package per kind of store, one line each in the registry below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from worker.stores import feed, medusa, saleor, shopify, vendure, woocommerce
from worker.stores.contract import (
    CursorExpired,
    Fields,
    Kind,
    Notice,
    Option,
    Page,
    Record,
    Store,
    StoreConfig,
    UnreadableRecord,
    VolatileRecord,
)
from worker.stores.mapped import mapped

__all__ = [
    "CursorExpired",
    "Fields",
    "Kind",
    "Notice",
    "Option",
    "Page",
    "Record",
    "Store",
    "StoreConfig",
    "UnreadableRecord",
    "VolatileRecord",
    "kinds",
    "mapped",
]

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (feed.KIND, medusa.KIND, saleor.KIND, shopify.KIND, vendure.KIND, woocommerce.KIND)}
)


def kinds() -> Mapping[str, Kind]:
    """The registry: every kind of store by the name that ``shop add --store`` takes."""
    return _KINDS
