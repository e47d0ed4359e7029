"""The manifest as the job sees it: opened, checked, then read once in blocks of rows.

Opening and checking find what makes the whole manifest unusable, before anything is sent; what is wrong with one row
is that row's own affair, and reading goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from batcher.edges.manifest.lines import json_rows, text_rows
from batcher.edges.manifest.rows import Ignored, Rows, Stream
from batcher.edges.manifest.source import Source
from batcher.edges.manifest.table import DELIMITERS, columns_of, entries, header_of, table_rows
from batcher.model import BadRow, Json, Parameter, Row, UsageError

FORMATS = ("csv", "tsv", "jsonl", "txt")
BLOCK = 1024
"""The most rows of a block."""

_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt"}
_CHECK_CHUNK = 1024 * 1024


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
    source = Source(path, lone_cr=format_ in DELIMITERS)
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
        self._texts = source.texts()
        self.header: list[str] = []
        """The names of the columns, for a table."""
        if format_ in DELIMITERS:
            delimiter = DELIMITERS[format_]
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
        return self._ignored.sentences(self._source.name)

    def check(self) -> None:
        """Read the whole file once, if it is one that can be read again, and decode it.

        Raises ManifestError for another encoding than UTF-8, a damaged gzip or a line without end.
        """
        if self._source.size is None:
            return
        source = Source(self._source.path, lone_cr=self._format in DELIMITERS)
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
        if self._format in DELIMITERS:
            columns = columns_of(self.header, parameters or {}, self._ignored, self._source.name)
            stream = table_rows(self._entries, columns, rows)
        elif self._format == "jsonl":
            stream = json_rows(self._texts, rows, self._ignored)
        else:
            stream = text_rows(self._texts, rows)
        return _blocks(stream)


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
