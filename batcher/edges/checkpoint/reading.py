"""Reads a consistent snapshot of a checkpoint, during or after a run, without locking it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cached_property
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from batcher.edges.checkpoint.controls import Controls
from batcher.edges.checkpoint.facts import CANARY, ELSEWHERE, INHERITED, LIST_LENGTH, READ_WHOLE
from batcher.edges.checkpoint.format_3 import readable
from batcher.edges.checkpoint.groups import Kept
from batcher.edges.checkpoint.lock import observing
from batcher.edges.checkpoint.schema import (
    WITH_CONTROLS,
    card_of,
    carried,
    check_card,
    check_sum,
    facts_of,
    format_of,
    need_file,
    open_database,
    read_card,
    seal,
    translated,
)
from batcher.edges.checkpoint.settled_rows import SettledRows
from batcher.edges.checkpoint.snapshot import snapshot
from batcher.edges.checkpoint.unsettled_rows import UnsettledRows
from batcher.errors import JobError
from batcher.model import STATUSES, Status, Unsettled
from batcher.rules.doubts.control import Control
from batcher.rules.job.card import Card
from batcher.rules.progress import extent
from batcher.rules.progress.extent import Length
from batcher.rules.records.standing import Standing
from batcher.rules.shards.attempts import CHECKPOINT, all_files, is_of_shard, latest, named, without
from batcher.rules.shards.merging import OPEN, Merged, Settled, decoded, merged

if TYPE_CHECKING:
    from batcher.rules.ends.canary import Canary

COPY = 256
"""The factor for the number of a copy. It leaves room for the number of a status to be added."""


class Glance(NamedTuple):
    """A snapshot of a checkpoint.

    `running` is whether a run has locked it. If not, SENDING rows are in doubt. `read_whole` is whether the last run of
    the job's own manifest read it to its end, as far as is known. `length` is that of this manifest, None if unknown.
    """

    card: Card
    running: bool
    read_whole: bool
    length: Length | None
    counts: Counter[Status]
    unsettled: list[Unsettled]
    """The rows that are SENDING and those in doubt."""
    elsewhere: int | None = None
    """The rows of the manifest that belong to other shards, None if they are not counted yet or there are no shards."""
    alarms: Sequence[str] = ()
    """What attempts at the shard have done that the fence should have prevented, in sentences."""
    canary: Canary | None = None
    """The canary of the job, None if it has had none."""


def glance(path: Path) -> Glance:
    """Read the checkpoint at `path`. Raises DiskError or OtherJobError if it cannot be read."""
    with reading(path) as checkpoint:
        return checkpoint.glance()


def card_at(path: Path) -> Card:
    """Read the job card alone, and compare nothing else. Raises DiskError or OtherJobError if it cannot be read."""
    with translated(path), _readable(path) as file:
        return read_card(file)


def hint_at(path: Path, name: str) -> str | int | None:
    """Return a fact as it is stored, None if there is none that can be read at once.

    For what the caller can prove otherwise: nothing else of the file is read or checked, and no lock is waited for.
    """
    address = f"{path.absolute().as_uri()}?mode=rw"
    with suppress(JobError, sqlite3.Error, OSError):
        need_file(path, None)
        with closing(sqlite3.connect(address, uri=True, timeout=0)) as db:
            for value, found in db.execute("SELECT value, seal FROM header WHERE name = ?", (name,)):
                return carried(value) if found == seal(name, value) else None
    return None


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Yield the path of what SQLite can open: that of a copy, for a shard whose process has the file for itself."""
    need_file(path, None)
    if not is_of_shard(path.name):
        yield path
        return
    with snapshot(path) as copy:
        yield copy


@contextmanager
def reading(path: Path) -> Iterator[Reading]:
    """Open the checkpoint at `path` for reading. Raises DiskError or OtherJobError if it cannot be read."""
    with ExitStack() as opened:
        with translated(path):
            need_file(path, None)
            is_running = opened.enter_context(observing(path))
            file = opened.enter_context(_readable(path))
            db = opened.enter_context(closing(open_database(file, None)))
            running = is_running()
            # All reads from here on see one snapshot, whatever a run writes meanwhile.
            db.execute("BEGIN")
            checkpoint = Reading(db, path, running=running)
        yield checkpoint


@contextmanager
def reading_of(path: Path, card: Card) -> Iterator[Reading | None]:
    """Open the checkpoint of a job for reading. Yields None if the job has none yet.

    Raises OtherJobError if it belongs to another job, and what `reading` raises.
    """
    if not path.exists() or path.stat().st_size == 0:
        yield None
        return
    with reading(path) as checkpoint:
        checkpoint.require(card)
        yield checkpoint


def owned_by_others(path: Path, names: Sequence[str]) -> set[str]:
    """Return those execution names that rows of the other shards beside this checkpoint own.

    A checkpoint that cannot be read owns none: an execution that is taken for a stranger's is looked at, which is safe.
    """
    found: set[str] = set()
    own = named(path.name)
    for name in without(latest((each.name for each in path.parent.iterdir()), CHECKPOINT), own.shard if own else ""):
        with suppress(JobError), reading(path.with_name(name)) as checkpoint:
            found |= checkpoint.owned(names)
    return found


def earlier_checkpoints(path: Path) -> list[Path]:
    """Return the checkpoints of earlier attempts at the shard of a checkpoint, none for a job without shards."""
    own = named(path.name)
    if own is None or own.number == 1:
        return []
    names = all_files((each.name for each in path.parent.iterdir()), own.shard, CHECKPOINT)
    return [path.with_name(name) for name in names if (each := named(name)) and each.number < own.number]


def _settled(row: Kept) -> Settled:
    id_, key, copy, number, state, name = row
    return Settled(id_, key, copy, number, STATUSES[state], name)


def _waiting(row: Unsettled) -> Standing:
    return Standing(b"", row.number, row.status, "", row)


def _late(row: Settled) -> Standing:
    return Standing(row.key, row.number, row.status, row.name)


class Reading:
    """A snapshot of a checkpoint. `running` is whether a run has locked it; `facts` are those of the job by name."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, running: bool) -> None:
        self.path = path
        self.running = running
        self.facts: Mapping[str, str | int] = readable(db, facts_of(db, path))
        self._db = db
        self._settled = SettledRows(db)
        self._unsettled = UnsettledRows(db, self._settled)
        check_sum(self.facts, self._settled.sum + self._unsettled.sum)

    @property
    def card(self) -> Card:
        """The job card: what identifies the job."""
        with translated(self.path):
            return card_of(self.facts)

    @property
    def read_whole(self) -> bool:
        """Whether the last run of the job's own manifest read it to its end, as far as is known."""
        return bool(self.facts.get(READ_WHOLE))

    @property
    def length(self) -> Length | None:
        """The length of the job's own manifest, as the last run has found it. None if it is not known."""
        return extent.decoded(self.facts.get(LIST_LENGTH))

    @property
    def elsewhere(self) -> int | None:
        """The number of rows of the manifest that belong to other shards. None if it is not known."""
        found = self.facts.get(ELSEWHERE)
        return None if found is None else int(found)

    def require(self, card: Card) -> None:
        """Raise OtherJobError if this is not the checkpoint of `card`."""
        with translated(self.path):
            check_card(self.facts, self.path, card)

    @cached_property
    def merged(self) -> Merged:
        """What earlier attempts at the shard add: they may have settled rows since the latest one began."""
        with translated(self.path):
            opened = {row.id for row in self._unsettled.list(OPEN, -1)}
        own: dict[int, Settled] = {}
        earlier: list[tuple[int, Settled]] = []
        for path in earlier_checkpoints(self.path):
            with suppress(JobError), reading(path) as former:
                found = named(path.name)
                news, ours = self._news_of(former)
                own |= {row.id: row for row in ours}
                earlier += [(found.number if found else 0, row) for row in news]
        return merged(earlier, own, opened, decoded(str(self.facts.get(INHERITED, ""))))

    def _news_of(self, former: Reading) -> tuple[list[Settled], list[Settled]]:
        """Return the rows of the segments that differ between an earlier attempt and this one, of both."""
        with translated(self.path):
            ours, theirs = self._settled.seals(), former._settled.seals()
            segments = [segment for segment, entries in theirs.items() if ours.get(segment) != entries]
            news = [_settled(row) for segment in segments for row in former._settled.of_segment(segment)]
            return news, [_settled(row) for segment in segments for row in self._settled.of_segment(segment)]

    def count(self) -> Counter[Status]:
        """Count all rows by status, in one pass."""
        with translated(self.path):
            counts = self._settled.count() + self._unsettled.count()
            for row in self._unsettled.list(OPEN, -1):
                if row.id in self.merged.late:
                    counts[row.status] -= 1
                    counts[self.merged.late[row.id].status] += 1
            return counts

    def owned(self, names: Sequence[str]) -> set[str]:
        """Return those execution names that its rows own."""
        with translated(self.path):
            return set(self._settled.owned(names))

    def controls(self) -> Sequence[Control]:
        """Return the sample of starts that were answered. Checkpoints of earlier formats have none."""
        with translated(self.path):
            return Controls(self._db).kept if format_of(self._db) >= WITH_CONTROLS else ()

    @property
    def _canary(self) -> Canary | None:
        kept = self.facts.get(CANARY)
        if kept is None:
            return None
        # Imported here, since most jobs have no canary.
        from batcher.rules.ends.canary import decoded as canary_of  # noqa: PLC0415

        return canary_of(kept)

    def glance(self) -> Glance:
        """Return the snapshot as a value."""
        unsettled = self.unsettled({Status.SENDING, Status.IN_DOUBT})
        return Glance(
            self.card,
            self.running,
            self.read_whole,
            self.length,
            self.count(),
            unsettled,
            self.elsewhere,
            self.merged.alarms,
            self._canary,
        )

    def unsettled(self, statuses: Collection[Status], most: int = -1) -> list[Unsettled]:
        """List up to `most` unsettled rows with one of `statuses`, in the order of their admission."""
        with translated(self.path):
            late = self.merged.late
            return self._unsettled.list(statuses, most) if not late else self._still_open(statuses, most)

    def _still_open(self, statuses: Collection[Status], most: int) -> list[Unsettled]:
        listed = [row for row in self._unsettled.list(statuses, -1) if row.id not in self.merged.late]
        return listed if most < 0 else listed[:most]

    def entries(self) -> Iterator[tuple[bytes, int]]:
        """Yield each row's key, and a number: COPY times the number of the copy of its content, plus its status."""
        with translated(self.path):
            self._settled.compare()
            for _, key, copy, _, state, _ in self._settled.rows():
                yield key, copy * COPY + state
            for _, key, copy, state in self._unsettled.following(0):
                yield key, copy * COPY + state

    def standings(self) -> Iterator[Standing]:
        """Yield every row, in the order of admission."""
        with translated(self.path):
            self._settled.compare()
            unsettled = self._unsettled.list(frozenset(Status), -1)
            waiting = [
                (row.id, _late(self.merged.late[row.id]) if row.id in self.merged.late else _waiting(row))
                for row in unsettled
            ]
            settled = (
                (id_, Standing(key, number, STATUSES[state], name))
                for id_, key, _, number, state, name in self._settled.rows()
            )
            for _, standing in merge(settled, waiting, key=itemgetter(0)):
                yield standing
