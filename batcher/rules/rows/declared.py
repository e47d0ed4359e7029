"""Checks inputs against the workflow's declared parameters: unknown, missing, wrong type, not allowed. Pure.

Parameters, their types and their constraints: https://support.huaweicloud.com/en-us/api-obs/obs_04_0122.html. What that
page leaves open is a warning, not an error: text that reads as a number, the regex dialect, a default of empty text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import NamedTuple

import orjson
from msgspec import structs

from batcher.model import BadRow, Found, Json, Parameter, Row
from batcher.rules.rows.plain_rows import PlainRows
from batcher.rules.rows.values import quoted, to_type

KEPT = 4096
"""Number of cached judgements. Most rows of a manifest have the inputs of an earlier row."""
LONGEST_TRIED = 256
"""Longer text is not matched against a regex, which may not be written for such lengths."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
}
_FROM_TEXT = frozenset({"integer", "float", "boolean"})


class Judgement(NamedTuple):
    """The result of checking inputs: `fault` says what is wrong with them, None if nothing is."""

    fault: str | None
    warnings: tuple[str, ...] = ()


def judge_of(parameters: Mapping[str, Parameter]) -> Callable[[bytes], Judgement]:
    """Return a function that judges canonical inputs and caches its latest judgements."""
    return lru_cache(maxsize=KEPT)(partial(_judge, parameters))


def unknown_fault(names: Iterable[str], parameters: Mapping[str, Parameter]) -> str | None:
    """Return what is wrong if one of the names is not a declared parameter; None if all are."""
    for name in names:
        if name not in parameters:
            near = get_close_matches(name, parameters, 1)
            guess = f"; it has {near[0]}" if near else ""
            return f"inputs.{name}: the workflow declares no such parameter{guess}"
    return None


def _judge(parameters: Mapping[str, Parameter], inputs: bytes) -> Judgement:
    values: Mapping[str, Json] = orjson.loads(inputs) if inputs else {}
    fault = unknown_fault(values, parameters)
    if fault is not None:
        return Judgement(fault)
    warnings: list[str] = []
    for parameter in parameters.values():
        fault, warned = _judge_one(parameter, values)
        if fault is not None:
            return Judgement(f"inputs.{parameter.name}: {fault}")
        warnings += [f"inputs.{parameter.name}: {warning}" for warning in warned]
    return Judgement(None, tuple(warnings))


def _judge_one(parameter: Parameter, values: Mapping[str, Json]) -> Judgement:
    if parameter.name not in values:
        if not parameter.has_value:
            return Judgement("missing, and the workflow has no default for it")
        blank = ("not given, and its default is empty text",) if parameter.has_blank_default else ()
        return Judgement(None, blank)
    value = values[parameter.name]
    warnings = []
    if not _is_of(value, parameter.type):
        read = _read(value, parameter.type)
        if read is None:
            return Judgement(f"{_written(value)} is not {_a(parameter.type)}")
        value = read
        warnings.append(f"text where {_a(parameter.type)} is declared")
    fault = next(_broken(value, parameter.constraints), None)
    if fault is None and not _matches(value, parameter.constraints.get("regex")):
        warnings.append("its regex does not seem to match every value given")
    return Judgement(fault, tuple(warnings))


def _is_of(value: Json, type_: str) -> bool:
    """Return whether a value is of a declared type. In Python a bool is an int; for the service it is not."""
    types = _TYPES.get(type_)
    if types is None:
        return True
    return type_ == "boolean" if isinstance(value, bool) else isinstance(value, types)


def _read(value: Json, type_: str) -> Json:
    """Convert text to the declared type. Return None if it cannot be converted."""
    if not isinstance(value, str) or type_ not in _FROM_TEXT:
        return None
    try:
        return to_type(value, type_)
    except ValueError:
        return None


def _broken(value: Json, constraints: Mapping[str, Json]) -> Iterator[str]:
    """Yield the constraints that a value violates. A constraint that cannot be read forbids nothing."""
    valid, invalid = constraints.get("valid_values"), constraints.get("invalid_values")
    if "equal" in constraints and not _is_same(value, constraints["equal"]):
        yield f"{_written(value)} is not {_written(constraints['equal'])}, the only value allowed"
    if isinstance(valid, list) and not _is_among(value, valid):
        yield f"{_written(value)} is not among the allowed values: {_written(valid)}"
    if isinstance(invalid, list) and any(_is_same(value, other) for other in invalid):
        yield f"{_written(value)} is among the forbidden values"


def _is_among(value: Json, allowed: list[Json]) -> bool:
    """Return whether a value is allowed. For a list it is undocumented whether the list or each element must match."""
    if any(_is_same(value, other) for other in allowed):
        return True
    return isinstance(value, list) and all(any(_is_same(each, other) for other in allowed) for each in value)


def _is_same(value: Json, other: Json) -> bool:
    """Compare a value with a constraint's value, which may be written as text."""
    if isinstance(value, str) or isinstance(other, str):
        return _text(value) == _text(other)
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _matches(value: Json, pattern: Json) -> bool:
    """Match a regex. Its dialect is not documented, so a regex that cannot be tried counts as matching."""
    if not isinstance(value, str) or not isinstance(pattern, str) or len(value) > LONGEST_TRIED:
        return True
    try:
        return re.search(pattern, value) is not None
    except (re.error, OverflowError, RecursionError):
        return True


def _text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _written(value: Json) -> str:
    return quoted(value) if isinstance(value, str) else quoted(_text(value)).strip('"')


def _a(type_: str) -> str:
    return f"an {type_}" if type_ == "integer" else f"a {type_}"


_SOUND = Judgement(None)


class Screen:
    """Checks the inputs of rows against the declared parameters of a workflow, before the rows are sent."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._judge = judge_of(parameters)
        self.warnings: Counter[str] = Counter()
        """What only the service can decide, with the number of rows concerned."""

    def fault(self, row: Row) -> str | None:
        """Return what is wrong with a row's inputs, None if nothing is. Count its warnings."""
        fault, warnings = self._judge(row.inputs)
        if warnings:
            self.warnings.update(warnings)
        return fault

    def found(self, found: Sequence[Found]) -> Sequence[Found]:
        """Replace rows that break a rule by bad rows. These keep their identity, which is their content."""
        return found if self._are_sound(each.row for each in found) else [self._screened(each) for each in found]

    def rows(self, rows: Sequence[Row | BadRow]) -> Sequence[Row | BadRow]:
        """Do the same as `found` for rows that were not looked up in the checkpoint."""
        return rows if self._are_sound(rows) else [self._screened(Found(0, row, None, 1)).row for row in rows]

    def _are_sound(self, rows: Iterable[Row | BadRow]) -> bool:
        """Return whether all rows are without fault and warning. Fast, since most rows share few different inputs."""
        given = rows.inputs if isinstance(rows, PlainRows) else [row.inputs for row in rows if isinstance(row, Row)]
        return all(self._judge(inputs) == _SOUND for inputs in set(given))

    def _screened(self, found: Found) -> Found:
        row = found.row
        fault = None if isinstance(row, BadRow) else self.fault(row)
        if fault is None:
            return found
        reason = f"line {row.line}: {fault}"
        return structs.replace(found, row=BadRow(row.number, row.line, row.bucket, row.object, reason, row.key))
