"""The manifest as the job sees it: opened, checked, then read once in blocks of rows.

Opening and checking find what makes the whole manifest unusable, before anything is sent; what is wrong with one row
is that row's own affair, and reading goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from batcher.edges.manifest.lines import LineReader, json_row, key_row
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.source import Source
from batcher.edges.manifest.table import TableReader, columns_of
from batcher.model import BEGINNING, BadRow, Json, Mark, Parameter, Row, UsageError

FORMATS = ("csv", "tsv", "jsonl", "txt")
BLOCK = 1024
"""The most rows of a block."""
CHUNK = 32 * 1024
"""So many bytes are read at a time, and so far apart are the marks."""

_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt"}
_DELIMITERS = {"csv": ",", "tsv": "\t"}


def format_of(path: Path | None, given: str | None) -> str:
    """Give the format asked for, else the one by the name's suffix, `.gz` aside. Raises UsageError if none is known."""
    if given is not None:
        return given
    if path is None:
        raise UsageError("standard input has no suffix that tells its format", f"Give --format: {', '.join(FORMATS)}.")
    name = path.name.lower().removesuffix(".gz")
    format_ = _SUFFIXES.get(Path(name).suffix)
    if format_ is None:
        raise UsageError(
            f"{path}: its suffix does not tell its format",
            f"Give --format {', '.join(FORMATS)}; known suffixes are {' '.join(_SUFFIXES)}, also with .gz.",
        )
    return format_


def open_manifest(path: Path | None, format_: str) -> Manifest:
    """Open a manifest, standard input where `path` is None, and read its header if its format has one.

    For a table in a pipe this waits until the header has come.
    Raises ManifestError for one that cannot be read, is empty, or has no usable header.
    """
    source = Source(path, lone_cr=format_ in _DELIMITERS)
    try:
        return Manifest(source, format_)
    except BaseException:
        source.close()
        raise


class Manifest:
    """An open manifest. Read it once, with `blocks`; close it, or use it in a `with`."""

    def __init__(self, source: Source, format_: str) -> None:
        self._source = source
        self._format = format_
        self._ignored = Ignored()
        self._digest = sha256()
        self._begin = BEGINNING
        self._marks: deque[Mark] = deque()
        self._texts = source.texts(CHUNK, self._digest)
        self._table: TableReader | None = None
        self.header: list[str] = []
        """The names of the columns, for a table."""
        self.lines: int | None = None
        """The lines of the file, known when it was checked; never for standard input and pipes."""
        if format_ in _DELIMITERS:
            self._table = self._table_reader()
            self.header = self._table.header(self._texts)

    def _table_reader(self) -> TableReader:
        return TableReader(_DELIMITERS[self._format], self._source.name, self._begin.line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._source.close()

    @property
    def warnings(self) -> list[str]:
        """Sentences on what of the manifest is not used, as far as it has been read."""
        return self._ignored.sentences(self._source.name)

    def check(self) -> None:
        """Read the whole file once, if it is one that can be read again, and decode it.

        Raises ManifestError for another encoding than UTF-8, a damaged gzip or a line without end.
        """
        if self._source.size is None:
            return
        source = Source(self._source.path, lone_cr=self._format in _DELIMITERS)
        try:
            for _ in source.texts(CHUNK):
                pass
            self.lines = source.lines
        finally:
            source.close()

    def enter(self, mark: Mark) -> bool:
        """Begin the reading at a mark that an earlier reading has given, if all bytes before it are what they were.

        Gives False where they are not, or where this is no plain file: then the reading begins at the beginning.
        """
        if self._source.size is None or self._source.is_zipped:
            return False
        digest = self._source.digest(mark.offset)
        if digest.hexdigest() != mark.digest:
            return False
        self._source.pass_over(mark.offset, mark.line)
        self._begin, self._digest = mark, digest
        self._texts = self._source.texts(CHUNK, digest)
        if self._table is not None:
            self._table = self._table_reader()
        return True

    def mark(self, rows: int) -> Mark | None:
        """Give the last mark that is not behind this number of rows and was not given before, None if there is none."""
        last = None
        while self._marks and self._marks[0].rows <= rows:
            last = self._marks.popleft()
        return last

    def blocks(
        self,
        *,
        bucket: str | None = None,
        static_inputs: Mapping[str, Json] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Iterator[list[Row | BadRow]]:
        """Read the rows in blocks of at most 1,024, sooner where no whole line is left of what has arrived.

        `bucket` is that of rows that name none, `static_inputs` are the inputs of every row unless it has its own,
        `parameters` are the workflow's: a cell is converted to its parameter's type, and stays text without.
        Raises ManifestError, at once where two columns are the same input, while reading for what `check` finds.
        """
        rows = Rows(bucket, static_inputs or {}, self._begin.rows)
        if self._table is not None:
            columns = columns_of(self.header, parameters or {}, self._ignored, self._source.name)
            return self._blocks(self._table, self._table.rows(self._texts, columns, rows), rows)
        make = json_row(rows, self._ignored) if self._format == "jsonl" else key_row(rows)
        reader = LineReader(self._begin.line)
        return self._blocks(reader, reader.rows(self._texts, make), rows)

    def _blocks(
        self, reader: TableReader | LineReader, arrived: Iterable[list[Row | BadRow]], rows: Rows
    ) -> Iterator[list[Row | BadRow]]:
        """Cut what arrives into blocks, and set a mark behind what is whole in a file that can be entered there."""
        for batch in arrived:
            source = self._source
            if reader.is_whole and source.is_between_lines and source.size is not None and not source.is_zipped:
                self._marks.append(Mark(rows.count, reader.line, source.given, self._digest.hexdigest()))
            for first in range(0, len(batch), BLOCK):
                yield batch[first : first + BLOCK]
