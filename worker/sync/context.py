"""What every use case needs from outside, handed in once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sqlalchemy import Engine, Row

from worker.graph import BatchAnswer, BatchStatus, Catalog, ProductPage
from worker.stores.contract import Store

Task = Literal["pull", "audit", "push", "settle"]


@dataclass(frozen=True, slots=True)
class Wake:
    """A hint that there is work. Losing it costs time, delivering it twice costs nothing.

    Attributes:
        key: A run id for "pull" and "audit", a shop id in text form for the others.
        delay_s: Seconds to wait first, at most ``MAX_DELAY_S``: longer waits are rows with a time, looked at again.
        label: What Flower shows, such as ``shop=acme full``.
        job: Which pull, for the queue; None for the others.
    """

    task: Task
    key: str
    delay_s: float = 0.0
    label: str = ""
    job: str | None = None


MAX_DELAY_S = 60.0


class Sender(Protocol):
    """The part of the Graph client that the lane, settle, the audit and the probe of an outage use."""

    def items_batch(self, catalog_id: str, records: Sequence[bytes], *, allow_upsert: bool) -> BatchAnswer: ...

    def batch_status(self, catalog_id: str, handle: str) -> BatchStatus: ...

    def catalog(self, catalog_id: str) -> Catalog: ...

    def products(
        self,
        catalog_id: str,
        after: str | None = None,
        limit: int = 500,
        *,
        retailer_ids: Sequence[str] | None = None,
    ) -> ProductPage: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of the machinery; the defaults are Meta's advice and measured values.

    Attributes:
        batch_items: Records per call; Meta allows 5,000 and recommends fewer than 3,000.
        batch_bytes: Bytes per call body; Meta allows 28 MB.
        open_batches: Batches of one shop that may wait for their handle at once.
        drain_s: Seconds for which a batch with unknown outcome may still land (``META_DRAIN_S``).
        handle_s: Seconds after which a handle without a final state counts as unknown.
        slice_s: Seconds after which a task hands over to its successor: what waits for a pool process waits no longer.
        pull_retry_s: Seconds for which a failing pull is retried.
        page_age_s: A page older than this when merged is read again.
    """

    batch_items: int = 3000
    batch_bytes: int = 28_000_000
    open_batches: int = 4
    drain_s: float = 600.0
    handle_s: float = 3600.0
    slice_s: float = 8.0
    pull_retry_s: float = 30.0
    page_age_s: float = 60.0


def _silent(_: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """One process's way to the outside.

    Attributes:
        open_store: Opens the store of a shop row for one pull; the caller closes it. Raises ``BadInput``.
        sender: The Graph client of a shop row, cached by the process. Raises ``Permanent`` if its token is unreadable.
        seed: What shapes the items of a shop row besides their records.
        monotonic: Seconds that only grow, for deadlines within a process.
        is_dead: Whether the process of a lease's owner is known to have ended.
        progress: Told in a few words how far a long task is.
    """

    engine: Engine
    open_store: Callable[[Row[Any]], Store]
    sender: Callable[[Row[Any]], Sender]
    seed: Callable[[Row[Any], Store], int]
    monotonic: Callable[[], float]
    owner: str
    limits: Limits = field(default_factory=Limits)
    is_dead: Callable[[str], bool] = lambda _: False
    progress: Callable[[str], None] = _silent


def queue_of(job: str) -> str:
    """The queue of a run: they are named after kinds of load, and an audit is as long and as patient as a full pull."""
    return "full" if job == "audit" else job


def label(slug: str, what: str) -> str:
    return f"shop={slug} {what}"


Counts = Mapping[str, int]
