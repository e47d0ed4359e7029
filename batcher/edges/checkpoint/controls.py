"""The table of controls: a bounded sample of the starts that were answered, with their contents.

It is also held in memory. A row that is not sampled costs nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

from batcher.edges.checkpoint.facts import CONTROLS
from batcher.edges.checkpoint.schema import damage, seal, write_facts
from batcher.model import Record, Settlement
from batcher.rules.doubts.control import Control
from batcher.rules.doubts.sample import gap, of_group, thinned
from batcher.rules.service.clock import posix


class Answered(NamedTuple):
    """The records of rows that are settled together, and the time by the service's clock, 0 if it is not known."""

    records: Sequence[Record]
    now: float


NOTHING = Answered((), 0.0)


class Controls:
    """The controls of an open checkpoint."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._last = -inf
        """When a group was last sampled, in POSIX seconds by the service's clock."""
        self.kept: Sequence[Control] = [
            Control(*entry[:-1]) for entry in db.execute("SELECT * FROM controls ORDER BY id")
        ]
        known = db.execute("SELECT value FROM header WHERE name = ?", (CONTROLS,)).fetchone() or (0,)
        if known[0] != len(self.kept):
            raise damage("controls", 1)
        self._gap = gap(self.kept)

    def are_due(self, now: float) -> bool:
        """Return whether to sample the rows that are settled at this time."""
        return now >= self._last + self._gap or now < self._last

    def sample(
        self,
        settlements: Sequence[Settlement],
        answered: Answered,
        content: Callable[[int], tuple[str, str, bytes, float]],
    ) -> None:
        """Keep some of the rows that are settled as started. `content` gives the content and the intent of each."""
        started = [each for each in settlements if each.execution]
        if not started:
            return
        self._last = answered.now
        records = {record.execution_name: record for record in answered.records}
        kept = []
        for each in of_group(started):
            record = records.get(each.execution)
            if record is not None:
                bucket, object_, inputs, intent_at = content(each.id)
                at = posix(record.started_at or "")
                urn, until = record.execution_urn or "", answered.now or None
                kept.append(Control(each.id, each.execution, urn, at, intent_at, until, bucket, object_, inputs))
        self.add(kept)

    def add(self, controls: Sequence[Control]) -> None:
        """Add controls to the sample."""
        self._write(controls)
        self.kept = sorted([*self.kept, *controls])
        if thinned(self.kept) is not self.kept:
            self.kept = thinned(self.kept)
            self._db.execute("DELETE FROM controls")
            self._write(self.kept)
        write_facts(self._db, {CONTROLS: len(self.kept)})
        self._gap = gap(self.kept)

    def keep(self, control: Control) -> None:
        """Keep a start that is no row, with an id below those of all others."""
        kept = control._replace(id=min([0, *(each.id for each in self.kept)]) - 1)
        self._write([kept])
        self.kept = [kept, *self.kept]
        write_facts(self._db, {CONTROLS: len(self.kept)})

    def _write(self, controls: Sequence[Control]) -> None:
        entries = [(*control, seal("control", *control)) for control in controls]
        self._db.executemany("INSERT OR REPLACE INTO controls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entries)
