"""A manifest of text as the job sees it: opened, checked, then read once in blocks of rows.

Opening and checking find what makes the whole manifest unusable, before anything is sent; what is wrong with one row
is that row's own affair, and reading goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from batcher.edges.manifest.lines import json_rows, text_rows
from batcher.edges.manifest.obsutil import obsutil_rows
from batcher.edges.manifest.rows import Ignored, Rows, Stream
from batcher.edges.manifest.skipped import Choice, Skipped
from batcher.edges.manifest.source import Source
from batcher.edges.manifest.table import columns_of, entries, header_of, table_rows
from batcher.model import BadRow, Json, Parameter, Row

BLOCK = 1024
"""The most rows of a block."""

_DELIMITERS = {"csv": ",", "tsv": "\t"}
_CHECK_CHUNK = 1024 * 1024


def open_text(path: Path | None, format_: str, choice: Choice) -> Manifest:
    """Open a manifest that is text, standard input where `path` is None, and read its header if its format has one.

    For a table in a pipe this waits until the header has come.
    Raises ManifestError for one that cannot be read, is empty, or has no usable header.
    """
    source = Source(path, lone_cr=format_ in _DELIMITERS)
    try:
        return Manifest(source, format_, choice)
    except BaseException:
        source.close()
        raise


class Manifest:
    """An open manifest. Read it once, with `blocks`; close it, or use it in a `with`."""

    def __init__(self, source: Source, format_: str, choice: Choice) -> None:
        self._source = source
        self._format = format_
        self._skipped = Skipped(choice)
        self._ignored = Ignored()
        self._texts = source.texts()
        self.header: list[str] = []
        """The names of the columns, for a table."""
        if format_ in _DELIMITERS:
            delimiter = _DELIMITERS[format_]
            self._entries = entries(self._texts, delimiter, source.name)
            self.header = header_of(self._entries, delimiter, source.name)

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
    def size(self) -> int | None:
        """The bytes of the file, None where that is not known: for standard input and pipes."""
        return self._source.size

    @property
    def position(self) -> int:
        """The bytes read so far, compressed as they are: how far it is to `size`."""
        return self._source.position

    @property
    def warnings(self) -> list[str]:
        """Sentences on what of the manifest is not used, as far as it has been read."""
        return self._ignored.sentences(self._source.name) + self._skipped.sentences(self._source.name)

    @property
    def skipped(self) -> Mapping[str, int]:
        """What was skipped as no row so far, by its kind."""
        return self._skipped.counts

    @property
    def has_inputs(self) -> bool:
        """Whether its rows may have inputs of their own, whatever its header says."""
        return self._format == "jsonl"

    def check(self) -> None:
        """Read the whole file once, if it is one that can be read again, and decode it.

        Raises ManifestError for another encoding than UTF-8, a damaged gzip or a line without end.
        """
        if self._source.size is None:
            return
        source = Source(self._source.path, lone_cr=self._format in _DELIMITERS)
        try:
            for _ in source.texts(_CHECK_CHUNK):
                pass
        finally:
            source.close()

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
        rows = Rows(bucket, static_inputs or {})
        stream: Stream
        if self._format in _DELIMITERS:
            columns = columns_of(self.header, parameters or {}, self._ignored, self._source.name)
            stream = table_rows(self._entries, columns, rows)
        elif self._format == "jsonl":
            stream = json_rows(self._texts, rows, self._ignored)
        elif self._format == "obsutil":
            stream = obsutil_rows(self._texts, rows, self._skipped, self._source.name)
        else:
            stream = text_rows(self._texts, rows)
        return self._skipped.without_placeholders(_blocks(stream))


def _blocks(stream: Stream) -> Iterator[list[Row | BadRow]]:
    block: list[Row | BadRow] = []
    for row in stream:
        if row is not None:
            block.append(row)
        if block and (row is None or len(block) == BLOCK):
            yield block
            block = []
    if block:
        yield block
