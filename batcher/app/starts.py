"""The starts of a job: taken from the records of its runs into the store of the ends, as far as they are written.

A start is recorded before it is committed, and never made again. So the records can be read while a run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batcher.app.run_folder import checkpoints_of
from batcher.edges.checkpoint import Reading, reading
from batcher.edges.checkpoint.facts import LENGTH, OUTPUT
from batcher.edges.checkpoint.places import folder_of, kept
from batcher.edges.ends import EndStore
from batcher.edges.records import reading as reading_records
from batcher.model import Record, Status
from batcher.rules.doubts.control import Control
from batcher.rules.ends.followed import Followed
from batcher.rules.service.clock import posix

BLOCK = 5000
"""The most starts that are taken in at a time."""
READ = "read "
"""What the name of a fact begins with that has the number of bytes read of an output."""


@dataclass(slots=True)
class Starts:
    """The starts of the job at `path`, a checkpoint or a run folder."""

    path: Path
    store: EndStore
    warn: Callable[[str], None]
    controls: Sequence[Control] = ()
    """Starts of the job that were answered, from all of its checkpoints."""
    _may_grow: bool = True
    _missing: set[Path] = field(default_factory=set)

    def renew(self) -> bool:
        """Take in what was recorded since. Return whether a run may record more. Raises what opening a file raises."""
        if self._may_grow:
            runs: list[bool] = []
            controls: list[Control] = []
            started = 0
            for checkpoint in checkpoints_of(self.path):
                with reading(checkpoint) as seen:
                    runs.append(seen.running)
                    controls += seen.controls()
                    self._read_outputs(seen)
                    started += seen.count()[Status.STARTED]
            self.controls = controls
            self._may_grow = any(runs)
            if not self._may_grow and len(self.store) < started:
                self._read_checkpoints()
        return self._may_grow

    def complete(self) -> None:
        """Take in every start, also those that no output has a record of. Raises what opening a file raises."""
        self.renew()
        started = 0
        for checkpoint in checkpoints_of(self.path):
            with reading(checkpoint) as seen:
                started += seen.count()[Status.STARTED]
        if len(self.store) < started:
            self._read_checkpoints()

    def _read_outputs(self, seen: Reading) -> None:
        """Read the outputs of a checkpoint on, from where they were read to before."""
        folder, home = folder_of(seen.path), folder_of(self.path / "x" if self.path.is_dir() else self.path)
        facts, last = self.store.facts(), str(seen.facts.get(OUTPUT, ""))
        names = [name.removeprefix(LENGTH) for name in seen.facts if name.startswith(LENGTH)]
        for name in sorted(names, key=lambda name: name == last):
            path = folder / name
            if not path.exists():
                if path not in self._missing:
                    self.warn(f"{path}: this output is missing, and so are its records")
                    self._missing.add(path)
                continue
            place = READ + kept(path, home)
            begin = int(facts.get(place, 0))
            for block, end in _blocks(path, int(seen.facts[LENGTH + name]), begin):
                self.store.commit(block, facts={place: end})

    def _read_checkpoints(self) -> None:
        """Take in the starts that no output has a record of. Of these, neither the object nor the time is known."""
        for checkpoint in checkpoints_of(self.path):
            with reading(checkpoint) as seen:
                block: list[Followed] = []
                for each in seen.standings():
                    if each.status is Status.STARTED and each.execution:
                        block.append(Followed(each.execution, each.number, None, None, 0.0))
                    if len(block) == BLOCK:
                        self.store.commit(block)
                        block = []
                self.store.commit(block)


def _blocks(path: Path, known_length: int, begin: int) -> Iterator[tuple[list[Followed], int]]:
    """Yield the starts in an output from a place on, in blocks, each with the place where its records end."""
    if path.stat().st_size < begin:
        # It was moved away and begun anew.
        begin = 0
    block: list[Followed] = []
    at = 0.0
    with reading_records(path, known_length) as records:
        records.begin = begin
        for _, record in records:
            start = followed(record, at)
            if start is not None:
                # Records are nearly in the order of the starts: an unreadable time is about that of the one before.
                at = start.at
                block.append(start)
            if len(block) == BLOCK:
                yield block, records.end
                block = []
        if records.end > begin:
            yield block, records.end


def followed(record: Record, before: float = 0.0) -> Followed | None:
    """Return the start in a record, None if it has none. Its time is `before` if it cannot be read."""
    if record.status is not Status.STARTED or not record.execution_name:
        return None
    at = posix(record.started_at or "") or before
    return Followed(record.execution_name, record.row, record.bucket, record.object, at)
