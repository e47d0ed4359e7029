"""The tally: what a run has done so far, counted as it happens. The engine writes it, progress and summary read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from batcher.model import State, Status


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    parsed: int = 0
    """Rows of the manifest parsed so far; reading is ahead of the work."""
    is_parsed: bool = False
    """Whether the manifest was parsed to its end."""
    rows: int = 0
    """Rows of the manifest taken up so far."""
    written: Counter[Status] = field(default_factory=Counter)
    """Rows that this run wrote a record of, by status."""
    known: Counter[State] = field(default_factory=Counter)
    """Rows that earlier runs have dealt with, by state."""
    adopted: int = 0
    """Rows in doubt that the execution list has shown to be started, after the manifest was read."""
    resent: int = 0
    """Rows in doubt that the execution list has shown to be absent, and that were sent again."""
    found: int = 0
    """Rows in doubt that the execution list has shown to be started, whenever in this run."""
    missed: int = 0
    """Rows in doubt that the execution list has shown to be absent, whenever in this run."""
    given_back: int = 0
    """Rows taken in and given back untouched, because the job stopped first."""
    requests: int = 0
    retries: int = 0
    on_wire: dict[int, float] = field(default_factory=dict)
    """The rows on the wire, by their id: when their attempts were sent, in seconds of the steady clock."""
    is_reading: bool = False
    """Whether the manifest's next rows are waited for."""
    is_writing: bool = False
    """Whether records and verdicts are on their way to the disk."""
    taken: int = 0
    """Rows taken up to be sent, counted where there is a limit to them."""
    is_limited: bool = False
    """Whether the limit has kept rows from being sent."""
    read_whole: bool = False
    """Whether the manifest was read to its end."""

    def pass_over(self, states: Mapping[State, int]) -> None:
        """Count rows in these states that earlier runs have dealt with, and that were not read again."""
        count = sum(states.values())
        self.parsed += count
        self.rows += count
        self.known.update(states)

    def again(self) -> Tally:
        """Give a tally for rows that are sent again: their records count here too, but not their being read."""
        return Tally(written=self.written)

    @property
    def in_flight(self) -> int:
        """Requests on the wire."""
        return len(self.on_wire)

    @property
    def sent(self) -> int:
        """Rows that this run has sent and brought to an end."""
        return self.written.total() - self.written[Status.INVALID] - self.written[Status.DUPLICATE]

    @property
    def ended(self) -> int:
        """Rows that need nothing more in this run."""
        return self.written.total() + self.known.total()

    @property
    def started(self) -> int:
        """Rows started, by this run and earlier ones."""
        return self.written[Status.STARTED] + self.known[State.STARTED] + self.adopted

    @property
    def rejected(self) -> int:
        """Rows rejected, by this run and earlier ones."""
        return self.written[Status.REJECTED] + self.known[State.REJECTED]

    @property
    def invalid(self) -> int:
        """Rows that cannot be sent, found by this run and earlier ones."""
        return self.written[Status.INVALID] + self.known[State.INVALID]

    @property
    def duplicates(self) -> int:
        """Rows of the same content as an earlier row."""
        return self.written[Status.DUPLICATE] + self.known[State.DUPLICATE]

    @property
    def dismissed(self) -> int:
        """Rows that were rejected or invalid, and that a person has dismissed."""
        return self.known[State.DISMISSED]

    @property
    def in_doubt(self) -> int:
        """Rows that this run has put in doubt."""
        return self.written[Status.IN_DOUBT]
