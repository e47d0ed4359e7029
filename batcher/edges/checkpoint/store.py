"""The checkpoint's store: all operations on rows, and the facts of the job. Synchronous.

Rows are stored in the order of admission, so that new rows fill one page after another. The bucket, object and inputs
of a row are stored only while it is unsettled.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType

from msgspec import structs

from batcher.edges.checkpoint.controls import NOTHING, Answered, Controls
from batcher.edges.checkpoint.facts import CARD, CONTENTS, HIGHEST
from batcher.edges.checkpoint.format_3 import upgrade
from batcher.edges.checkpoint.reading import owned_by_others
from batcher.edges.checkpoint.schema import (
    card_of,
    carried,
    check_sum,
    open_database,
    read_facts,
    translated,
    write_facts,
)
from batcher.edges.checkpoint.settled_rows import SettledRows
from batcher.edges.checkpoint.sieve import Sieve, Sifted
from batcher.edges.checkpoint.unsettled_rows import UnsettledRows
from batcher.model import Admitted, BadRow, Execution, Row, Settlement, Status, Unsettled
from batcher.rules.doubts.control import Control
from batcher.rules.job.card import Card
from batcher.rules.rows.plain_rows import Name

IN_DOUBT = Status.IN_DOUBT
NO_FACTS: Mapping[str, str | int] = MappingProxyType({})
MOST_NAMES = 100_000
"""The number of executions that are looked up together, each time in a pass over the rows. It bounds the memory."""
_ID = attrgetter("id")

_LISTED = """
CREATE TEMP TABLE IF NOT EXISTS listed (name PRIMARY KEY, urn TEXT, started_at TEXT, at REAL, is_event) WITHOUT ROWID
"""

_LATEST = """
SELECT nullif(max(at), 0) FROM (
    SELECT max(at) AS at FROM intents
    UNION ALL SELECT max(max(intent_at, coalesce(doubt_at, 0))) FROM doubts
    UNION ALL SELECT max(max(intent_at, coalesce(answered_at, 0))) FROM controls
)
"""


class Store:
    """An open checkpoint file. Every method may raise sqlite3.Error, which `translated` turns into a DiskError."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._settled = SettledRows(db)
        self._unsettled = UnsettledRows(db, self._settled)
        facts = self.facts()
        check_sum(facts, self._sum)
        self._controls = Controls(db)
        self._highest = int(facts.get(HIGHEST, 0))
        self._sieve = Sieve(db, self._settled, self._unsettled, self._highest)

    @classmethod
    def open(cls, path: Path, card: Card | None) -> Store:
        """Open the checkpoint at `path`, or create one that only its owner can read.

        Without a card the checkpoint of any job is opened; it must exist. Raises OtherJobError if it belongs to another
        job, has a later format or is not a checkpoint, and DiskError if it cannot be read or written, or is damaged.
        """
        with translated(path):
            db = open_database(path, card)
            try:
                upgrade(db, path)
                return cls(db, path)
            except BaseException:
                db.close()
                raise

    def close(self) -> None:
        """Close the file. SQLite then merges its write-ahead log into it."""
        self._db.close()

    def begin(self) -> None:
        """Begin a transaction: everything up to the commit becomes durable together, or nothing does."""
        # Not IMMEDIATE: that would also begin one on the scratch index, and ending it visits each of its pages.
        # The lock ensures that no other connection writes.
        self._db.execute("BEGIN")

    def commit(self) -> None:
        """Make the transaction durable."""
        # This releases and acquires Python's global lock once; a COMMIT statement does so three times.
        self._db.commit()

    def merge(self) -> None:
        """Merge the write-ahead log into the file, as far as no reader needs it."""
        self._db.execute("PRAGMA main.wal_checkpoint(PASSIVE)").close()

    def roll_back(self) -> None:
        """Undo the transaction, if there is one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def enter(self, rows: int, ascended: Name | None) -> None:
        """Skip the manifest's first rows, which are settled and known to be the checkpoint's first ones.

        `ascended` is the name of the last of them if all of them ascend.
        """
        self._sieve.enter(rows, ascended)

    def sift(self, rows: Sequence[Row | BadRow], leave: Collection[Status]) -> Sifted:
        """Look up the next rows of the manifest. Rows with a status in `leave` are only counted."""
        return self._sieve.sift(rows, leave)

    def admit(self, rows: Sequence[Admitted], now: float, facts: Mapping[str, str | int] = NO_FACTS) -> None:
        """Admit rows, and store facts of the job.

        From here on a row that is SENDING may be on the wire, even if this process ends.
        """
        if rows:
            again = [row.id for row in rows if not row.new]
            if again:
                # A row that is sent again remains the same copy of its content.
                copies = self._settled.reopen(again)
                rows = [row if row.new else structs.replace(row, copy=copies[row.id]) for row in rows]
            self._unsettled.admit(rows, now)
            highest = max(map(_ID, rows))
            if highest > self._highest:
                self._highest = highest
                facts = {**facts, HIGHEST: highest}
        self._note(facts)

    def settle(
        self,
        settlements: Sequence[Settlement],
        facts: Mapping[str, str | int],
        doubt_at: float | None,
        answered: Answered = NOTHING,
    ) -> None:
        """Record the rows' current statuses, together with facts of the job such as the output's length.

        A sample of the starts that were answered is kept as controls.
        """
        ended = sorted([each for each in settlements if each.status is not IN_DOUBT], key=_ID)
        if answered.records and self._controls.are_due(answered.now):
            self._controls.sample(ended, answered, self._unsettled.content)
        self._settled.add(ended, self._unsettled.take([each.id for each in ended]))
        if len(ended) < len(settlements):
            self._unsettled.doubt([each.id for each in settlements if each.status is IN_DOUBT], doubt_at)
        self._note(facts)

    def controls(self) -> Sequence[Control]:
        """Return the sample of starts that were answered."""
        return self._controls.kept

    def keep_control(self, control: Control) -> None:
        """Keep an answered start that is no row of the job as a control. It gets an id of its own."""
        self._controls.keep(control)

    def add_controls(self, controls: Sequence[Control]) -> None:
        """Add starts that were answered to the sample."""
        self._controls.add(controls)

    def latest_time(self) -> float | None:
        """Return the latest time of the service's clock that is stored, None if there is none.

        All that is stored was committed at this time or later.
        """
        found = self._db.execute(_LATEST).fetchone()[0]
        return None if found is None else float(found)

    @property
    def card(self) -> Card:
        """The job card: what identifies the job."""
        kept = self.recall(CARD)
        return card_of({} if kept is None else {CARD: kept})

    def remember(self, facts: Mapping[str, str | int]) -> None:
        """Store facts of the job by name."""
        write_facts(self._db, facts)

    def facts(self) -> dict[str, str | int]:
        """Return all facts of the job by name."""
        return read_facts(self._db)

    def recall(self, name: str) -> str | int | None:
        """Return a fact of the job, None if there is none."""
        found = self._db.execute("SELECT value FROM header WHERE name = ?", (name,)).fetchone()
        return None if found is None else carried(found[0])

    def unsettled(self, statuses: Collection[Status], most: int = -1) -> list[Unsettled]:
        """List up to `most` unsettled rows with one of `statuses`, in the order of their admission."""
        return self._unsettled.list(statuses, most)

    def note_listed(self, executions: Sequence[Execution]) -> None:
        """Store executions for `unowned`, in a temporary table to save memory."""
        self._db.execute(_LISTED)
        self._db.executemany(
            "INSERT OR REPLACE INTO temp.listed VALUES (?, ?, ?, ?, ?)",
            [(each.name, each.urn, each.started_at, each.at, each.is_event) for each in executions],
        )

    def unowned(self) -> list[Execution]:
        """Return the stored executions that belong to no row of the checkpoint, and delete all stored ones.

        What belongs to a row of another shard of the job is left out too.
        """
        return self.first_unowned(-1)[0]

    def first_unowned(self, most: int) -> tuple[list[Execution], int]:
        """Return up to `most` of what `unowned` returns, the earliest first, and how many these are. Delete all."""
        self._db.execute(_LISTED)
        last = ""
        while names := self._listed_after(last):
            last = names[-1]
            others = owned_by_others(self._path, names) if self.card.shard else set()
            owned = [(name,) for name in {*self._settled.owned(names), *others}]
            self._db.executemany("DELETE FROM temp.listed WHERE name = ?", owned)
        count: int = self._db.execute("SELECT count(*) FROM temp.listed").fetchone()[0]
        left = self._db.execute("SELECT * FROM temp.listed ORDER BY at, name LIMIT ?", (most,)).fetchall()
        self._db.execute("DROP TABLE temp.listed")
        return [Execution(name, urn, text, at, bool(is_event)) for name, urn, text, at, is_event in left], count

    def _listed_after(self, last: str) -> list[str]:
        """Return the next stored executions' names, in order."""
        query = "SELECT name FROM temp.listed WHERE name > ? ORDER BY name LIMIT ?"
        return [name for (name,) in self._db.execute(query, (last, MOST_NAMES))]

    def count(self) -> Counter[Status]:
        """Count all rows by status, in one pass."""
        return self._settled.count() + self._unsettled.count()

    def count_unsettled(self) -> Counter[Status]:
        """Count the unsettled rows by status. Fast for any number of settled rows."""
        return self._unsettled.count()

    def is_empty(self) -> bool:
        """Return whether no row was ever admitted."""
        return not self._settled.last_id() and not self._unsettled.last_id()

    def settled_statuses(self) -> set[Status]:
        """Return the statuses of the settled rows, in one pass."""
        return set(self._settled.count())

    def dismiss(self, facts: Mapping[str, str | int]) -> int:
        """Dismiss every rejected or invalid row, and store facts of the job with it. Return the number of rows."""
        count = self._settled.dismiss()
        self._note(facts)
        return count

    @property
    def _sum(self) -> int:
        return self._settled.sum + self._unsettled.sum

    def _note(self, facts: Mapping[str, str | int]) -> None:
        """Store facts, and the sum of the tables after a change."""
        write_facts(self._db, {**facts, CONTENTS: str(self._sum)})
