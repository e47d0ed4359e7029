"""Manifests in Parquet: a table with the columns of a CSV manifest and typed cells.

It is read in batches, and only the columns in use. It needs an extra: `pip install 'obs-batcher[parquet]'`. A row's
line is its number in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from batcher.edges.manifest.parquet_bounds import BUFFER, Bounds
from batcher.edges.manifest.parquet_cells import rows_of, shown, text_of, to_json
from batcher.edges.manifest.rows import Ignored, Rows
from batcher.edges.manifest.second_look import SecondLook
from batcher.edges.manifest.skipped import Choice, Skipped
from batcher.edges.manifest.table import Columns, columns_of, is_used
from batcher.errors import ManifestError, UsageError
from batcher.model import BadRow, Json, Mark, Parameter, Row
from batcher.rules.rows.address import located
from batcher.rules.rows.headings import misspelt_object
from batcher.rules.rows.plain_rows import Block
from batcher.rules.rows.values import json_object, require_exact

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_EXTRA = "Install it with pip install 'obs-batcher[parquet]', or give the manifest as CSV or JSON Lines."


def open_parquet(path: Path | None, choice: Choice) -> ParquetManifest:
    """Open a Parquet file. Raises ManifestError if it is not one, or has no column `object`.

    Raises UsageError for standard input, because Parquet is read from the end, and if the extra is not installed.
    """
    if path is None:
        raise UsageError("standard input: a Parquet manifest must be a file", "Give the name of a file.")
    try:
        # Imported late: an extra, and a large one.
        from pyarrow import ArrowException  # noqa: PLC0415
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise UsageError(f"{path}: reading Parquet needs pyarrow, which is not installed", _EXTRA) from None
    try:
        # Opened first for the operating system's own error message.
        plain = path.open("rb")
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}", "Check the path of the manifest.") from None
    try:
        file = ParquetFile(path, buffer_size=BUFFER)
    except OSError as error:
        plain.close()
        raise ManifestError(f"{path}: {error.strerror or error}", "Check the path of the manifest.") from None
    except (ArrowException, UnicodeDecodeError) as error:
        plain.close()
        raise ManifestError(f"{path}: not a Parquet file: {error}", "Make or copy the manifest again.") from None
    try:
        return ParquetManifest(path, file, plain, choice)
    except BaseException:
        file.close()
        plain.close()
        raise


class ParquetManifest:
    """An open Parquet manifest. Read it once with `blocks`, then close it, or use it in a `with` statement."""

    has_inputs = False
    """Whether rows may have their own inputs regardless of the header."""
    lines_before = 0
    header_lines = 0

    def __init__(self, path: Path, file: Any, plain: BinaryIO, choice: Choice) -> None:
        self._path = path
        self._file = file
        self._plain = plain
        self._look = SecondLook(plain.fileno())
        self._digest: Hash | None = None
        self._left_out = choice.ignored_columns
        self.ignored = Ignored(self._left_out)
        """The names that are not used."""
        self._skipped = Skipped(choice)
        self._rows: Rows | None = None
        self._done = 0
        self.header: list[str] = list(file.schema_arrow.names)
        self.lines: int | None = file.metadata.num_rows
        if "object" not in self.header or len(set(self.header)) < len(self.header):
            raise ManifestError(
                f'{path}: it needs one column "object" and no duplicates; the columns are {", ".join(self.header)}',
                misspelt_object(self.header)
                or "Name the column of objects object, and any others bucket, inputs and inputs.NAME.",
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
        self._plain.close()

    @property
    def warnings(self) -> list[str]:
        """Messages about what has been ignored or skipped so far."""
        return self.ignored.sentences(str(self._path)) + self._skipped.sentences(str(self._path))

    @property
    def first_unnamed(self) -> int | None:
        """The number of the first row read so far that has the default bucket, since it names none."""
        return None if self._rows is None else self._rows.first_unnamed

    @property
    def skipped(self) -> Mapping[str, int]:
        """The number of entries skipped so far, by kind."""
        return self._skipped.counts

    def check(self, _read: Mark | None = None) -> None:
        """Read the object names once. Raises ManifestError if the file is damaged."""
        self._digest = self._look.digest(self._look.size)
        used = [name for name in self.header if is_used(name)]
        with self._reading(), closing(Bounds(self._path, self._file, used)) as bounds:
            for group in range(self._file.num_row_groups):
                bounds.rows(group)
        for _ in self._batches(["object"]):
            pass

    def change(self) -> ManifestError | None:
        """Return the error for a file that was changed since it was checked, None if it was not."""
        return None if self._digest is None else self._look.change(str(self._path), self._look.size, self._digest)

    def enter(self, _mark: Mark) -> bool:
        """Return False, so that reading begins at the beginning: a Parquet file has no marks."""
        return False

    def mark(self, _rows: int) -> None:
        """Return None: a Parquet file has no marks."""

    def blocks(
        self,
        *,
        bucket: str | None = None,
        static_inputs: Mapping[str, Json] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Iterator[Block]:
        """Read the rows in blocks of at most 1,024.

        `bucket` is used for rows without one. `static_inputs` are the inputs of every row; a row's own inputs override
        them. `parameters` are the workflow's: text is converted to its parameter's type, other cells keep their type.
        Raises ManifestError: at once if two columns are the same input, while reading if the file is damaged.
        """
        columns = columns_of(self.header, parameters or {}, self.ignored, str(self._path), self._left_out)
        rows = self._rows = Rows(bucket, static_inputs or {}, 0)
        return self._skipped.without_placeholders(self._blocks(columns, rows))

    def _blocks(self, columns: Columns, rows: Rows) -> Iterator[Block]:
        places = [columns.bucket, columns.key, columns.inputs, *(column.at for column in columns.named)]
        names = [None if at is None else self.header[at] for at in places]
        for batch in self._batches([name for name in names if name is not None]):
            lines = range(self._done + 1, self._done + batch.num_rows + 1)
            self._done += batch.num_rows
            yield [_row(line, cells, columns, rows) for line, cells in zip(lines, rows_of(batch, names), strict=True)]

    def _batches(self, used: Sequence[str]) -> Iterator[Any]:
        with self._reading(), closing(Bounds(self._path, self._file, used)) as bounds:
            for group in range(self._file.num_row_groups):
                most = bounds.rows(group)
                for batch in self._file.iter_batches(batch_size=most, row_groups=[group], columns=list(used)):
                    change = self.change() if self._look.was_touched_again() else None
                    if change is not None:
                        raise change
                    yield batch

    @contextmanager
    def _reading(self) -> Iterator[None]:
        from pyarrow import ArrowException  # noqa: PLC0415 - as above

        try:
            yield
        except (OSError, ArrowException, UnicodeDecodeError) as error:
            raise ManifestError(f"{self._path}: damaged: {error}", "Make or copy the manifest again.") from None


def _row(line: int, cells: Sequence[Any], columns: Columns, rows: Rows) -> Row | BadRow:
    bucket, object_, all_inputs, *named = cells
    try:
        texts = located(text_of(bucket, "bucket"), text_of(object_, "object"))
        return rows.row(line, *texts, _inputs(all_inputs, named, columns))
    except ValueError as fault:
        return rows.bad(line, shown(bucket), shown(object_), fault, repr(cells))


def _inputs(all_inputs: Any, named: Iterable[Any], columns: Columns) -> dict[str, Json]:
    """Read a row's inputs. A column for one input overrides the column `inputs`. Raises ValueError."""
    inputs: dict[str, Json] = {}
    heading = "inputs"
    try:
        if all_inputs:
            inputs = _all_inputs(all_inputs)
        for (_, heading, name, type_), value in zip(columns.named, named, strict=True):  # noqa: B007 - for the error
            if value is not None and value != "":
                inputs[name] = to_json(value, type_)
    except ValueError as fault:
        raise ValueError(f"{heading}: {fault}") from None
    return inputs


def _all_inputs(value: Any) -> dict[str, Json]:
    """Read a cell with all inputs of a row: JSON text, a struct or a map. An empty field is not an input."""
    if isinstance(value, str):
        text = text_of(value, "text")
        inputs = json_object(text)
        require_exact(inputs.values(), text)
        return inputs
    inputs_ = to_json(value)
    if not isinstance(inputs_, dict):
        raise ValueError(f"{type(value).__name__}, not a JSON object, a struct or a map")  # noqa: TRY004 - a fault of the row
    return {name: each for name, each in inputs_.items() if each is not None}
