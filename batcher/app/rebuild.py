"""Rebuilds the rows of a checkpoint from records and a manifest, with bounded memory.

The store holds what an older checkpoint knows, or nothing. The manifest is read twice: first for the places of its
rows, which show the records of rows that it does not have, then row by row.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import NamedTuple, Self

from batcher.edges.checkpoint import Store
from batcher.edges.records import PastRecords
from batcher.edges.scratch import Value, scratch
from batcher.flow.repair import LEFT_OPEN
from batcher.model import Admitted, BadRow, Found, Record, Row, Settlement, Status
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.evidence import NEAREST
from batcher.rules.doubts.recovery import (
    MAY_BE_STARTED,
    UNKNOWN,
    Decision,
    Reach,
    decided,
    nameless,
    sighting,
    whereabouts,
)
from batcher.rules.service.clock import posix

BATCH = 10_000
"""The maximum number of records in memory."""
MOST_STRAYS = 64
"""The maximum number of stray records to look at for one row."""

Block = Sequence[Row | BadRow]

_SETTLED_UNSENT = frozenset({Status.PENDING, Status.REFUSED, Status.REJECTED, Status.INVALID})
"""The statuses of settled rows that may still change."""


class Knowledge(NamedTuple):
    """How the rows of a manifest are read, and what is known of the runs.

    `concurrency` is the highest of them. `plain` are the canonical inputs of a row that has none of its own.
    `allow_duplicates`: the runs sent repeated rows. `is_edited`: the manifest was changed after the last record, so
    that rows that differ in their inputs only may have changed places.
    """

    blocks: Callable[[], Iterator[Block]]
    plain: bytes
    concurrency: int
    allow_duplicates: bool
    is_edited: bool


class Rebuild:
    """A rebuilding of the rows in `store` from `outputs`. Use it in a `with` statement, and call `whole` once."""

    def __init__(self, store: Store, outputs: Sequence[PastRecords[Record]], known: Knowledge) -> None:
        self.lengths = [output.begin for output in outputs]
        """The number of bytes in the whole records of each output."""
        self.strangers = 0
        """Starts whose rows the manifest does not have."""
        self._store = store
        self._outputs = outputs
        self._known = known
        self._last = 0
        self._first_start: float | None = None
        self._latest: list[tuple[float, int, Control]] = []
        """The latest starts, as a heap."""
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self._rows, self._said, self._strays, self._places, self._open = (
            self._held.enter_context(scratch()) for _ in range(5)
        )
        # By number, bucket and object: the rows that are known, and the records. By bucket and object: stray records,
        # the rows of a manifest that was edited, and the places whose starts are left to the execution list.
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def whole(self) -> float:
        """Rebuild all rows. Return a time before which no row without a record was sent, 0 if there is none."""
        left = self._store.unsettled(LEFT_OPEN)
        self._rows.add((sighting(row.number, row.bucket, row.object), 0) for row in left)
        for block in self._known.blocks():
            self._rows.add((sighting(row.number, row.bucket, row.object), 0) for row in block)
            if self._known.is_edited:
                self._places.add((whereabouts(row.bucket, row.object), 0) for row in block)
        for index in range(len(self._outputs)):
            self._read(index)
        self._in_transaction(self._settle_left)
        since = self._store.latest_time()
        reach = Reach(self._last, self._known.concurrency, since, self._first_start)
        for block in self._known.blocks():
            self._in_transaction(partial(self._settle, block, reach))
        self._in_transaction(lambda: self._own_strays(reach.since))
        self._in_transaction(lambda: self._store.add_controls(sorted(each for _, _, each in self._latest)))
        return reach.since

    def _in_transaction(self, work: Callable[[], None]) -> None:
        self._store.begin()
        work()
        self._store.commit()

    def _read(self, index: int) -> None:
        """Sort the records of an output by their places."""
        output = self._outputs[index]
        entries = iter(output)
        while batch := list(islice(entries, BATCH)):
            self._said.add(
                (sighting(record.row, record.bucket, record.object), self._value(place, index))
                for place, record in batch
            )
            strays = []
            for place, record in batch:
                if self._rows.find(sighting(record.row, record.bucket, record.object)):
                    self._last = max(self._last, record.row)
                elif record.status in MAY_BE_STARTED:
                    strays.append((whereabouts(record.bucket, record.object), self._value(place, index)))
                at = posix(record.started_at or "")
                if at is not None and (self._first_start is None or at < self._first_start):
                    self._first_start = at
            self._strays.add(strays)
        self.lengths[index] = output.end

    def _value(self, place: int, index: int) -> int:
        return place * len(self._outputs) + index

    def _at(self, value: Value) -> Record:
        place, index = divmod(int(value), len(self._outputs))
        return self._outputs[index].at(place)

    def _settle_left(self) -> None:
        """Settle the rows that the older checkpoint left open and that have a record, in the manifest or not."""
        settlements = []
        for row in self._store.unsettled(LEFT_OPEN):
            own = self._own(row.number, row.bucket, row.object)
            decision = decided(row.status, own, (), is_plain=False)
            if decision.record is not None or (own and decision.status is not Status.IN_DOUBT):
                settlements.append(_settlement(row.id, decision))
        self._store.settle(settlements, {}, None)

    def _own(self, number: int, bucket: str, object_: str) -> list[Record]:
        return [self._at(value) for _, value in self._said.find(sighting(number, bucket, object_))]

    def _settle(self, block: Block, reach: Reach) -> None:
        """Settle the rows of a block, and put those in doubt that may have been sent."""
        admitted: dict[float, list[Admitted]] = {}
        settlements = []
        for found in self._store.sift(block, frozenset()).found:
            decision = self._decided(found)
            at = reach.since
            if decision.status is None:
                if not self._may_be_sent(found):
                    continue
                sent_since = reach.sent_since(found.row.number)
                if sent_since is None:
                    continue
                decision, at = Decision(Status.IN_DOUBT), sent_since
            if decision.status is found.status:
                continue
            if found.status is None or found.status in _SETTLED_UNSENT:
                new = found.status is None
                entry = Admitted(found.id, found.row, Status.SENDING, found.copy, new)
                admitted.setdefault(at, []).append(entry)
            # A row that may have been sent and has no record of that is left as a crash leaves it.
            if decision.record is not None or decision.status is not Status.IN_DOUBT:
                settlements.append(_settlement(found.id, decision))
            self._note_start(found, decision, reach)
        for at, entries in admitted.items():
            self._store.admit(entries, at)
        self._store.settle(settlements, {}, None)

    def _decided(self, found: Found) -> Decision:
        row = found.row
        own = self._own(row.number, row.bucket, row.object)
        if isinstance(row, BadRow):
            is_recorded = found.status is None and any(each.status is Status.INVALID for each in own)
            return Decision(Status.INVALID if is_recorded else found.status)
        where = whereabouts(row.bucket, row.object)
        values = self._strays.find(where, MOST_STRAYS)
        strays = [self._at(value) for _, value in values]
        is_plain, is_ambiguous = row.inputs == self._known.plain, len(self._places.find(where, 2)) > 1
        decision = decided(found.status, own, strays, is_plain=is_plain, is_ambiguous=is_ambiguous)
        if decision.status is Status.IN_DOUBT and strays and not self._open.find(where):
            self._open.add([(where, 0)])
        for (place, _), stray in zip(values, strays, strict=True):
            # A start belongs to one row, and so do the earlier records of the row that it was of.
            if decision.record in strays and stray.row == decision.record.row:
                self._strays.remove(where, place)
        if decision.status is Status.IN_DOUBT and found.status is None and not own and not self._may_be_sent(found):
            return UNKNOWN
        return decision

    def _may_be_sent(self, found: Found) -> bool:
        return isinstance(found.row, Row) and (found.copy == 1 or self._known.allow_duplicates)

    def _note_start(self, found: Found, decision: Decision, reach: Reach) -> None:
        """Take note of a start, and keep it as a control if it is one of the latest."""
        record, row = decision.record, found.row
        at = None if record is None else posix(record.started_at or "")
        if record is None or at is None or decision.status is not Status.STARTED or isinstance(row, BadRow):
            return
        reach.note_started(at)
        if len(self._latest) == NEAREST and at <= self._latest[0][0]:
            return
        name, urn = record.execution_name or "", record.execution_urn or ""
        control = Control(found.id, name, urn, at, reach.since, None, row.bucket, row.object, row.inputs)
        add = heapq.heappushpop if len(self._latest) == NEAREST else heapq.heappush
        add(self._latest, (at, found.id, control))

    def _own_strays(self, since: float) -> None:
        """Keep the starts whose rows are not known, so that no row in doubt is taken for one of them."""
        values = iter(self._strays)
        while batch := list(islice(values, BATCH)):
            records = [record for record in map(self._at, batch) if self._is_strangers(record)]
            rows = [
                Row(each.row, 0, each.bucket, each.object, b"", nameless(each.execution_name or "")) for each in records
            ]
            sifted = self._store.sift(rows, frozenset())
            new = [(each, record) for each, record in zip(sifted.found, records, strict=True) if each.status is None]
            self._store.admit([Admitted(each.id, each.row, Status.SENDING) for each, _ in new], since)
            self._store.settle(
                [_settlement(each.id, Decision(Status.STARTED, record)) for each, record in new], {}, None
            )
            self.strangers += len(new)

    def _is_strangers(self, record: Record) -> bool:
        return record.status is Status.STARTED and not self._open.find(whereabouts(record.bucket, record.object))


def _settlement(id_: int, decision: Decision) -> Settlement:
    assert decision.status is not None  # noqa: S101 - the callers have looked
    name = decision.record.execution_name if decision.record and decision.status is Status.STARTED else None
    return Settlement(id_, decision.status, name or "")
