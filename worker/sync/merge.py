"""Merge observations of one chunk into the desired state, in one transaction.

Reading and deciding happen under the shop's row lock: what the pull looked up before is a hint that saved work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import issues, ledger, payloads
from worker.database.tables import shop
from worker.database.types import from_ms
from worker.items import Finding, Prepared, PreparedVolatile, sold_out
from worker.items.diff import observe, observe_absent, observe_volatile, plan
from worker.items.gates import gated, waits
from worker.items.removal import awaits_deletion, grace_ms, timed
from worker.items.states import IN_THIS_CHUNK, Acked, Floors, Op, Seen, SeenVolatile, Want


@dataclass(slots=True)
class Merged:
    """What a merge did: counters for the run, and the number of every item that is known now."""

    counts: dict[str, int] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    changed: int = 0

    def add(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class Observation:
    """A record that missed its source fingerprint, prepared for Meta."""

    src_fp: int
    prepared: Prepared
    notices: tuple[Finding, ...] = ()


VOLATILE_FIELDS: Final = frozenset(
    ("price", "sale_price", "sale_price_effective_date", "availability", "quantity_to_sell_on_facebook")
)
"""What a volatile pull looks at; an issue's code names its field before the dot."""

_NOTHING_KNOWN: Final = ledger.UNKNOWN

Judge = Callable[
    [Mapping[str, tuple[Acked | None, Want | None, Want]], int], tuple[Mapping[str, Want], Mapping[str, int]]
]
"""Says which wants of a chunk wait, and what is to be counted; see ``sync.breaker``."""


def merge_records(
    connection: Connection,
    shop_row: Row[Any],
    run_id: str,
    stamp: int,
    observed: Mapping[str, Observation],
    now_ms: int,
    judge: Judge,
) -> Merged:
    """Full and delta: whole records, at most a chunk of them, ids distinct."""
    merged = Merged()
    known = ledger.known(connection, shop_row.id, sorted(observed))
    floors = Floors(shop_row.content_floor, shop_row.volatile_floor)
    wants: dict[str, Want] = {}
    src_fps: dict[str, int] = {}
    next_seq = shop_row.item_seq
    for retailer_id, observation in observed.items():
        acked, want = known.get(retailer_id, _NOTHING_KNOWN)
        seen = seen_record(stamp, observation)
        change = observe(acked, want, seen, floors, seq=next_seq + 1, run_id=run_id, now_ms=now_ms)
        if change.want is not None:
            wants[retailer_id] = change.want
            next_seq = max(next_seq, change.want.seq)
            merged.seqs[retailer_id] = change.want.seq
        elif change.src_fp is not None:
            src_fps[retailer_id] = change.src_fp
        if retailer_id not in merged.seqs and (want or acked):
            merged.seqs[retailer_id] = (want or acked).seq  # type: ignore[union-attr]  # one of them is not None
    _judge(merged, known, wants, stamp, judge)
    for retailer_id, observation in observed.items():
        acked, want = known.get(retailer_id, _NOTHING_KNOWN)
        refused = not (observation.prepared.content_ok and observation.prepared.volatile_ok)
        _count(merged, acked, want, wants.get(retailer_id), run_id, now_ms, refused=refused)
    _store_content(connection, shop_row.id, wants, observed)
    ledger.put_wants(connection, shop_row.id, wants)
    ledger.put_sources(connection, shop_row.id, src_fps)
    if next_seq > shop_row.item_seq:
        connection.execute(shop.update().where(shop.c.id == shop_row.id).values(item_seq=next_seq))
    return merged


def merge_volatile(
    connection: Connection,
    shop_row: Row[Any],
    run_id: str,
    stamp: int,
    observed: Mapping[str, PreparedVolatile],
    now_ms: int,
    judge: Judge,
) -> Merged:
    """Volatile: price and stock of items that are known already."""
    merged = Merged()
    known = ledger.known(connection, shop_row.id, sorted(observed))
    floors = Floors(shop_row.content_floor, shop_row.volatile_floor)
    wants: dict[str, Want] = {}
    for retailer_id, prepared in observed.items():
        acked, want = known.get(retailer_id, _NOTHING_KNOWN)
        change = observe_volatile(acked, want, seen_volatile(stamp, prepared), floors, run_id=run_id, now_ms=now_ms)
        if change.want is not None:
            wants[retailer_id] = change.want
    _judge(merged, known, wants, stamp, judge)
    for retailer_id, prepared in observed.items():
        acked, want = known.get(retailer_id, _NOTHING_KNOWN)
        # A creation that waits is the work of the run that found it.
        if acked is not None:
            _count(merged, acked, want, wants.get(retailer_id), run_id, now_ms, refused=not prepared.volatile_ok)
        elif want is not None:
            merged.add("unchanged")
    ledger.put_wants(connection, shop_row.id, wants)
    return merged


def merge_absent(
    connection: Connection,
    shop_row: Row[Any],
    run_id: str,
    stamp: int,
    retailer_ids: Sequence[str],
    now_ms: int,
    *,
    held: bool = False,
    judge: Judge | None = None,
) -> Merged:
    """Items that the store no longer has: archived at Meta, or dropped if Meta never had them.

    What Meta hides already needs no call and no judgement: its grace time begins.

    Args:
        held: So much is missing that nothing of it goes before the run is judged.
        judge: For what the store itself says is deleted: then each chunk is judged as its other changes are.
    """
    merged = Merged()
    known = ledger.known(connection, shop_row.id, sorted(retailer_ids))
    grace = grace_ms(shop_row.limits)
    wants: dict[str, Want] = {}
    dropped: list[str] = []
    for retailer_id, (acked, want) in known.items():
        new = observe_absent(acked, want, stamp=stamp, run_id=run_id, now_ms=now_ms).want
        if new is None:
            continue
        if awaits_deletion(acked, new, now_ms):
            waiting = timed(new, grace, shop_row.content_floor, now_ms)
            if waiting is not None:
                wants[retailer_id] = waiting
            elif want is not None:
                dropped.append(retailer_id)
            continue
        removed = waits(acked, new, now_ms)
        wants[retailer_id] = gated(new, run_id) if held and removed else new
        if removed and not (want is not None and want.gate_run == run_id):
            merged.add("removed")
        merged.changed += 1
    if judge is not None:
        _judge(merged, known, wants, stamp, judge)
    ledger.put_wants(connection, shop_row.id, wants)
    ledger.drop_wants(connection, shop_row.id, dropped)
    gone = sorted([*dropped, *(retailer_id for retailer_id, want in wants.items() if want.gate_run is None)])
    if gone:
        issues.resolve(connection, shop_row.id, gone, issues.SOURCES, from_ms(now_ms))
    return merged


def record_findings(
    connection: Connection,
    shop_id: int,
    findings: Mapping[str, Sequence[Finding]],
    now_ms: int,
    *,
    fields: Collection[str] | None = None,
) -> None:
    """The open ``rules`` issues of these items, or those about some of their fields, become exactly these."""
    issues.replace_rules(
        connection,
        shop_id,
        {
            retailer_id: [(f.code, f.severity, f.message, f.action, f.owner, None) for f in found]
            for retailer_id, found in findings.items()
        },
        from_ms(now_ms),
        fields=fields,
    )


def _judge(merged: Merged, known: Mapping[str, ledger.Known], wants: dict[str, Want], stamp: int, judge: Judge) -> None:
    """Gate what looks like an accident, and count it."""
    changed = {key: (*known.get(key, _NOTHING_KNOWN), want) for key, want in wants.items()}
    waiting, counts = judge(changed, stamp)
    wants |= waiting
    merged.counts |= counts


def seen_record(stamp: int, observation: Observation) -> Seen:
    prepared = observation.prepared
    fallback_fp, fallback = (0, b"") if prepared.volatile_ok else sold_out(prepared)
    return Seen(
        stamp,
        observation.src_fp,
        prepared.content_fp,
        prepared.content_ok,
        prepared.volatile_fp,
        prepared.volatile,
        prepared.volatile_ok,
        fallback_fp,
        fallback,
        prepared.archived,
        _sent_band(prepared),
    )


def seen_volatile(stamp: int, prepared: PreparedVolatile) -> SeenVolatile:
    fallback_fp, fallback = (0, b"") if prepared.volatile_ok else sold_out(prepared)
    return SeenVolatile(
        stamp,
        prepared.volatile_fp,
        prepared.volatile,
        prepared.volatile_ok,
        fallback_fp,
        fallback,
        _sent_band(prepared),
    )


def _sent_band(prepared: Prepared | PreparedVolatile) -> int:
    """What is shown in place of an invalid price or availability cannot be bought."""
    return prepared.band if prepared.volatile_ok else prepared.band & ~1


def _count(
    merged: Merged, acked: Acked | None, want: Want | None, new: Want | None, run_id: str, now_ms: int, *, refused: bool
) -> None:
    """Count an item once per run, for what it makes the lane do."""
    if refused:
        merged.add("invalid")
    if new is None or new is want:
        if not refused and not (want is not None and run_id in (want.run_id, want.volatile_run)):
            merged.add("unchanged")
        return
    merged.changed += 1
    op = plan(acked, new, now_ms)
    if new.gate_run not in (None, run_id):
        if not refused:
            merged.add("unchanged")  # another run answers for it
    elif op is Op.WAIT or (op is Op.DROP and new.batch_id is None):
        if not refused:
            merged.add("unchanged")
    elif want is not None and run_id in (want.run_id, want.volatile_run):
        return  # counted when this run first changed it
    elif acked is None:
        merged.add("removed" if op is Op.ARCHIVE else "created")
    else:
        merged.add("removed" if op is Op.ARCHIVE else "updated")


def _store_content(
    connection: Connection, shop_id: int, wants: dict[str, Want], observed: Mapping[str, Observation]
) -> None:
    """Put the content halves of a chunk end to end into one payload row and point the wants there."""
    pieces: list[bytes] = []
    places: list[tuple[str, int, int]] = []
    offset = 0
    for retailer_id, want in wants.items():
        if want.payload_id == IN_THIS_CHUNK:
            content = observed[retailer_id].prepared.content
            pieces.append(content)
            places.append((retailer_id, offset, len(content)))
            offset += len(content)
    if not places:
        return
    payload_id = payloads.put(connection, shop_id, b"".join(pieces))
    for retailer_id, start, length in places:
        wants[retailer_id] = wants[retailer_id]._replace(
            payload_id=payload_id, payload_offset=start, payload_length=length
        )
