"""Meta's Graph API: the only place that calls it, and the only one that knows its shapes."""

from __future__ import annotations

from worker.graph.answers import BatchAnswer, BatchStatus, Catalog, ProductPage
from worker.graph.client import PRODUCT_FIELDS, Graph, GraphConfig
from worker.graph.errors import HandleUnknown
from worker.graph.findings import Explained, explain, is_missing
from worker.graph.usage import Usage

__all__ = [
    "PRODUCT_FIELDS",
    "BatchAnswer",
    "BatchStatus",
    "Catalog",
    "Explained",
    "Graph",
    "GraphConfig",
    "HandleUnknown",
    "ProductPage",
    "Usage",
    "explain",
    "is_missing",
]
