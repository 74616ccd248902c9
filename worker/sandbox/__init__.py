"""A local stand-in for Meta's Graph API, and a sample store, on loopback.

Strict where Meta is strict; what Meta's documentation leaves open is refused rather than forgiven, so that an
integration that passes here relies on documented behaviour alone. Shares no code with the client it serves to test.
"""

from worker.sandbox.batches import BatchFault
from worker.sandbox.catalog import CatalogModel, ModelSettings
from worker.sandbox.server import Sandbox, serve

__all__ = ["BatchFault", "CatalogModel", "ModelSettings", "Sandbox", "serve"]
