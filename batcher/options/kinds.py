"""Kinds of values: how an option reads a text, or a value of a file or a program, and how it is shown. Pure.

`take` raises ValueError for something that is not of the kind, or UsageError with a reason of its own. Neither names
the option; the caller does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import time
from enum import StrEnum
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batcher.errors import UsageError
from batcher.rules.text import duration, plain, time_of_day

if TYPE_CHECKING:
    # Not imported at run time, which would slow the help down.
    from batcher.model import Json


def _same(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """How to read, check and show values of one kind."""

    take: Callable[[Any], Any]
    """Checks and converts a value of a file or a program. It accepts its own results too."""
    expected: str
    """What is accepted, for an error message: "expected ..."."""
    python: str
    """The type that a program passes, for the library's stub."""
    metavar: str = ""
    read: Callable[[str], Any] = _same
    """Converts a text of the command line or the environment to what `take` accepts."""
    show: Callable[[Any], Json] = _same
    """Returns a value as a file may have it."""
    choices: tuple[str, ...] = ()
    """The allowed words, or some of them; the shell completes them."""
    unit: str = ""
    """The unit that a help appends to a number."""
    is_file: bool = False
    is_repeated: bool = False
    """Whether the flag may be repeated, once per item."""


def _flag(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    raise ValueError


def _whole(given: Any) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise ValueError


def _number(given: Any) -> float:
    # NaN is not below any bound, so it would pass every check.
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return float(given)
    raise ValueError


def _text(given: Any) -> str:
    if isinstance(given, str | int) and not isinstance(given, bool):
        return str(given)
    raise ValueError


def _path(given: Any) -> Path:
    if isinstance(given, str | PathLike):
        return Path(fspath(given))
    raise ValueError


def _file_or_list(given: Any) -> Path:
    """Read the path of a file, or the address of a bucket as the path of its list."""
    from batcher.options.bucket_list import BucketList, bucket_list  # noqa: PLC0415 - keeps the help fast
    from batcher.rules.bucket.address import is_address  # noqa: PLC0415 - as above

    if isinstance(given, BucketList):
        return given
    path = _path(given)
    return bucket_list(fspath(given)) if is_address(fspath(given)) else path


def _manifest(given: Any) -> Path | None:
    path = _file_or_list(given)
    return None if str(path) == "-" else path


def _bucket(given: Any) -> Path:
    path = _file_or_list(given)
    from batcher.options.bucket_list import address_in  # noqa: PLC0415 - as above

    if address_in(path) is None:
        raise UsageError("not the address of a bucket", "Write obs://BUCKET or obs://BUCKET/PREFIX.")
    return path


def _pattern(given: Any) -> str:
    from batcher.rules.bucket.filters import pattern_of  # noqa: PLC0415 - as above

    pattern_of(_text(given))
    return _text(given)


def _size(given: Any) -> int:
    from batcher.rules.bucket.filters import size_of  # noqa: PLC0415 - as above

    return size_of(_text(given))


def _when(given: Any) -> Any:
    from batcher.rules.bucket.filters import When, when_of  # noqa: PLC0415 - as above

    return given if isinstance(given, When) else when_of(_text(given))


def _duration(given: Any) -> float:
    return duration(given) if isinstance(given, str) else _number(given)


def _time_of_day(given: Any) -> time:
    if isinstance(given, time):
        return given
    if isinstance(given, str):
        return time_of_day(given)
    raise ValueError


def _max_failures(given: Any) -> Any:
    from batcher.rules.rate.stop import MaxFailures, max_failures  # noqa: PLC0415 - keeps the help fast

    return given if isinstance(given, MaxFailures) else max_failures(_text(given))


def _percentage(given: Any) -> float:
    value = float(given.strip().removesuffix("%")) if isinstance(given, str) else _number(given)
    if 0 <= value <= 100:  # noqa: PLR2004 - per cent
        return value
    raise ValueError


def _inputs(given: Any) -> Mapping[str, Json]:
    from batcher.rules.rows.identity import canonical  # noqa: PLC0415 - as above
    from batcher.rules.rows.values import parse_inputs  # noqa: PLC0415 - as above

    inputs = dict(given) if isinstance(given, Mapping) else parse_inputs(map(_text, _items(given)))
    canonical(inputs)
    return inputs


def _shown_inputs(inputs: Mapping[str, Json]) -> list[str]:
    from batcher.rules.rows.values import written_input  # noqa: PLC0415 - as above

    return [written_input(name, value) for name, value in inputs.items()]


def _rate(given: Any) -> float | None:
    """Read starts per second; `auto` is None. The minimum is that of --max-rate; no service reaches the maximum."""
    if given == "auto":
        return None
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 1e6:  # noqa: PLR2004 - see the docstring
        raise UsageError("not a rate", "Give starts per second, such as 200 or 0.5, or auto.")
    return value


def _shard(given: Any) -> Any:
    from batcher.rules.shards.assignment import Shard, parsed  # noqa: PLC0415 - as above

    return given if isinstance(given, Shard) else parsed(_text(given))


def _items(given: Any) -> Iterable[Any]:
    """Return the items of a list. A single value is a list of one."""
    return [given] if isinstance(given, str | bytes) or not isinstance(given, Iterable) else given


FLAG = Kind(_flag, "true or false", "bool")
WHOLE = Kind(_whole, "a whole number", "int", "N", int)
NUMBER = Kind(_number, "a number", "float", "N", float)
TEXT = Kind(_text, "text", "str", "TEXT")
CAPITALS = TEXT._replace(take=lambda given: _text(given).upper())
"""Text in which case does not matter."""
PATH = Kind(_path, "a file name", "str | PathLike[str]", "FILE", show=str, is_file=True)
MANIFEST = PATH._replace(take=_manifest, show=lambda path: "-" if path is None else str(path))
"""A file, or the list of a bucket that is given by its address; None for `-`, standard input."""
JOB = PATH._replace(take=_file_or_list)
"""A file of a job, or the address of the bucket whose list is its manifest."""
BUCKET = JOB._replace(take=_bucket, expected="the address of a bucket")
PATTERN = Kind(_pattern, "a pattern", "str", "PATTERN")
SIZE = Kind(_size, "a size", "int | str", "SIZE")
"""Bytes, or a text such as 10M."""
WHEN = Kind(_when, "a date or an age", "str", "DATE|AGE", show=lambda when: when.text)
DURATION = Kind(_duration, "a duration", "float | str", "DURATION", unit="s")
"""Seconds, or a text such as 15m."""
TIME_OF_DAY = Kind(_time_of_day, "a time of day", "str | time", "HH:MM", show=lambda value: f"{value:%H:%M}")
MAX_FAILURES = Kind(_max_failures, "a number of rows or a percentage", "int | str", "N|P%", show=str)
PERCENTAGE = Kind(_percentage, "a percentage from 0 to 100", "float | str", "P%", show=lambda value: f"{plain(value)}%")
INPUTS = Kind(_inputs, "inputs by name", "Mapping[str, Json]", "NAME=VALUE", show=_shown_inputs, is_repeated=True)
SHARD = Kind(_shard, "a shard such as 0/8", "str", "I/N", show=str)
RATE = Kind(_rate, "a rate", "float | str", "RATE", show=lambda rate: rate or "auto", choices=("auto",))


def one_of(choices: type[StrEnum]) -> Kind:
    """Make the kind of an enumeration: its values, as text. The error does not repeat a wrong value."""
    words = tuple(each.value for each in choices)
    return Kind(
        choices,
        f"one of {', '.join(words)}",
        f"{choices.__name__} | Literal{list(words)}",
        choices.__name__.upper(),
        show=lambda value: value.value,
        choices=words,
    )


def many(item: Kind, collect: Callable[[list[Any]], Any] = tuple) -> Kind:
    """Make the kind of a list, given item by item. `collect` makes the option's value from the items."""
    return item._replace(
        take=lambda given: collect([item.take(each) for each in _items(given)]),
        python=f"Iterable[{item.python}]",
        show=lambda values: [item.show(each) for each in values],
        is_repeated=True,
    )
