"""Manifests that are an OBS inventory: CSV files with one object per line and percent-encoded object names.

Columns: https://support.huaweicloud.com/intl/zh-cn/my-kualalumpur-1-usermanual-obs/obs_03_0083.html. A start names no
version, so only the latest version of an object can be a row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import hexdigits
from types import TracebackType
from typing import NamedTuple, Self

from msgspec import structs

from batcher.edges.manifest.inventory_files import files_of, header_of
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.skipped import DELETE_MARKER, HEADER, OLD_VERSION, OTHER_CLASS, Choice, Skipped
from batcher.edges.manifest.source import LOOK, Source
from batcher.errors import ManifestError
from batcher.model import BadRow, Json, Mark, Parameter, Row
from batcher.rules.rows.plain_rows import Block
from batcher.rules.text import counted

BLOCK = 1024
"""The maximum number of rows in a block."""

_CHUNK = 32 * 1024
_BYTES = {high + low: bytes([int(high + low, 16)]) for high in hexdigits for low in hexdigits}
"""The two hexadecimal digits after a % in an encoded name, and the byte they stand for."""
_HEADINGS = frozenset({"Bucket", "bucket", "BUCKET"})
_PLUS_NOTE = "a + in an object name is read as a plus sign; if no such object exists, it stands for a space"
_NO_COLUMNS_ADVICE = "Give the manifest.json that OBS wrote for the inventory, or put it beside the file."


class Columns(NamedTuple):
    """The index of each column that is used; None for one that the inventory does not have."""

    width: int
    bucket: int
    key: int
    latest: int | None
    delete_marker: int | None
    storage_class: int | None


def open_inventory(path: Path | None, choice: Choice) -> Inventory:
    """Open the inventory of a manifest.json, or one of its CSV files. Raises ManifestError."""
    paths, schema = files_of(path)
    sources: list[Source] = []
    try:
        sources += [Source(each, lone_cr=False) for each in paths]
        return Inventory(sources, schema, choice)
    except BaseException:
        for source in sources:
            source.close()
        raise


class Inventory:
    """An open inventory. Read it once with `blocks`, then close it, or use it in a `with` statement."""

    header: Sequence[str] = ()
    """An inventory has no user-defined columns."""
    has_inputs = False
    header_lines = 0

    def __init__(self, sources: Sequence[Source], schema: Sequence[str], choice: Choice) -> None:
        self._sources = sources
        self._schema = schema
        self._classes = choice.storage_classes
        self._skipped = Skipped(choice)
        self.ignored = Ignored()
        """The names that are not used: none, since what the columns are is known."""
        self._rows: Rows | None = None
        self.lines: int | None = None
        """The number of lines of all files, known after `check`; always None for standard input."""
        self.lines_before = 0
        """The number of lines of the files before the current one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; standard input stays open."""
        for source in self._sources:
            source.close()

    @property
    def warnings(self) -> list[str]:
        """Messages about what has been skipped so far."""
        return self._skipped.sentences("inventory")

    @property
    def first_unnamed(self) -> int | None:
        """The number of the first row read so far that has the default bucket, since it names none."""
        return None if self._rows is None else self._rows.first_unnamed

    @property
    def skipped(self) -> Mapping[str, int]:
        """The number of entries skipped so far, by kind."""
        return self._skipped.counts

    def check(self, _read: Mark | None = None) -> None:
        """Read all files once, if they can be read again. Raises ManifestError if one cannot be used."""
        for each in self._sources:
            if each.size is None:
                continue
            source = Source(each.path, lone_cr=False)
            try:
                for _ in source.texts(LOOK):
                    pass
                self.lines = source.lines + (self.lines or 0)
            finally:
                source.close()

    def change(self) -> ManifestError | None:
        """Return the error for a file that was changed since it was opened, None if none was."""
        return next(filter(None, (source.change() for source in self._sources)), None)

    def enter(self, _mark: Mark) -> bool:
        """Return False, so that reading begins at the beginning: an inventory has no marks."""
        return False

    def mark(self, _rows: int) -> None:
        """Return None: an inventory has no marks."""

    def blocks(
        self,
        *,
        bucket: str | None = None,
        static_inputs: Mapping[str, Json] | None = None,
        parameters: Mapping[str, Parameter] | None = None,  # noqa: ARG002 - rows of an inventory have no inputs
    ) -> Iterator[Block]:
        """Read the rows in blocks of at most 1,024, file by file.

        `bucket` is used for lines without one. `static_inputs` are the inputs of every row. Raises ManifestError while
        reading, for what `check` finds and for a file without column names.
        """
        rows = self._rows = Rows(bucket, static_inputs or {}, 0)
        for source in self._sources:
            for made in self._read(source, rows):
                for first in range(0, len(made), BLOCK):
                    yield made[first : first + BLOCK]

    def _read(self, source: Source, rows: Rows) -> Iterator[Block]:
        columns: Columns | None = None
        line = 0
        for text in source.texts(_CHUNK):
            made: list[Row | BadRow] = []
            # Names are percent-encoded, so that a line contains no line break.
            for entry in text.split("\n"):
                line += 1
                entry_ = entry.removesuffix("\r")
                if columns is None and entry_:
                    named = header_of(entry_)
                    columns = self._columns(named or self._schema, source.name)
                    if named is not None:
                        continue
                if (
                    columns is not None
                    and entry_
                    and (row := self._row(line, entry_, columns, rows, source)) is not None
                ):
                    made.append(row)
            # The text after the last newline is not a complete line yet.
            line -= 1
            yield made
        self.lines_before += source.lines

    def _columns(self, names: Sequence[str], name: str) -> Columns:
        where = {heading.lower(): index for index, heading in enumerate(names)}
        if "bucket" not in where or "key" not in where:
            raise ManifestError(f"{name}: the inventory has no column names", _NO_COLUMNS_ADVICE)
        if self._classes and "storageclass" not in where:
            raise ManifestError(f"{name}: the inventory has no storage classes", "Remove --storage-class.")
        optional = (where.get(heading) for heading in ("islatest", "isdeletemarker", "storageclass"))
        return Columns(len(names), where["bucket"], where["key"], *optional)

    def _row(self, line: int, entry: str, columns: Columns, rows: Rows, source: Source) -> Row | BadRow | None:
        """Make a row from a line. Return None if the line is skipped."""
        bucket = key = ""
        try:
            cells = _cells(entry, columns.width)
            bucket, key = cells[columns.bucket], self._decoded(cells[columns.key])
            if bucket in _HEADINGS and self._is_header(line, entry, columns, source):
                return None
            if self._is_skipped(cells, key, columns):
                return None
            return rows.row(line, bucket, key)
        except (ValueError, csv.Error) as fault:
            bad = rows.bad(line, bucket, key, fault, entry)
            return structs.replace(bad, reason=f"{source.name}, {bad.reason}") if len(self._sources) > 1 else bad

    def _is_header(self, line: int, entry: str, columns: Columns, source: Source) -> bool:
        """Return whether a line is the header again, as in joined files. Raises ManifestError for another header."""
        named = header_of(entry)
        if named is None:
            return False
        if self._columns(named, source.name) != columns:
            raise ManifestError(
                f"{source.name}, line {line}: another header, with the columns {', '.join(named)}",
                "Rows with other columns must be in a file of their own.",
            )
        self._skipped.counts[HEADER] += 1
        return True

    def _is_skipped(self, cells: Sequence[str], key: str, columns: Columns) -> bool:
        kind = ""
        if columns.delete_marker is not None and cells[columns.delete_marker].lower() == "true":
            kind = DELETE_MARKER
        elif columns.latest is not None and cells[columns.latest].lower() == "false":
            kind = OLD_VERSION
        elif columns.storage_class is not None and self._classes:
            kind = "" if cells[columns.storage_class].upper() in self._classes else OTHER_CLASS
        if kind:
            self._skipped.counts[kind] += 1
        return bool(kind) or self._skipped.is_placeholder(key)

    def _decoded(self, key: str) -> str:
        """Decode an object name. Whether a + may stand for a space is not documented."""
        if "+" in key:
            self._skipped.note(_PLUS_NOTE)
        if "%" not in key:
            return key
        # Takes a third of the time of the standard library's function, which also accepts invalid escapes.
        first, *escaped = key.split("%")
        try:
            return (first.encode() + b"".join([_BYTES[each[:2]] + each[2:].encode() for each in escaped])).decode()
        except (KeyError, UnicodeDecodeError):
            raise ValueError("object: not percent-encoded UTF-8, which names in an inventory must be") from None


def _cells(entry: str, width: int) -> Sequence[str]:
    """Split a line into its cells. Raises ValueError or csv.Error."""
    cells = entry.split(",") if '"' not in entry else next(csv.reader([entry], strict=True))
    if len(cells) != width:
        raise ValueError(f"{counted(len(cells), 'cell')}, but the inventory has {counted(width, 'column')}")
    return cells
