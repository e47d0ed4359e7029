"""The cells of a Parquet file as Python values. One that cannot be read, or is too long, spoils its row only.

JSON knows fewer values than Parquet does. What it cannot represent exactly, at any depth, is not an input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from batcher.edges.manifest.parquet_bounds import MOST_BYTES
from batcher.model import Json
from batcher.rules.rows.values import to_type

MOST_CELL = 1024 * 1024
"""The maximum length of a cell, in bytes or characters."""

_SHOWN = 2048


class Unreadable:
    """A cell that cannot be read, and why. Its `repr` identifies it."""

    def __init__(self, fault: str, content: object) -> None:
        self.fault = fault
        self._content = content

    def __repr__(self) -> str:
        return f"unreadable: {self._content!r}"


def rows_of(batch: Any, names: Sequence[str | None]) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of each row, one for each name; None where there is no name."""
    step = batch.num_rows if batch.nbytes <= MOST_BYTES else 1
    for begin in range(0, batch.num_rows, max(1, step)):
        part = batch.slice(begin, step)
        columns = [[None] * part.num_rows if name is None else _values(part.column(name)) for name in names]
        yield from zip(*columns, strict=True)


def _values(column: Any) -> list[Any]:
    from pyarrow import ArrowException, types  # noqa: PLC0415 - an extra, and a large one

    if len(column) == 1 and not types.is_dictionary(column.type) and column.nbytes > MOST_CELL:
        return [_too_long(column.nbytes)]
    try:
        return list(column.to_pylist())
    except (ArrowException, ValueError, OverflowError, LookupError, ImportError):
        return [_value_or_fault(scalar) for scalar in column]


def _value_or_fault(scalar: Any) -> Any:
    from pyarrow import ArrowException  # noqa: PLC0415 - as above

    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return Unreadable("not UTF-8", _content(scalar))
    except (ArrowException, ValueError, OverflowError, LookupError, ImportError):
        return Unreadable(f"a value of the type {scalar.type} that cannot be read", _content(scalar))


def _content(scalar: Any) -> object:
    """Return what distinguishes a scalar from others of its type: its bytes, or its number."""
    as_buffer = getattr(scalar, "as_buffer", None)
    if as_buffer is not None:
        return bytes(as_buffer())
    return getattr(scalar, "value", None)


def _too_long(size: int) -> Unreadable:
    return Unreadable(f"a cell of {size:,} bytes; the maximum is {MOST_CELL >> 20} MiB", size)


def text_of(value: Any, name: str) -> str:
    """Return a cell that must be text, or nothing. Raises ValueError."""
    if value is None:
        return ""
    if isinstance(value, str):
        _require_short(value, name)
        return value
    if isinstance(value, Unreadable):
        raise ValueError(f"{name}: {value.fault}")  # noqa: TRY004 - a fault of the row
    raise ValueError(f"{name}: not text but {type(value).__name__}")


def shown(value: Any) -> str:
    """Return the beginning of a text, to show it; nothing for other values."""
    return value[:_SHOWN] if isinstance(value, str) else ""


def to_json(value: Any, type_: str = "") -> Json:
    """Return a cell as a JSON value, text as a value of a declared type. Raises ValueError for what JSON has not."""
    if isinstance(value, str):
        _require_short(value, "text")
        return to_type(value, type_)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {name: to_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return pairs_to_json(value) if value and isinstance(value[0], tuple) else [to_json(each) for each in value]
    if isinstance(value, Unreadable):
        raise ValueError(value.fault)  # noqa: TRY004 - a fault of the row
    raise ValueError(f"a value of the type {type(value).__name__} cannot be an input")


def pairs_to_json(pairs: Sequence[Any]) -> dict[str, Json]:
    """Return a map, which is read as a list of pairs. Raises ValueError if it is none, or has a key twice."""
    entries: dict[str, Json] = {}
    for name, value in pairs:
        if not isinstance(name, str) or name in entries:
            raise ValueError(f"{name!r} is a key twice, or not text")
        entries[name] = to_json(value)
    return entries


def _require_short(text: str, name: str) -> None:
    if len(text) > MOST_CELL:
        raise ValueError(f"{name}: a cell of {len(text):,} characters; the maximum is {MOST_CELL >> 20} MiB")
