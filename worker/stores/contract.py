"""What every store adapter offers, and what the pull may rely on.

A store is read page by page. Each call makes at most a few requests, keeps nothing in the database, and
either returns a whole page or raises: ``Transient`` (try again), ``StoreRefused`` (credentials, address) or
``StoreIncomplete`` (what came is not a whole catalog; nothing of this pull may be believed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from worker.errors import Owner

R = TypeVar("R")

Fields = Mapping[str, Any]
"""One item in Meta's field names with the store's own values: text may hold HTML, ``price`` is ``"9.99 USD"``,
``"9.99"``, a number, or a ``Decimal``. ``status: "archived"`` marks what the store hides. ``items`` normalises it.
``sku`` is no field of Meta's: it is there for shops that make their ids of it, or filter by it."""


class Record(NamedTuple):
    """One vendor payload, not decoded: ``raw`` decides everything that ``Store.fields`` returns for it."""

    retailer_id: str
    raw: bytes


class VolatileRecord(NamedTuple):
    """Price, sale price and window, availability and quantity of one variant, in Meta's field names.

    Its ``sku`` too, if it has one: a shop may make its ids of it.
    """

    retailer_id: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the adapter had to repair in a record (``encoding.replaced``), shown as an issue of that item."""

    retailer_id: str
    code: str
    message: str
    action: str
    owner: Owner = "merchant"


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page of a pull.

    Attributes:
        records: In the store's order; may be empty on any page.
        cursor: Where the next page starts; None only on the last page. Opaque, short, JSON-safe text.
        last: The store's own end marker was seen and its count, where it gives one, agrees.
        watermark: On the first page: what the *next* incremental pull of this shop starts from, taken from the
            store's clock (or the file's validators) when this pull began. None where the store has none.
        gone: Ids that the store says are deleted.
        unmodified: The store answered that nothing changed since the watermark; ``records`` is empty, ``last`` true.
        notices: Repairs made in ``records``. A ``retailer_id`` of "" stands for a record that names no item.
        unidentified: How many records of this page could not be tied to an id and are not in ``records``. A pull
            that met any proves nothing about absent ids: one of them may be the item that seems to be gone.
        pause_s: Seconds before the store can be asked for the next page, because it is still making it or wants
            fewer calls. The pull lets its worker go meanwhile.
    """

    records: Sequence[R]
    cursor: str | None
    last: bool
    watermark: str | None = None
    gone: Sequence[str] = ()
    unmodified: bool = False
    notices: Sequence[Notice] = field(default=())
    unidentified: int = 0
    pause_s: float = 0.0


class Store(Protocol):
    """A merchant's platform, opened for one pull. Not shared between threads; close it.

    Attributes:
        version: Changes when ``fields`` returns something else for the same raw bytes; part of the seed.
        one_export: All pages of a pull come from one file or export made at the first call, so all of its
            observations are as old as that call, and there is nothing to read again when a page gets old.
        ids_unique: The platform's ids cannot repeat, so a repeated id is the same record on a shifted page and
            not a mistake of the merchant.
    """

    version: int
    one_export: bool
    ids_unique: bool

    def full(self, cursor: str | None) -> Page[Record]:
        """A page of the whole catalog. ``cursor`` None is the first one. A cursor that the store no longer knows
        raises ``CursorExpired``."""

    def changed(self, watermark: str | None, cursor: str | None) -> Page[Record]:
        """A page of what changed since ``watermark`` (None: everything)."""

    def volatile(self, watermark: str | None, cursor: str | None) -> Page[VolatileRecord]:
        """A page of the volatile fields of all variants, by the cheapest means the store has."""

    def fields(self, record: Record) -> Fields:
        """Decode one record. Raises ``UnreadableRecord`` for one that cannot be understood."""

    def fetch(self, retailer_ids: Sequence[str]) -> Sequence[Record] | None:
        """A complete read of a few items (at most 1,000); ids missing from the result do not exist now.
        None: this store cannot look up single items."""

    def close(self) -> None: ...


class CursorExpired(Exception):
    """The store no longer accepts this cursor: the pull starts again from its first page."""


class UnreadableRecord(Exception):
    """One record cannot be decoded; the pull goes on. The text is shown to the merchant."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """What a shop row says about its store.

    Attributes:
        url: http(s) URL or, for feeds, an sftp address or a local path.
        options: ``--store-option`` values, already checked against the kind's declared options.
        currency: ISO 4217 code used where the store gives none; None: the store must give one.
        secret: The store's credential in clear text, or None. Never logged, never in an exception.
        spool_dir: A private directory for files that must not be held in memory.
        allowed_networks: CIDRs that may be reached although they are not public (``STORE_ALLOWED_NETWORKS``).
    """

    url: str
    options: Mapping[str, str]
    currency: str | None
    secret: str | None = field(repr=False)
    spool_dir: str
    allowed_networks: tuple[str, ...] = ()

    def with_defaults(self, options: Iterable[Option]) -> StoreConfig:
        """The same, with the defaults of those of a kind's ``options`` that the shop has not set."""
        defaults = {option.name: option.default for option in options if option.default is not None}
        return replace(self, options={**defaults, **self.options})


@dataclass(frozen=True, slots=True)
class Option:
    """One ``--store-option`` of a kind; ``default`` None means that nothing is assumed."""

    name: str
    help: str
    required: bool = False
    default: str | None = None


class Kind(Protocol):
    """One line of the registry: how to open a kind of store."""

    name: str
    summary: str
    needs_secret: bool
    options: Sequence[Option]

    def canonical_url(self, url: str) -> str:
        """The form of ``url`` to keep in the shop's row: local paths absolute, API addresses complete."""

    def check(self, config: StoreConfig) -> None:
        """Refuse a configuration that can never work. Raises ``BadInput``; makes no request.

        A ``secret`` of None is one that nobody was asked for yet: everything else is checked.
        """

    def open(self, config: StoreConfig) -> Store: ...
