"""The room for executions: what runs or may run of a job, so that no more than a maximum does. Pure counts.

Whatever may have started takes a place: a row from its admission on, a row in doubt, and an execution until its end is
seen in the list. So the true number never exceeds the maximum, however old the list is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from batcher.model import Admitted, Settlement, Status

SENDING, STARTED, IN_DOUBT = Status.SENDING, Status.STARTED, Status.IN_DOUBT


@dataclass(slots=True)
class Room:
    """The places of a job. `most` is their number."""

    most: int
    running: int
    """Executions whose end was not seen."""
    doubts: int
    """Rows that may have been started."""
    is_proven: bool
    """Whether a start of the job was answered. Without one no list settles a row in doubt, so until then one row is
    sent at a time: not all places may be taken by rows in doubt."""
    open: dict[int, int] = field(default_factory=dict)
    """The rows that are admitted and not settled: their numbers, by their ids."""

    @property
    def free(self) -> int:
        """The number of free places. Negative if an earlier run had a higher maximum."""
        return self.most - self.running - self.doubts - len(self.open)

    @property
    def is_idle(self) -> bool:
        """Whether no row is being sent."""
        return not self.open

    def let(self, rows: Sequence[Admitted]) -> int:
        """Give places to the first of these rows, as far as they are free. Return how many rows may go.

        A row that is not sent needs no place.
        """
        free = self.free if self.is_proven else min(self.free, 1 - len(self.open))
        for at, row in enumerate(rows):
            if row.status is SENDING:
                if free <= 0:
                    return at
                free -= 1
                self.open[row.id] = row.row.number
        return len(rows)

    def settled(self, settlements: Iterable[Settlement], unsent: Collection[int] = ()) -> None:
        """Note how rows have ended that had a place. The rows with the numbers `unsent` are in doubt in another job."""
        for each in settlements:
            number = self.open.pop(each.id, None)
            if number is not None:
                self.running += each.status is STARTED
                self.is_proven = self.is_proven or each.status is STARTED
                self.doubts += each.status is IN_DOUBT and number not in unsent

    def found(self, adopted: int, others: int) -> None:
        """Note that rows in doubt were found started, and that others are certain not to have been."""
        self.running += adopted
        self.doubts -= adopted + others

    def ended(self, count: int) -> None:
        """Note that the ends of executions were seen."""
        self.running -= count
