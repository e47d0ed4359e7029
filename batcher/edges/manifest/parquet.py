"""Manifests in Parquet: a table with the columns of a CSV manifest, whose cells have types of their own.

Read in batches, and of the columns only those that are used. What it takes is an extra: `pip install
'batcher[parquet]'`. A row's line is its number in the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.skipped import Choice, Skipped
from batcher.edges.manifest.table import Columns, columns_of
from batcher.errors import ManifestError, UsageError
from batcher.model import BadRow, Json, Mark, Parameter, Row
from batcher.rules.rows.values import json_object, require_exact, to_type

BLOCK = 1024
"""The most rows of a block."""

_EXTRA = "Install what it takes with pip install 'batcher[parquet]', or give the manifest as CSV or JSON Lines."


def open_parquet(path: Path | None, choice: Choice) -> ParquetManifest:
    """Open a Parquet file. Raises ManifestError where it is none or has no column `object`.

    Raises UsageError for standard input, which cannot be read from its end, and where the extra is not installed.
    """
    if path is None:
        raise UsageError("a Parquet manifest cannot be read from standard input", "Give the name of a file.")
    try:
        # Imported late: an extra, and a large one.
        from pyarrow import ArrowException  # noqa: PLC0415
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise UsageError(f"{path}: a Parquet manifest needs pyarrow, which is not installed", _EXTRA) from None
    try:
        # What the system has to say about a file, in its own words.
        path.open("rb").close()
        file = ParquetFile(path)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}", "Check the path of the manifest.") from None
    except ArrowException as error:
        raise ManifestError(f"{path}: no Parquet file: {error}", "Make or copy the manifest again.") from None
    try:
        return ParquetManifest(path, file, choice)
    except BaseException:
        file.close()
        raise


class ParquetManifest:
    """An open Parquet manifest. Read it once, with `blocks`; close it, or use it in a `with`."""

    has_inputs = False
    """Its header tells whether its rows have inputs."""
    lines_before = 0

    def __init__(self, path: Path, file: Any, choice: Choice) -> None:
        self._path = path
        self._file = file
        self._ignored = Ignored()
        self._skipped = Skipped(choice)
        self._rows: Rows | None = None
        self._done = 0
        self.header: list[str] = list(file.schema_arrow.names)
        self.lines: int | None = file.metadata.num_rows
        if "object" not in self.header or len(set(self.header)) < len(self.header):
            raise ManifestError(
                f'{path}: needs one column "object", and no name twice; the columns are {", ".join(self.header)}',
                "Name the column of the keys object, and as needed others bucket, inputs and inputs.NAME.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def warnings(self) -> list[str]:
        """Sentences on what of the manifest is not used, as far as it has been read."""
        return self._ignored.sentences(str(self._path)) + self._skipped.sentences(str(self._path))

    @property
    def first_unnamed(self) -> int | None:
        """The number of the first row read so far that has the default bucket, since it names none."""
        return None if self._rows is None else self._rows.first_unnamed

    @property
    def skipped(self) -> Mapping[str, int]:
        """What was skipped as no row so far, by its kind."""
        return self._skipped.counts

    def check(self) -> None:
        """Read the keys once. Raises ManifestError where the file is damaged."""
        for _ in self._batches(["object"]):
            pass

    def enter(self, _mark: Mark) -> bool:
        """Tell that the reading begins at the beginning: a Parquet file gives no marks."""
        return False

    def mark(self, _rows: int) -> None:
        """Give no mark."""

    def blocks(
        self,
        *,
        bucket: str | None = None,
        static_inputs: Mapping[str, Json] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Iterator[list[Row | BadRow]]:
        """Read the rows in blocks of at most 1,024.

        `bucket` is that of rows that name none, `static_inputs` are the inputs of every row unless it has its own,
        `parameters` are the workflow's: text is converted to its parameter's type, other cells keep theirs.
        Raises ManifestError, at once where two columns are the same input, while reading where the file is damaged.
        """
        columns = columns_of(self.header, parameters or {}, self._ignored, str(self._path))
        rows = self._rows = Rows(bucket, static_inputs or {}, 0)
        return self._skipped.without_placeholders(self._blocks(columns, rows))

    def _blocks(self, columns: Columns, rows: Rows) -> Iterator[list[Row | BadRow]]:
        places = [columns.bucket, columns.key, columns.inputs, *(column.at for column in columns.named)]
        used = [self.header[at] for at in places if at is not None]
        for batch in self._batches(used):
            cells = {name: batch.column(name).to_pylist() for name in used}
            lines = range(self._done + 1, self._done + batch.num_rows + 1)
            values = zip(
                *(cells[self.header[at]] if at is not None else [None] * len(lines) for at in places), strict=True
            )
            self._done += batch.num_rows
            yield [_row(line, value, columns, rows) for line, value in zip(lines, values, strict=True)]

    def _batches(self, used: Sequence[str]) -> Iterator[Any]:
        from pyarrow import ArrowException  # noqa: PLC0415 - as above

        try:
            yield from self._file.iter_batches(batch_size=BLOCK, columns=list(used))
        except (OSError, ArrowException) as error:
            raise ManifestError(f"{self._path}: is damaged: {error}", "Make or copy the manifest again.") from None


def _row(line: int, values: Sequence[Any], columns: Columns, rows: Rows) -> Row | BadRow:
    bucket, object_, all_inputs, *named = values
    try:
        texts = _text(bucket, "bucket"), _text(object_, "object")
        return rows.row(line, *texts, _inputs(all_inputs, named, columns))
    except ValueError as fault:
        return rows.bad(line, _readable(bucket), _readable(object_), fault, repr(values))


def _inputs(all_inputs: Any, named: Iterable[Any], columns: Columns) -> dict[str, Json]:
    """Read a row's inputs: a column of one input comes before the column of all. Raises ValueError."""
    inputs: dict[str, Json] = {}
    heading = "inputs"
    try:
        if isinstance(all_inputs, str) and all_inputs:
            inputs = json_object(all_inputs)
            require_exact(inputs.values(), all_inputs)
        elif all_inputs:
            # A struct, or a map as pairs. What a row does not fill in is no input.
            inputs = {name: _value(value, "") for name, value in dict(all_inputs).items() if value is not None}
        for (_, heading, name, type_), value in zip(columns.named, named, strict=True):  # noqa: B007 - told if it fails
            if value is not None and value != "":
                inputs[name] = _value(value, type_)
    except (ValueError, TypeError) as fault:
        raise ValueError(f"{heading}: {fault}") from None
    return inputs


def _value(value: Any, type_: str) -> Json:
    """Give a cell as JSON has it. Raises ValueError for what JSON does not know."""
    if isinstance(value, str):
        return to_type(value, type_)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    if isinstance(value, bool | int | float | list | dict):
        return value
    raise ValueError(f"a value of the type {type(value).__name__} cannot be an input")


def _text(value: Any, name: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise ValueError(f"{name}: not text but {type(value).__name__}")


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else ""
