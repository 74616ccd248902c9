"""The item, in Meta's field names: normalised, checked, fingerprinted, encoded. Pure: no clock and no I/O."""

from worker.items.batching import cut
from worker.items.encoding import compose, compose_archive, compose_delete, mask_of
from worker.items.findings import Finding
from worker.items.fingerprint import NORMALISER_VERSION, source_fp, source_seed
from worker.items.prepare import Prepared, PreparedVolatile, prepare, prepare_volatile, sold_out

__all__ = [
    "NORMALISER_VERSION",
    "Finding",
    "Prepared",
    "PreparedVolatile",
    "compose",
    "compose_archive",
    "compose_delete",
    "cut",
    "mask_of",
    "prepare",
    "prepare_volatile",
    "sold_out",
    "source_fp",
    "source_seed",
]
