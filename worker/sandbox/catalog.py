"""Meta's side of a catalog as a pure model: no HTTP, no threads, no clock of its own.

``CatalogModel`` answers calls as ``(HTTP status, JSON body)``. Work happens when the clock has moved and somebody calls
(``tick`` or any other method), never in between, so a virtual clock and a seed reproduce a run exactly.
Not safe for several threads; the server wraps it in a lock.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.sandbox import apply, reading
from worker.sandbox.answers import (
    LANGUAGE,
    Answer,
    GraphRefusal,
    flag,
    known_parameters,
    localised,
    no_such_object,
    too_much_data,
    wrong_parameter,
)
from worker.sandbox.apply import Catalog
from worker.sandbox.batches import NO_FAULT, Batch, BatchFault, Record
from worker.sandbox.intake import accepted_records, checked_requests

MAX_PAYLOAD_BYTES = 28_000_000
_STATUS_FIELDS = (
    "handle",
    "status",
    "errors",
    "errors_total_count",
    "warnings",
    "warnings_total_count",
    "ids_of_invalid_requests",
)


@dataclass(slots=True)
class ModelSettings:
    """How this Meta behaves. All may be changed while it runs.

    Attributes:
        latency_s: From an accepted call to its finished handle; 0 applies a batch at the next call of any kind.
        latency_spread: Each batch takes up to this share less or more, so handles may finish out of order.
        error_sample: At most this many errors, and warnings, are listed for a handle.
        handle_lifetime_s: A handle is unknown this long after it was accepted.
        max_page: The largest ``limit`` of a listing.
        catalogs: The catalogs that exist; None lets every numeric id be one.
        capitalised_states: "Finished" as the text of Meta's page has it, instead of "finished" as in its samples.
    """

    latency_s: float = 0.2
    latency_spread: float = 0.5
    error_sample: int = 10
    handle_lifetime_s: float = 86_400.0
    max_page: int = 1000
    catalogs: list[str] | None = None
    capitalised_states: bool = False


@dataclass
class CatalogModel:
    """Any number of catalogs.

    Args:
        clock: Seconds, from any origin, never backwards.
        rng: Decides the order of application, handles and ids; seed it to repeat a run.
    """

    clock: Callable[[], float]
    rng: random.Random
    settings: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        self.catalogs: dict[str, Catalog] = {}
        self.batches: dict[str, Batch] = {}
        self._open: list[Batch] = []

    def items_batch(
        self,
        catalog_id: str,
        payload: Mapping[str, Any],
        *,
        size_bytes: int = 0,
        locale: str = LANGUAGE,
        fault: BatchFault = NO_FAULT,
    ) -> Answer:
        """POST /{catalog}/items_batch.

        Args:
            payload: The parameters as JSON values (``requests`` is a list), without token and locale.
            size_bytes: Length of the request's body.
            fault: What is to go wrong with this call.
        """
        self.tick()
        try:
            return 200, self._accept(self.catalog(catalog_id), payload, size_bytes, locale, fault)
        except GraphRefusal as refusal:
            return refusal.answer(self.rng, locale)

    def batch_status(self, catalog_id: str, params: Mapping[str, Any], *, locale: str = LANGUAGE) -> Answer:
        """GET /{catalog}/check_batch_request_status. ``params``: ``handle``, ``fields`` and so on."""
        self.tick()
        try:
            self.catalog(catalog_id)
            return 200, {"data": [self._status(catalog_id, params, locale)]}
        except GraphRefusal as refusal:
            return refusal.answer(self.rng, locale)

    def products(
        self, catalog_id: str, params: Mapping[str, Any], *, locale: str = LANGUAGE, base_url: str = ""
    ) -> Answer:
        """GET /{catalog}/products. ``base_url`` is what ``paging.next`` starts with."""
        self.tick()
        try:
            return 200, reading.listing(self.catalog(catalog_id), params, self.settings.max_page, base_url)
        except GraphRefusal as refusal:
            return refusal.answer(self.rng, locale)

    def node(self, node_id: str, params: Mapping[str, Any], *, locale: str = LANGUAGE) -> Answer:
        """GET /{id}: an item's numeric id, ``catalog:{catalog}:{base64url(retailer_id)}``, or a catalog's id."""
        self.tick()
        try:
            if node_id.startswith("catalog:"):
                return 200, reading.aliased(self.catalog(node_id.split(":")[1]), node_id, params)
            for catalog in self.catalogs.values():
                if item := catalog.by_node(node_id):
                    return 200, reading.projected(catalog, *item, params)
            if apply.is_node_id(node_id):
                raise no_such_object(node_id)
            return 200, reading.catalog_node(self.catalog(node_id), params)
        except GraphRefusal as refusal:
            return refusal.answer(self.rng, locale)

    def tick(self) -> None:
        """Apply everything that is due, across batches in the order of time."""
        now = self.clock()
        due = [(batch.due_at(at), self.rng.random(), batch, at) for batch in self._open for at in batch.due(now)]
        if len({batch.handle for _, _, batch, _ in due}) > 1:
            due.sort(key=lambda entry: entry[:2])
        for _, _, batch, index in due:
            apply.apply(self.catalogs[batch.catalog_id], batch, batch.records[index])
            batch.applied = index + 1
        self._open = [batch for batch in self._open if batch.may_still_land(now)]

    def catalog(self, catalog_id: str) -> Catalog:
        """The catalog; one that nobody used yet is made. Raises ``GraphRefusal`` where it may not exist."""
        known = self.settings.catalogs
        if not catalog_id.isascii() or not catalog_id.isdigit() or (known is not None and catalog_id not in known):
            raise no_such_object(catalog_id)
        if catalog_id not in self.catalogs:
            self.catalogs[catalog_id] = Catalog(catalog_id)
        return self.catalogs[catalog_id]

    def owner(self, node_id: str) -> str:
        """The catalog that a node belongs to: an item's own one, or the id itself."""
        holding = (catalog.id for catalog in self.catalogs.values() if catalog.by_node(node_id))
        return next(holding, node_id)

    def items(self, catalog_id: str) -> dict[str, dict[str, Any]]:
        """The items as they are now, in the names in which they were written: what a test compares with."""
        self.tick()
        catalog = self.catalogs.get(catalog_id)
        return {} if catalog is None else {key: dict(item.fields) for key, item in catalog.items.items()}

    def lose_items(self, catalog_id: str, retailer_ids: Collection[str]) -> list[str]:
        """Items vanish at Meta without anybody asking. Returns those that were there."""
        self.tick()
        catalog = self.catalog(catalog_id)
        return [retailer_id for retailer_id in retailer_ids if catalog.remove(retailer_id)]

    def overwrite_item(self, catalog_id: str, retailer_id: str, fields: Mapping[str, Any]) -> None:
        """Change fields at Meta behind the caller's back, unchecked; None removes one."""
        self.tick()
        catalog = self.catalog(catalog_id)
        before = catalog.items[retailer_id].fields if retailer_id in catalog.items else {}
        catalog.put(retailer_id, {name: value for name, value in {**before, **fields}.items() if value is not None})

    def _accept(
        self, catalog: Catalog, payload: Mapping[str, Any], size_bytes: int, locale: str, fault: BatchFault
    ) -> dict[str, Any]:
        if size_bytes > MAX_PAYLOAD_BYTES:
            raise too_much_data()
        requests = checked_requests(payload)
        allow_upsert = payload.get("allow_upsert", True)
        if not isinstance(allow_upsert, bool):
            raise wrong_parameter("allow_upsert", "must be a boolean")
        records, validation = accepted_records(requests, fault.refuse)
        for entry in validation:
            for text in (*entry.get("errors", ()), *entry.get("warnings", ())):
                text["message"] = localised(text["message"], locale)
        if fault.no_handle or not records:
            return {"handles": [], "validation_status": validation}
        batch = self._open_batch(catalog, records, allow_upsert, fault)
        return {"handles": [batch.handle], "validation_status": validation}

    def _open_batch(self, catalog: Catalog, records: list[Record], allow_upsert: bool, fault: BatchFault) -> Batch:
        now = self.clock()
        self.rng.shuffle(records)
        usual_s = self.settings.latency_s * (1 + self.settings.latency_spread * self.rng.uniform(-1, 1))
        batch = Batch(
            handle="Acy" + base64.urlsafe_b64encode(self.rng.randbytes(24)).decode(),
            catalog_id=catalog.id,
            accepted_at=now,
            duration_s=usual_s if fault.delay_s is None else fault.delay_s,
            allow_upsert=allow_upsert,
            records=records,
            fault=fault,
        )
        still_landing = [other.ids & batch.ids for other in self._open if other.catalog_id == catalog.id]
        batch.overlapping = tuple(sorted(frozenset().union(*still_landing)))
        if fault.reject_count:
            drawn = self.rng.sample(sorted(batch.ids), min(fault.reject_count, len(batch.ids)))
            batch.rejected_at_random = frozenset(drawn)
        batch.errors.extend((0, retailer_id, fault.reject_message) for retailer_id in fault.foreign)
        self._forget_old_handles(now)
        self.batches[batch.handle] = batch
        self._open.append(batch)
        return batch

    def _forget_old_handles(self, now: float) -> None:
        for handle, batch in list(self.batches.items()):  # oldest first
            if now - batch.accepted_at <= self.settings.handle_lifetime_s:
                break
            del self.batches[handle]

    def _status(self, catalog_id: str, params: Mapping[str, Any], locale: str) -> dict[str, Any]:
        known_parameters(params, "handle", "load_ids_of_invalid_requests", "error_priority", "fields", "limit")
        handle = params.get("handle")
        if not handle:
            raise GraphRefusal(100, "The parameter handle is required")
        batch = self.batches.get(str(handle))
        expired = batch is not None and self.clock() - batch.accepted_at > self.settings.handle_lifetime_s
        if batch is None or batch.catalog_id != catalog_id or batch.fault.forget or expired:
            raise wrong_parameter("handle", "is not a handle of this catalog")
        with_ids = flag(params, "load_ids_of_invalid_requests", False)
        priority = params.get("error_priority", "MEDIUM")
        if priority not in ("HIGH", "MEDIUM", "LOW"):
            raise wrong_parameter("error_priority", "must be one of {HIGH, MEDIUM, LOW}")
        wanted = reading.field_names(params, _STATUS_FIELDS, default=("handle", "status"))
        state, hidden = batch.state(self.clock()), batch.fault.hide_ids
        warnings = [] if priority == "HIGH" else batch.warnings
        values: dict[str, Any] = {
            "handle": batch.handle,
            "status": state.capitalize() if self.settings.capitalised_states else state,
            "errors": [] if hidden else self._sample(batch.errors, locale),
            "errors_total_count": len(batch.errors),
            "warnings": self._sample(warnings, locale),
            "warnings_total_count": len(warnings),
            # One entry per error, so an id with two errors stands here twice, as in Meta's own sample.
            "ids_of_invalid_requests": [error[1] for error in batch.errors] if with_ids and not hidden else [],
        }
        return {name: values[name] for name in wanted}

    def _sample(self, findings: list[tuple[int, str, str]], locale: str) -> list[dict[str, Any]]:
        return [
            {"line": line, "id": retailer_id, "message": localised(message, locale)}
            for line, retailer_id, message in findings[: self.settings.error_sample]
        ]
