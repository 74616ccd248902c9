"""From one page of a store to merged observations: compare raw bytes, decode the misses, merge them in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row

from worker.database import issues, ledger, run_state
from worker.database.bulk import chunks
from worker.database.engine import database_now, reading, writing
from worker.database.issues import IssueRow
from worker.database.locks import hold
from worker.database.types import to_ms
from worker.errors import Fenced
from worker.items import Finding, PreparedVolatile, prepare, prepare_volatile, source_fp
from worker.stores.contract import Page, Record, UnreadableRecord, VolatileRecord
from worker.sync.context import Wake
from worker.sync.merge import (
    VOLATILE_FIELDS,
    Judge,
    Merged,
    Observation,
    merge_absent,
    merge_records,
    merge_volatile,
    record_findings,
)
from worker.sync.slice import Pull
from worker.sync.waking import wake_lane

DUPLICATE: Final = "id.duplicate"


class PageReader:
    """Merges the pages of one slice."""

    def __init__(self, pull: Pull) -> None:
        self._pull = pull
        self._duplicates: list[str] = []

    def take(self, page: Page[Any], stamp: int) -> Iterator[Wake]:
        """Merge one page seen at ``stamp``. Yields the lane's wake-up when there is something to send."""
        count = len(page.records) + page.unidentified
        self._pull.breaker.read += count
        self._pull.add("pulled", count)
        if page.unidentified:
            self._pull.add("unidentified", page.unidentified)
            self._pull.add("invalid", page.unidentified)
        notices: dict[str, list[Finding]] = {}
        for notice in page.notices:
            finding = Finding(notice.code, "warning", notice.message, notice.action, notice.owner, "content")
            notices.setdefault(notice.retailer_id, []).append(finding)
        if "" in notices:
            self._note(notices.pop(""))
        for part in chunks(page.records):
            if self._pull.run.job == "volatile":
                yield from self._take_volatile(part, stamp)
            else:
                yield from self._take_records(part, stamp, notices)
        if page.gone:
            yield from self._write(
                lambda connection, shop_row, now_ms: merge_absent(
                    connection,
                    shop_row,
                    self._pull.run.id,
                    stamp,
                    list(page.gone),
                    now_ms,
                    judge=self._judge(len(page.gone)),
                )
            )

    def _take_records(self, records: Sequence[Record], stamp: int, notices: dict[str, list[Finding]]) -> Iterator[Wake]:
        misses = self._misses(records)
        if misses:
            yield from self.observe(misses, stamp, notices, len(records))
        if self._duplicates:
            repeated, self._duplicates = sorted(set(self._duplicates)), []
            with writing(self._pull.context.engine, "pull.7-duplicates") as connection:
                shop_row = hold(connection, self._pull.lease)
                issues.record(connection, shop_row.id, map(_duplicate, repeated), database_now(connection))

    def _misses(self, records: Sequence[Record]) -> dict[str, tuple[int, Record]]:
        """Records whose raw bytes are not those of the desired state; all others are done with."""
        pull = self._pull
        seed = pull.run.seed
        first: dict[str, Record] = {}
        for record in records:
            if first.setdefault(record.retailer_id, record) is not record:
                self._repeated(record.retailer_id)
        with reading(pull.context.engine) as connection:
            sources = ledger.sources(connection, pull.shop.id, list(first))
        misses: dict[str, tuple[int, Record]] = {}
        for retailer_id, record in first.items():
            source = sources.get(retailer_id)
            if source is not None and source.seq in pull.seen:
                self._repeated(retailer_id)
                continue
            src_fp = source_fp(record.raw, seed)
            if source is None or source.src_fp != src_fp:
                misses[retailer_id] = src_fp, record
                continue
            pull.seen.add(source.seq)
            if source.refused:
                pull.add("invalid")
            elif source.run_id != pull.run.id:
                pull.add("unchanged")
        return misses

    def observe(
        self, misses: dict[str, tuple[int, Record]], stamp: int, notices: dict[str, list[Finding]], size: int
    ) -> Iterator[Wake]:
        """Decode, normalise, check and merge; at most a chunk at a time, of ``size`` records with those that hit."""
        pull = self._pull
        observed: dict[str, Observation] = {}
        unreadable: dict[str, list[Finding]] = {}
        for retailer_id, (src_fp, record) in misses.items():
            try:
                fields = pull.store.fields(record)
            except UnreadableRecord as error:
                unreadable[retailer_id] = [_unreadable(str(error))]
                continue
            prepared = prepare(retailer_id, fields, pull.shop.currency)
            observed[retailer_id] = Observation(src_fp, prepared, tuple(notices.get(retailer_id, ())))

        def merge(connection: Connection, shop_row: Row[Any], now_ms: int) -> Merged:
            merged = merge_records(connection, shop_row, pull.run.id, stamp, observed, now_ms, self._judge(size))
            for retailer_id, known in ledger.known(connection, shop_row.id, list(unreadable)).items():
                merged.seqs[retailer_id] = (known.want or known.acked).seq  # type: ignore[union-attr]  # known: one of them is there
            for _ in unreadable:
                merged.add("invalid")
            findings: dict[str, Sequence[Finding]] = dict(unreadable)
            for retailer_id, observation in observed.items():
                hidden = observation.prepared.archived
                findings[retailer_id] = () if hidden else (*observation.prepared.findings, *observation.notices)
            record_findings(connection, shop_row.id, findings, now_ms)
            return merged

        yield from self._write(merge)

    def _take_volatile(self, records: Sequence[VolatileRecord], stamp: int) -> Iterator[Wake]:
        """Compare the volatile half of known items; merge what differs."""
        pull = self._pull
        first: dict[str, VolatileRecord] = {}
        for record in records:
            first.setdefault(record.retailer_id, record)
        with reading(pull.context.engine) as connection:
            known = ledger.volatile_fps(connection, pull.shop.id, list(first))
        differing: dict[str, PreparedVolatile] = {}
        for retailer_id, (seq, volatile_fp) in known.items():
            if seq in pull.seen:
                continue
            pull.seen.add(seq)
            prepared = prepare_volatile(retailer_id, first[retailer_id].fields, pull.shop.currency)
            if prepared.volatile_fp == volatile_fp:
                pull.add("unchanged")
            else:
                differing[retailer_id] = prepared
        if differing:

            def merge(connection: Connection, shop_row: Row[Any], now_ms: int) -> Merged:
                found = {retailer_id: prepared.findings for retailer_id, prepared in differing.items()}
                record_findings(connection, shop_row.id, found, now_ms, fields=VOLATILE_FIELDS)
                return merge_volatile(
                    connection, shop_row, pull.run.id, stamp, differing, now_ms, self._judge(len(records))
                )

            yield from self._write(merge)

    def _judge(self, size: int) -> Judge:
        return lambda wants, stamp: self._pull.breaker.judge(wants, stamp, size)

    def _note(self, findings: Sequence[Finding]) -> None:
        """Findings about records that name no item."""
        with writing(self._pull.context.engine, "pull.6-note") as connection:
            shop_row = hold(connection, self._pull.lease)
            rows = [IssueRow("", "rules", f.code, f.severity, f.message, f.action, f.owner) for f in findings]
            issues.record(connection, shop_row.id, rows, database_now(connection))

    def _write(self, merge: Callable[[Connection, Row[Any], int], Merged]) -> Iterator[Wake]:
        """One fenced transaction: the merge, its counters, and the lane's next wake-up."""
        pull = self._pull
        with writing(pull.context.engine, "pull.5-merge") as connection:
            shop_row = hold(connection, pull.lease)
            if (shop_row.mapping, shop_row.store_options) != (pull.shop.mapping, pull.shop.store_options):
                # What was decoded under the old mapping is worth nothing now; the run begins again under the new one.
                raise Fenced("The shop's mapping was changed while this page was read.")
            now = database_now(connection)
            merged = merge(connection, shop_row, to_ms(now))
            run_state.count(connection, pull.run.id, merged.counts)
            wakes = wake_lane(pull.context, connection, shop_row) if merged.changed else []
        for seq in merged.seqs.values():
            pull.seen.add(seq)
        yield from wakes

    def _repeated(self, retailer_id: str) -> None:
        # Where ids cannot repeat, it is the same item on a page that shifted while it was read.
        if not self._pull.store.ids_unique:
            self._duplicates.append(retailer_id)


def _duplicate(retailer_id: str) -> IssueRow:
    return IssueRow(
        retailer_id,
        "rules",
        DUPLICATE,
        "warning",
        f"The id {retailer_id} occurs more than once in the store's data; the first record counts.",
        "Give each item an id of its own.",
        "merchant",
    )


def _unreadable(reason: str) -> Finding:
    return Finding(
        "record.unreadable",
        "error",
        f"The store's record cannot be read: {reason}",
        "Correct the record in the store; the item stays as it is until then.",
        "merchant",
        "content",
    )
