"""Writes Parquet files with pyarrow, which is an optional dependency.

The format: https://parquet.apache.org/docs/file-format/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import BinaryIO

from batcher.errors import UsageError
from batcher.model import Json

_TYPES = {"row": "int64", "attempts": "int32", "http_status": "int32", "latency_ms": "float64", "redrives": "int32"}
"""The columns that are not text."""


@contextmanager
def parquet_table(file: BinaryIO, columns: Sequence[str]) -> Iterator[ParquetTable]:
    """Write a table with these columns to a file. Raises UsageError if pyarrow is not installed."""
    try:
        # Imported by name: the modules are slow to import, and have no type information.
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("writing Parquet needs pyarrow", "Install it: pip install 'obs-batcher[parquet]'") from None
    schema = arrow.schema([(name, arrow.type_for_alias(_TYPES.get(name, "string"))) for name in columns])
    with parquet.ParquetWriter(file, schema) as writer:
        yield ParquetTable(arrow, schema, writer)


class ParquetTable:
    """An open Parquet table."""

    def __init__(self, arrow: Json, schema: Json, writer: Json) -> None:
        self._arrow = arrow
        self._schema = schema
        self._writer = writer

    def add(self, rows: Sequence[Sequence[Json]]) -> None:
        """Add rows as one row group. None is null."""
        columns = [
            self._arrow.array(values, type=field.type)
            for field, values in zip(self._schema, zip(*rows, strict=True), strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
