"""The recovery: how each row stands by the records of an output, if the checkpoint is lost or is an older one. Pure.

Rule 1: a start that is recorded is never made again.
Rule 2: a row that may have been sent without a record is in doubt. Rows are sent in the order of the manifest, and at
most twice the concurrency of them is without a verdict at any time.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from batcher.model import Record, Status

STARTED, IN_DOUBT = Status.STARTED, Status.IN_DOUBT
LEEWAY = 3600.0
"""Seconds before the first recorded start in which a row in doubt may have been sent. Only a job that waited for longer
after its first requests, all of which lost their answers, could have sent one earlier."""
MAY_BE_STARTED = frozenset({STARTED, IN_DOUBT})
"""The statuses of a record by which an execution may exist."""

_AS_RECORDED: Mapping[Status, Status] = {
    Status.STARTED: STARTED,
    Status.IN_DOUBT: IN_DOUBT,
    # The last run may have sent it again.
    Status.REFUSED: IN_DOUBT,
    Status.REJECTED: Status.REJECTED,
    Status.INVALID: Status.INVALID,
    Status.DUPLICATE: Status.DUPLICATE,
}
"""The status of a row, by the status in its last record."""

_WITHOUT_RECORD: Mapping[Status, Status] = {
    Status.SENDING: IN_DOUBT,
    Status.IN_DOUBT: IN_DOUBT,
    # A run that the older checkpoint does not know may have sent them.
    Status.PENDING: IN_DOUBT,
    Status.REFUSED: IN_DOUBT,
}
"""The status of a row without a new record, by its status in the older checkpoint. All others keep theirs."""

_ENDED = frozenset({STARTED, Status.DUPLICATE, Status.DISMISSED})
"""The statuses in the older checkpoint that no record changes."""


class Decision(NamedTuple):
    """How a row stands, None if nothing is known of it. `record` is the one that shows its start or its doubt."""

    status: Status | None
    record: Record | None = None


UNKNOWN = Decision(None)


def decided(
    known: Status | None, own: Sequence[Record], strays: Sequence[Record], *, is_plain: bool, is_ambiguous: bool = False
) -> Decision:
    """Decide how a row stands.

    `known` is its status in the older checkpoint. `own` are the new records with its number, bucket and object, in the
    order of writing. `strays` are those with MAY_BE_STARTED, its bucket and its object, whose number is that of no such
    row: the manifest was edited, or they are of a side manifest. A record has no inputs. If `is_plain`, the row
    has none of its own either, and a stray start is taken for its start. Otherwise the execution list decides, also
    about its own records, because they may be those of another row; so it does if they are `is_ambiguous` for another
    reason.
    """
    if known in _ENDED:
        return Decision(known)
    may_be_started = [each for each in (*own, *strays) if each.status in MAY_BE_STARTED]
    if may_be_started and not is_plain and (strays or is_ambiguous):
        return Decision(IN_DOUBT)
    last = own[-1] if own else None
    if last is not None and last.status is STARTED:
        return Decision(STARTED, last)
    if may_be_started and last is not may_be_started[-1]:
        stray = next((each for each in strays if each.status is STARTED), None)
        return Decision(IN_DOUBT) if stray is None else Decision(STARTED, stray)
    if last is not None:
        return Decision(_AS_RECORDED[last.status], last if last.status is IN_DOUBT else None)
    return UNKNOWN if known is None else Decision(_WITHOUT_RECORD.get(known, known))


def sighting(number: int, bucket: str, object_: str) -> bytes:
    """Return what a record and its row have in common, as 16 bytes."""
    return _digest(f"{number}\0{bucket}\0{object_}")


def whereabouts(bucket: str, object_: str) -> bytes:
    """Return the bucket and the object of a record or a row, as 16 bytes."""
    return _digest(f"{bucket}\0{object_}")


def nameless(execution: str) -> bytes:
    """Return the key of a start whose row is not known, as 16 bytes. It never equals that of a row."""
    return blake2b(execution.encode(), digest_size=16, person=b"recovered").digest()


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Reach:
    """How far the runs have come: which rows without a record may have been sent, and since when.

    `last` is the number of the last row that has a record. `concurrency` is the highest of the runs. `since` is a time
    before which no row that is unknown to the older checkpoint was sent, in POSIX seconds, None if there is none.
    """

    def __init__(self, last: int, concurrency: int, since: float | None, first_start: float | None) -> None:
        self._last = last
        self._most = self._left = 2 * concurrency
        self._since = since
        self._earliest = 0.0 if first_start is None else first_start - LEEWAY
        self._latest: list[float] = []
        """The latest starts of the rows so far, as a heap."""

    @property
    def since(self) -> float:
        """A time before which no row was sent, in POSIX seconds; 0 if there is none.

        Without an older checkpoint it is LEEWAY before the first start.
        """
        return self._earliest if self._since is None else self._since

    def note_started(self, at: float) -> None:
        """Take note of a row's start. Call this in the order of the manifest."""
        if self._since is None:
            add = heapq.heappushpop if len(self._latest) == self._most else heapq.heappush
            add(self._latest, at)

    def sent_since(self, number: int) -> float | None:
        """Return a time before which a row without any record was not sent, None if it was not sent at all.

        When it was admitted, fewer than twice the concurrency of the rows before it had no verdict: all others of
        them had been started by then.
        """
        if number > self._last:
            if not self._left:
                return None
            self._left -= 1
        if self._since is not None or len(self._latest) < self._most:
            return self.since
        return max(self.since, self._latest[0])
