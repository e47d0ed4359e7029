"""Converts input values: cells by their declared type, JSON without loss, and `--input NAME=VALUE`. Pure.

The types are those of https://support.huaweicloud.com/en-us/api-obs/obs_04_0122.html.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable

import orjson

from batcher.errors import UsageError
from batcher.model import Json

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_EXACT = frozenset({str, int, bool, type(None)})
"""Types that JSON parsing keeps exactly. A float may have been a longer integer; a list or object may contain one."""

_SHOWN = 40


def to_type(text: str, type_: str) -> Json:
    """Convert a non-empty cell to a declared type (in lower case). An unknown type leaves the text as it is.

    Raises ValueError with a readable message if the text is not a value of the type.
    """
    convert = _CONVERSIONS.get(type_)
    return text if convert is None else convert(text)


def json_object(text: str) -> dict[str, Json]:
    """Parse a JSON object. Raises ValueError for anything else."""
    value = _json(text)
    if isinstance(value, dict):
        return value
    raise ValueError(f"{quoted(text)} is not a JSON object")


def is_exact(values: Iterable[Json]) -> bool:
    """Return whether values parsed from JSON are exact whatever is written there."""
    return _EXACT.issuperset(map(type, values))


def require_exact(values: Iterable[Json], text: str) -> None:
    """Check that `values`, parsed from the JSON `text`, are exactly the values written there.

    The parser turns an integer beyond 64 bits into a float, which changes its value. Raises ValueError if it did.
    """
    if is_exact(values):
        return
    try:
        json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def quoted(text: str) -> str:
    """Quote text for a message, shortened to 40 characters."""
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}..."'


def _json(text: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}, character {error.colno}") from None


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**64:
        return int(text)
    raise ValueError(f"{quoted(text)} is not a 64-bit integer")


def _float(text: str) -> float:
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise ValueError(f"{quoted(text)} is not a finite number")


def _boolean(text: str) -> bool:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    raise ValueError(f"{quoted(text)} is neither true nor false")


def _list(text: str) -> list[Json]:
    value = _json(text)
    if not isinstance(value, list):
        raise ValueError(f"{quoted(text)} is not a JSON array")  # noqa: TRY004 - a fault of the cell
    require_exact(value, text)
    return value


def _map(text: str) -> dict[str, Json]:
    value = json_object(text)
    require_exact(value.values(), text)
    return value


_CONVERSIONS: dict[str, Callable[[str], Json]] = {
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "list": _list,
    "map": _map,
}


def parse_inputs(texts: Iterable[str]) -> dict[str, Json]:
    """Parse `--input` values into a map. Raises UsageError for an invalid value or a name given twice."""
    inputs: dict[str, Json] = {}
    for text in texts:
        name, value = _parse(text)
        if name in inputs:
            raise UsageError(f"the input {name} is given twice", "Give each input once.")
        inputs[name] = value
    return inputs


def written_input(name: str, value: Json) -> str:
    """Write an input so that `parse_inputs` reads it."""
    return f"{name}={value}" if isinstance(value, str) else f"{name}:={orjson.dumps(value).decode()}"


def _parse(text: str) -> tuple[str, Json]:
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":")
    if not equals or not name:
        raise UsageError("not NAME=VALUE or NAME:=JSON", "Write it like template-id:=7000524 or note=hello.")
    if not is_json:
        return name, value
    try:
        parsed = orjson.loads(value)
        require_exact([parsed], value)
    except ValueError as error:
        raise UsageError(
            f"{name}:= is followed by no JSON value: {error}",
            "For plain text write NAME=VALUE, without the colon.",
        ) from None
    return name, parsed
