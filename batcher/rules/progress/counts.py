"""The tally: what a run has done so far, counted as it happens. The engine counts; figures and summary read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from batcher.model import Status


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    parsed: int = 0
    """Rows of the manifest parsed so far; parsing runs ahead of the work."""
    is_parsed: bool = False
    """Whether the manifest was parsed to its end."""
    rows: int = 0
    """Rows of the manifest taken up so far."""
    written: Counter[Status] = field(default_factory=Counter)
    """Rows that this run wrote a record of, by how they stand."""
    known: Counter[Status] = field(default_factory=Counter)
    """Rows that earlier runs have dealt with, by how they stand."""
    adopted: int = 0
    """Rows in doubt that the execution list showed to be started, after the manifest was read."""
    resent: int = 0
    """Rows in doubt that the execution list showed to be absent, and that were sent again."""
    found: int = 0
    """Rows in doubt that the execution list showed to be started, at any time of this run."""
    missed: int = 0
    """Rows in doubt that the execution list showed to be absent, at any time of this run."""
    given_back: int = 0
    """Rows taken in and given back untouched, because the job stopped first."""
    requests: int = 0
    retries: int = 0
    on_wire: dict[int, float] = field(default_factory=dict)
    """The requests on the wire: when each was sent, in seconds of the steady clock, by the id of its row."""
    is_reading: bool = False
    """Whether the run waits for the next rows of the manifest."""
    is_writing: bool = False
    """Whether records and verdicts are being written to the disk."""
    taken: int = 0
    """Rows taken up to be sent, counted where their number is limited."""
    is_limited: bool = False
    """Whether the limit has kept rows from being sent."""
    read_whole: bool = False
    """Whether the manifest was read to its end."""

    def pass_over(self, counts: Mapping[Status, int]) -> None:
        """Count rows that earlier runs have dealt with and that were not read again, by how they stand."""
        count = sum(counts.values())
        self.parsed += count
        self.rows += count
        self.known.update(counts)

    def again(self) -> Tally:
        """Give a tally for rows that are sent again: their records count here too, their reading does not."""
        return Tally(written=self.written)

    @property
    def sent(self) -> int:
        """Rows that this run has sent and that have ended."""
        return self.written.total() - self.written[Status.INVALID] - self.written[Status.DUPLICATE]

    @property
    def ended(self) -> int:
        """Rows that need nothing more in this run."""
        return self.written.total() + self.known.total()

    @property
    def started(self) -> int:
        """Rows started, by this run and earlier ones."""
        return self.written[Status.STARTED] + self.known[Status.STARTED] + self.adopted

    @property
    def refused(self) -> int:
        """Rows that the service was too busy for in this run, to their last attempt; earlier ones are sent again."""
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
        """Rows of the same content as an earlier row."""
        return self.written[Status.DUPLICATE] + self.known[Status.DUPLICATE]

    @property
    def dismissed(self) -> int:
        """Rows that were rejected or invalid, and that a person has dismissed."""
        return self.known[Status.DISMISSED]

    @property
    def in_doubt(self) -> int:
        """Rows that this run has put in doubt."""
        return self.written[Status.IN_DOUBT]
