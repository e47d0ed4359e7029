"""How many rows of a Parquet file are read at a time, so that memory is bounded whatever the file claims to hold.

Parquet stores a repeated value once, and zeros in almost nothing: 27 KiB may hold 6 GB. The footer says how many values
a row group has and how long they are together; a dictionary is read to find the longest of its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from batcher.errors import ManifestError

BLOCK = 1024
"""The maximum number of rows in a block."""
MOST_BYTES = 16 * 1024 * 1024
"""The number of bytes that the rows read at a time should have at most."""
BUFFER = 1024 * 1024
"""The number of bytes of a column to read from the file at a time."""

_MOST_UNPACKED = 256 * 1024 * 1024
_MOST_RATIO = 1000
"""A row group that unpacks to more than this many times its size, and to more than _MOST_UNPACKED bytes, is no list."""
_MOST_TOUCHED = 64 * 1024 * 1024
"""The largest row group, unpacked, of which a row is read before anything is known of its columns."""
_NUMBER_BYTES = 8


class _Leaf(NamedTuple):
    """A column of values as Parquet stores it: nested cells have several."""

    at: int
    path: str
    is_text: bool
    is_repeated: bool


class Bounds:
    """Finds the number of rows to read at a time in each row group, if only `columns` are read."""

    def __init__(self, path: Path, file: Any, columns: Sequence[str]) -> None:
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - an extra, and a large one

        self._path = path
        self._metadata = file.metadata
        self._leaves = list(_leaves(file.schema, columns))
        texts = [leaf.path for leaf in self._leaves if leaf.is_text]
        self._file = ParquetFile(path, read_dictionary=texts, buffer_size=BUFFER)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def rows(self, group: int) -> int:
        """Return the number of rows to read at a time, at most BLOCK. Raises ManifestError if it unpacks too far."""
        metadata = self._metadata.row_group(group)
        if metadata.total_byte_size <= _MOST_TOUCHED:
            self._touch(group)
        row_bytes = unpacked = packed = 0.0
        for leaf in self._leaves:
            chunk = metadata.column(leaf.at)
            values = max(1, chunk.num_values)
            width = self._width(group, leaf, chunk)
            row_bytes += width * (values / max(1, metadata.num_rows) if leaf.is_repeated else 1)
            unpacked += max(chunk.total_uncompressed_size, width * values if leaf.is_repeated else 0)
            packed += chunk.total_compressed_size
        if unpacked > _MOST_UNPACKED and unpacked > _MOST_RATIO * packed:
            size = f"{int(packed):,} bytes that unpack to {int(unpacked) >> 20:,} MiB"
            raise ManifestError(
                f"{self._path}: row group {group + 1} is {size}",
                "Check what the file holds. Make the manifest again, with smaller row groups.",
            )
        return max(1, min(BLOCK, int(MOST_BYTES / max(1.0, row_bytes))))

    def _touch(self, group: int) -> None:
        """Read one row of all columns that have one value for it.

        Damaged metadata is an error here. Where it is asked for without reading, pyarrow ends the process.
        """
        flat = [leaf.path for leaf in self._leaves if not leaf.is_repeated]
        next(self._file.iter_batches(batch_size=1, row_groups=[group], columns=flat), None)

    def _width(self, group: int, leaf: _Leaf, chunk: Any) -> float:
        """Return the number of bytes of a value: of the longest in a dictionary, else of the mean."""
        if not leaf.is_text:
            return _NUMBER_BYTES
        size = float(chunk.total_uncompressed_size)
        if size * BLOCK <= MOST_BYTES:
            return size
        mean = size / max(1, int(chunk.num_values))
        return max(mean, self._longest(group, leaf)) if chunk.has_dictionary_page else mean

    def _longest(self, group: int, leaf: _Leaf) -> float:
        import pyarrow.compute as pc  # noqa: PLC0415 - as above
        from pyarrow import types  # noqa: PLC0415

        batch = next(self._file.iter_batches(batch_size=1, row_groups=[group], columns=[leaf.path]), None)
        array = None if batch is None or not batch.num_columns else batch.column(0)
        while array is not None and not types.is_dictionary(array.type):
            nested = array.flatten() if types.is_struct(array.type) else [getattr(array, "values", None)]
            array = nested[0] if nested else None
        if array is None:
            return float(self._metadata.row_group(group).column(leaf.at).total_uncompressed_size)
        return float(pc.max(pc.binary_length(array.dictionary)).as_py() or 0)


def _leaves(schema: Any, columns: Sequence[str]) -> Iterator[_Leaf]:
    for index in range(len(schema)):
        column = schema.column(index)
        if any(column.path == name or column.path.startswith(f"{name}.") for name in columns):
            yield _Leaf(index, column.path, column.physical_type == "BYTE_ARRAY", column.max_repetition_level > 0)
