"""The rows of a manifest that failed, written as the next manifest with their reasons."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from batcher.app.cell_types import parameters_of_types
from batcher.app.ends import executions_named
from batcher.app.history import batches
from batcher.app.voice import say, warn
from batcher.edges.manifest import (
    WRITTEN_FORMATS,
    AnyManifest,
    Choice,
    Written,
    open_manifest,
    written_entries,
)
from batcher.edges.scratch import Scratch, scratch
from batcher.edges.whole_file import whole_file
from batcher.errors import UsageError
from batcher.model import BadRow, Row, Status
from batcher.rules.choices import Failure
from batcher.rules.ends import summary
from batcher.rules.records.standing import Truth
from batcher.rules.report import next_commands
from batcher.rules.report.next_commands import Job
from batcher.rules.rows.next_manifest import Reason, Table, json_entry
from batcher.rules.text import counted

_SUFFIXES = {".csv": ",", ".tsv": "\t", ".jsonl": None, ".ndjson": None}
"""The suffixes of the file: a table with this delimiter, or (None) JSON Lines."""


_ROW_COLUMNS = ("bucket", "object", "inputs")
"""The columns of rows whose entries cannot be copied to another file as they are."""


Encode = Callable[[Written, Reason], bytes]


def require_fitting(output: Path, format_: str) -> None:
    """Check that the file can hold the columns of the manifest. Raises UsageError."""
    suffix = output.suffix.lower()
    fitting = [each for each, delimiter in _SUFFIXES.items() if (delimiter is None) == (format_ == "jsonl")]
    if suffix not in fitting:
        raise UsageError(
            f"{output}: a {format_} manifest cannot be written there", f"Name a file with {' or '.join(fitting)}."
        )


class Chosen(NamedTuple):
    """Which rows are written, and the command that runs them."""

    reasons: Iterator[tuple[bytes, Reason]]
    """The reason of each row by the row's key."""
    none: str
    """What is said if there are none."""
    run: Callable[..., str]
    """Returns the command that runs them: of the job, the file, and more words."""
    more: tuple[str, ...] = ()


def not_started(truths: Iterator[Truth]) -> Chosen:
    """Choose the rows of a job, of all its shards, that are rejected or invalid."""
    return Chosen(_rejected(truths), "no row is rejected or invalid", next_commands.run_side, ("--retry-rejected",))


def _rejected(truths: Iterator[Truth]) -> Iterator[tuple[bytes, Reason]]:
    for standing, status, record in truths:
        if status in {Status.REJECTED, Status.INVALID}:
            error = record.error if record and record.error else {"code": "", "message": ""}
            yield standing.key, Reason(error["code"], error["message"])


def ended(job: Path, truths: Iterator[Truth]) -> Chosen:
    """Choose the rows of a job, of all its shards, whose executions have failed, as its watch has found."""
    return Chosen(_failed(job, truths), "no execution is known to have failed", next_commands.run_anew)


def _failed(job: Path, truths: Iterator[Truth]) -> Iterator[tuple[bytes, Reason]]:
    for batch in batches(truths):
        started = {each.standing.execution: each.standing.key for each in batch if each.status is Status.STARTED}
        for name, known in executions_named(job, list(started)).items():
            if known.end in set(Failure):
                yield started[name], Reason(known.end, summary.cause_of(known))


class Failures(NamedTuple):
    """Copies the chosen rows of a job from its manifest to a file."""

    chosen: Chosen
    job: Job
    manifest: Path
    format: str
    output: Path

    def write(self) -> None:
        """Write the file, and report what is in it."""
        with scratch() as failed:
            failed.add((key, orjson.dumps([*reason])) for key, reason in self.chosen.reasons)
            count = len(failed)
            if not count:
                say(f"{self.chosen.none}: {self.output} is not written")
                return
            # What was skipped cannot have failed.
            everything = Choice(keep_placeholders=True)
            more = [*self.chosen.more]
            with whole_file(self.output) as file, open_manifest(self.manifest, self.format, everything) as manifest:
                header, encode = self._encoding(manifest)
                file.write(header)
                for row, entry, reason in self._again(manifest, failed):
                    file.write(encode(entry, reason))
                    if row.object.endswith("/") and len(more) == len(self.chosen.more):
                        more.append("--keep-placeholders")
            left = len(failed)
        say(f"{self.output}: {counted(count - left, 'row')}")
        if left:
            warn(f"{counted(left, 'row')} that failed, but no longer in {self.manifest}")
        say(f"next, after fixing it: {self.chosen.run(self.job, str(self.output), *more)}")

    def _encoding(self, manifest: AnyManifest) -> tuple[bytes, Encode]:
        """Return the beginning of the file, and the function that encodes an entry."""
        delimiter = _SUFFIXES[self.output.suffix.lower()]
        if delimiter is None:
            return b"", lambda entry, reason: json_entry(entry.text, reason)
        columns = (manifest.header or ["object"]) if self.format in WRITTEN_FORMATS else _ROW_COLUMNS
        table = Table(columns, delimiter)
        return table.header, lambda entry, reason: table.entry(entry.text, entry.cells, reason)

    def _again(self, manifest: AnyManifest, failed: Scratch) -> Iterator[tuple[Row | BadRow, Written, Reason]]:
        """Read the manifest as the job does, and yield the entry of each failed row once."""
        card = self.job.card
        parameters = parameters_of_types(card.cell_types or {})
        blocks = manifest.blocks(bucket=card.bucket, static_inputs=card.inputs, parameters=parameters)
        entries = written_entries(self.manifest, self.format) if self.format in WRITTEN_FORMATS else None
        for row in itertools.chain.from_iterable(blocks):
            found = failed.find(row.key)
            if found:
                place, reason = found[0]
                failed.remove(row.key, place)
                entry = next(each for each in entries if each.line == row.line) if entries else _written_row(row)
                yield row, entry, Reason(*orjson.loads(bytes(reason)))


def _written_row(row: Row | BadRow) -> Written:
    """Return a row with the cells of _ROW_COLUMNS. A bad row has none: without its fault it would be another row."""
    if isinstance(row, BadRow):
        return Written(row.line, f"{row.bucket}/{row.object}")
    return Written(row.line, "", [row.bucket, row.object, row.inputs.decode()])
