"""A text manifest as the job uses it: opened, checked, then read once in blocks of rows.

Opening and checking find errors that make the whole manifest unusable, before anything is sent. An error in one row
affects that row only, and reading continues.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from batcher.edges.manifest.json_array import ArrayReader
from batcher.edges.manifest.lines import LineReader, json_row, key_row, only_lines, plain_json, plain_keys
from batcher.edges.manifest.obsutil import ObsutilReader
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.skipped import Choice, Skipped
from batcher.edges.manifest.source import LINES, LOOK, OBJECTS, Source
from batcher.edges.manifest.strays import Strays
from batcher.edges.manifest.table import DELIMITERS, TableReader, columns_of
from batcher.errors import ManifestError
from batcher.model import BEGINNING, Json, Mark, Parameter
from batcher.rules.rows.plain_rows import Block, PlainRows

BLOCK = 1024
"""The maximum number of rows in a block."""
CHUNK = 32 * 1024
"""The number of bytes to read at a time, and the distance between marks."""


_JSON = frozenset({"json", "jsonl"})
"""Formats whose entries are JSON objects."""

_LINED = frozenset({*DELIMITERS, "jsonl", "txt"})
"""Formats in which no line says anything about the whole file, except the first ones."""

_Reader: TypeAlias = TableReader | LineReader | ArrayReader


def _source(path: Path | None, format_: str, *, is_digested: bool = True) -> Source:
    cut = OBJECTS if format_ == "json" else LINES
    return Source(path, lone_cr=format_ in DELIMITERS, cut=cut, is_digested=is_digested)


def open_text(path: Path | None, format_: str, choice: Choice, chunk: int = CHUNK) -> Manifest:
    """Open a text manifest, or standard input if `path` is None, and read its header if its format has one.

    `chunk` is the number of bytes to read at a time. For a table in a pipe this waits until the header has arrived.
    Raises ManifestError if the manifest cannot be read, is empty, or has no usable header.
    """
    source = _source(path, format_)
    try:
        return Manifest(source, format_, choice, chunk)
    except BaseException:
        source.close()
        raise


class Manifest:
    """An open manifest. Read it once with `blocks`, then close it, or use it in a `with` statement."""

    lines_before = 0
    """The number of lines of earlier files: none, because there is only one file."""

    def __init__(self, source: Source, format_: str, choice: Choice, chunk: int) -> None:
        self._source = source
        self._chunk = chunk
        self._format = format_
        self._choice = choice
        self._skipped = Skipped(choice)
        self._left_out = choice.ignored_columns
        self.ignored = Ignored(self._left_out)
        """The names that are not used."""
        self._digest = sha256()
        self._known = 0, self._digest.copy()
        """How many bytes at the beginning were digested last, and their digest."""
        self._thread: ThreadPoolExecutor | None = None
        self._begun: Future[None] | None = None
        """The check that was begun in this thread."""
        self._is_open = True
        self._begin = BEGINNING
        self._marks: deque[Mark] = deque()
        self._texts = source.texts(self._chunk, self._digest if choice.has_marks else None)
        self._table: TableReader | None = None
        self._rows: Rows | None = None
        self.header: list[str] = []
        """The column names of a table."""
        self.lines: int | None = None
        """The number of lines of the file, known after `check`; always None for standard input and pipes."""
        if format_ in DELIMITERS:
            self._table = self._table_reader()
            self.header = self._table.header(self._texts)

    def _table_reader(self) -> TableReader:
        return TableReader(DELIMITERS[self._format], self._source.name, self._begin.line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open. A check that was begun ends before."""
        self._is_open = False
        if self._thread is not None:
            self._thread.shutdown()
        self._source.close()

    def _goes_on(self, *_: object) -> bool:
        return self._is_open

    @property
    def header_lines(self) -> int:
        """The number of lines that name the columns."""
        return 0 if self._table is None else 1

    @property
    def warnings(self) -> list[str]:
        """Messages about what has been ignored or skipped so far."""
        return self.ignored.sentences(self._source.name) + self._skipped.sentences(self._source.name)

    @property
    def first_unnamed(self) -> int | None:
        """The number of the first row read so far that has the default bucket, since it names none."""
        return None if self._rows is None else self._rows.first_unnamed

    @property
    def skipped(self) -> Mapping[str, int]:
        """The number of entries skipped so far, by kind."""
        return self._skipped.counts

    @property
    def is_readable_again(self) -> bool:
        """Whether this is a file, which can be read once more."""
        return self._source.size is not None

    @property
    def has_inputs(self) -> bool:
        """Whether rows may have their own inputs regardless of the header."""
        return self._format in _JSON

    def begin_check(self, read: Callable[[], Mark | None]) -> None:
        """Begin `check` in a thread, with what `read` returns there. `check` waits for it and raises its errors."""
        self._thread = ThreadPoolExecutor(1, "look")
        self._begun = self._thread.submit(lambda: self._look_through(read()))
        # The thread ends with the check.
        self._thread.shutdown(wait=False)

    def check(self, read: Mark | None = None) -> None:
        """Read and decode the whole file once, if it can be read again, and note what is known of it as a whole.

        `read` may be a mark of an earlier reading in this format. If the bytes before it are unchanged, they were
        decoded then, and only what follows them is read here. Raises ManifestError for an encoding other than UTF-8, a
        damaged gzip file or an endless line, for JSON of another shape, and for a list of obsutil that cannot be used.
        """
        if self._begun is None:
            self._look_through(read)
        else:
            self._begun.result()

    def _look_through(self, read: Mark | None) -> None:
        if self._source.size is None or (read is not None and self._is_read_before(read)):
            return
        # A digest costs half of the time, and is needed only where an error may be due to a change.
        source = _source(self._source.path, self._format, is_digested=False)
        try:
            self._check(source)
        except ManifestError:
            if not source.may_have_changed:
                raise
            self._check_digested()
        finally:
            source.close()

    def _check_digested(self) -> None:
        source = _source(self._source.path, self._format)
        try:
            self._check(source)
        except ManifestError:
            # Whether it was changed is decided when its rows are read.
            if source.change() is None:
                raise
        finally:
            source.close()

    def _is_read_before(self, mark: Mark) -> bool:
        """Check what follows a mark, if all before it is unchanged. Return False if the whole file must be checked."""
        # Of a list of obsutil, also earlier lines show whether it is whole.
        if self._format == "obsutil" or not self._is_unchanged(mark):
            return False
        source = _source(self._source.path, self._format, is_digested=False)
        try:
            if (source.size or 0) < mark.offset:
                return False
            source.pass_over(mark.offset, mark.line, None)
            self._check(source, mark)
        except ManifestError:
            # The check of the whole file says what is wrong, also if it was changed meanwhile.
            return False
        finally:
            source.close()
        return True

    def _is_unchanged(self, mark: Mark) -> bool:
        """Return whether the bytes before a mark have its digest, as far as is known by now."""
        length, digest = self._known
        if length != mark.offset or self._source.may_have_changed:
            digest = self._source.digest(mark.offset, self._goes_on)
            self._known = mark.offset, digest
        return digest.hexdigest() == mark.digest

    def _check(self, source: Source, mark: Mark = BEGINNING) -> None:
        """Read what follows a mark."""
        entries = mark.rows + mark.elsewhere
        if self._format in _LINED:
            self._check_lines(source, mark)
        else:
            entries += sum(1 for _ in self._examined(takewhile(self._goes_on, source.texts(LOOK)), mark))
        # Where several entries share a line, lines say nothing about the number of rows.
        self.lines = None if self._format == "json" and entries > source.lines else source.lines

    def _check_lines(self, source: Source, mark: Mark) -> None:
        texts = source.texts(LOOK)
        if self._format == "jsonl" and mark == BEGINNING:
            texts = only_lines(texts, source.name)
        # The first piece shows what the file is. Of the others, only what is wrong with one is of interest.
        if not next(texts, "\n").isspace() and source.skim(self._goes_on):
            texts = source.texts(LOOK)
        for _ in takewhile(self._goes_on, texts):
            pass

    def _examined(self, texts: Iterable[str], mark: Mark) -> Iterable[object]:
        """Return an iterator that reads the texts after a mark, and looks for what makes them unusable as a whole.

        Of a JSON array it has one item per object.
        """
        name = self._source.name
        if self._format == "json":
            return ArrayReader(mark.line, name, is_resumed=mark != BEGINNING).objects(texts)
        if self._format == "obsutil":
            skipped = Skipped(self._choice)
            self._skipped.notes = skipped.notes
            return ObsutilReader(1, Rows(None, {}, 0), skipped, name).listed(texts)
        return texts

    def change(self) -> ManifestError | None:
        """Return the error for a plain file that was changed since it was opened, None if it was not."""
        return self._source.change()

    def enter(self, mark: Mark) -> bool:
        """Start reading at a mark from an earlier reading, if all bytes before it are unchanged.

        Return False if they have changed, or if this is not a plain file. Then reading begins at the beginning.
        """
        if self._source.size is None or self._source.is_zipped:
            return False
        if not self._is_unchanged(mark):
            return False
        digest = self._known[1].copy()
        self._source.pass_over(mark.offset, mark.line, digest)
        self._begin, self._digest = mark, digest
        self._texts = self._source.texts(self._chunk, digest)
        if self._table is not None:
            self._table = self._table_reader()
        return True

    def mark(self, rows: int) -> Mark | None:
        """Return the last new mark at or before this number of rows; None if there is none."""
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
    ) -> Iterator[Block]:
        """Read the rows in blocks of at most 1,024, or fewer if no whole line is left in what has arrived.

        `bucket` is used for rows without one. `static_inputs` are the inputs of every row; a row's own inputs override
        them. `parameters` are the workflow's: a cell is converted to its parameter's type, and is text otherwise.
        Raises ManifestError: at once if two columns are the same input, while reading for what `check` finds.
        """
        rows = self._rows = Rows(bucket, static_inputs or {}, self._begin.rows)
        reader, arrived = self._read(rows, parameters or {})
        return self._skipped.without_placeholders(self._blocks(reader, arrived, rows))

    def _read(self, rows: Rows, parameters: Mapping[str, Parameter]) -> tuple[_Reader, Iterable[Block]]:
        """Return what splits the text into entries, and the rows of each text."""
        texts, name, line, is_resumed = self._texts, self._source.name, self._begin.line, self._begin != BEGINNING
        if self._table is not None:
            columns = columns_of(self.header, parameters, self.ignored, name, self._left_out)
            strays = Strays(self.header, DELIMITERS[self._format], self._skipped, name)
            return self._table, self._table.rows(texts, columns, rows, strays)
        if self._format == "obsutil":
            obsutil = ObsutilReader(line, rows, self._skipped, name, is_resumed=is_resumed)
            return obsutil, obsutil.listed(texts)
        if self._format == "json":
            array = ArrayReader(line, name, is_resumed=is_resumed)
            return array, array.rows(texts, json_row(rows, self.ignored))
        lines = LineReader(line)
        if self._format == "jsonl":
            texts = texts if is_resumed else only_lines(texts, name)
            return lines, lines.rows(texts, json_row(rows, self.ignored), plain_json(rows, self.ignored))
        return lines, lines.rows(texts, key_row(rows), plain_keys(rows))

    def _blocks(self, reader: _Reader, arrived: Iterable[Block], rows: Rows) -> Iterator[Block]:
        """Split what arrives into blocks, and set a mark after each whole part of a file that allows marks."""
        for batch in arrived:
            source = self._source
            is_markable = self._choice.has_marks and source.size is not None and not source.is_zipped
            if is_markable and reader.is_whole and source.is_at_cut:
                self._marks.append(Mark(rows.count, reader.line, source.given, self._digest.hexdigest()))
            for first in range(0, len(batch), BLOCK):
                last = first + BLOCK
                yield batch.part(first, last) if isinstance(batch, PlainRows) else batch[first:last]
