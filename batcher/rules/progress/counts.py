"""The tally: counts of what a run has done so far. The engine updates it; figures and summary read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from batcher.model import Status
from batcher.rules.rows.settled_prefix import ENDED


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    parsed: int = 0
    """Rows of the manifest parsed so far. Parsing runs ahead of the work."""
    is_parsed: bool = False
    """Whether the manifest was parsed to its end."""
    rows: int = 0
    """Rows of the manifest looked up in the checkpoint so far."""
    written: Counter[Status] = field(default_factory=Counter)
    """Rows that this run wrote a record of, by status."""
    known: Counter[Status] = field(default_factory=Counter)
    """Rows that earlier runs have finished, by status."""
    adopted: int = 0
    """Rows in doubt that were found in the execution list after the manifest was read."""
    duplicates_found: int = 0
    """Rows in doubt that another job of the ledger has started, found after the manifest was read."""
    resent: int = 0
    """Rows in doubt that were not found in the execution list, and were sent again."""
    found: int = 0
    """Rows in doubt that were found in the execution list at any time of this run."""
    missed: int = 0
    """Rows in doubt that were not found in the execution list at any time of this run."""
    given_back: int = 0
    """Rows that were admitted and given back unsent, because the job stopped first."""
    requests: int = 0
    retries: int = 0
    on_wire: dict[int, float] = field(default_factory=dict)
    """When each request on the wire was sent, in seconds of the steady clock, by the id of its row."""
    is_reading: bool = False
    """Whether the run waits for the next rows of the manifest."""
    is_writing: bool = False
    """Whether records and verdicts are being written to disk."""
    taken: int = 0
    """Rows selected to be sent, counted only if their number is limited."""
    is_limited: bool = False
    """Whether rows were not sent because of that limit."""
    read_whole: bool = False
    """Whether the manifest was read to its end."""

    def pass_over(self, counts: Mapping[Status, int]) -> None:
        """Count rows that earlier runs have finished and that were not read again, by status."""
        count = sum(counts.values())
        self.parsed += count
        self.rows += count
        self.known.update(counts)

    def again(self) -> Tally:
        """Return a tally for rows that are sent again. It shares the counts of records and the limit with this one."""
        return Tally(written=self.written, taken=self.taken)

    def take_over(self, again: Tally) -> None:
        """Add what became of the rows that were sent again."""
        self.given_back += again.given_back
        self.taken = again.taken
        self.is_limited |= again.is_limited

    @property
    def sent(self) -> int:
        """Rows that this run has sent and that have ended."""
        return self.written.total() - self.written[Status.INVALID] - self.written[Status.DUPLICATE]

    @property
    def ended(self) -> int:
        """Rows that need nothing more in this run."""
        return self.written.total() + self.known.total()

    @property
    def done(self) -> int:
        """Rows that are settled for good, by this run and earlier ones. Refused rows and rows in doubt are not."""
        return sum(self.written[status] + self.known[status] for status in ENDED) + self.adopted + self.duplicates_found

    @property
    def started(self) -> int:
        """Rows started, by this run and earlier ones."""
        return self.written[Status.STARTED] + self.known[Status.STARTED] + self.adopted

    @property
    def refused(self) -> int:
        """Rows of this run that the service was too busy to start, even at the last attempt.

        Those of earlier runs are not included, because they are sent again.
        """
        return self.written[Status.REFUSED]

    @property
    def failed(self) -> int:
        """Rows that this run has sent and the service did not start."""
        return self.written[Status.REJECTED] + self.written[Status.REFUSED]

    @property
    def rejected(self) -> int:
        """Rows rejected, by this run and earlier ones."""
        return self.written[Status.REJECTED] + self.known[Status.REJECTED]

    @property
    def invalid(self) -> int:
        """Rows that cannot be sent, found by this run and earlier ones."""
        return self.written[Status.INVALID] + self.known[Status.INVALID]

    @property
    def duplicate(self) -> int:
        """Rows with the same content as an earlier row, or as a row that another job has started."""
        return self.written[Status.DUPLICATE] + self.known[Status.DUPLICATE] + self.duplicates_found

    @property
    def dismissed(self) -> int:
        """Rows that were rejected or invalid, and that a user has dismissed."""
        return self.known[Status.DISMISSED]

    @property
    def in_doubt(self) -> int:
        """Rows that this run has put in doubt."""
        return self.written[Status.IN_DOUBT]
