"""The inputs given once for every row: `NAME=VALUE` is text, `NAME:=JSON` is a typed value. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.cells import require_exact


def parse_inputs(texts: Iterable[str]) -> dict[str, Json]:
    """Read `--input` values into a map. Raises UsageError for one that is neither form, or a name given twice."""
    inputs: dict[str, Json] = {}
    for text in texts:
        name, value = _parse(text)
        if name in inputs:
            raise UsageError(f"--input {name}: given twice", "Give each input once.")
        inputs[name] = value
    return inputs


def _parse(text: str) -> tuple[str, Json]:
    name, equals, value = text.partition("=")
    is_json = name.endswith(":")
    name = name.removesuffix(":")
    if not equals or not name:
        raise UsageError(f"--input {text}: not NAME=VALUE or NAME:=JSON", "Write it like --input template-id:=7000524.")
    if not is_json:
        return name, value
    try:
        parsed = orjson.loads(value)
        require_exact([parsed], value)
    except ValueError as error:
        raise UsageError(
            f"--input {name}:= is followed by no JSON value: {error}",
            "For plain text write NAME=VALUE, without the colon.",
        ) from None
    return name, parsed
