"""How a detail shows the bucket, the key and the inputs of an execution: as they were sent, or changed by quirks.

Pure. The changes apply in the order of the tables, each to the result of the ones before.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from batcher.emulator.quirks import Quirk, QuirkValue, number, text
from batcher.emulator.settings import Declared
from batcher.model import Json

Inputs = Mapping[str, Json]
Quirks = Mapping[Quirk, QuirkValue]

KEY_FORMS: Mapping[Quirk, Callable[[str], str]] = {
    Quirk.KEYS_NORMALISED: lambda key: unicodedata.normalize("NFC", key).strip(),
    Quirk.KEYS_DECODED: unquote,
    Quirk.KEYS_PLUS_DECODED: unquote_plus,
    Quirk.KEYS_NFC: lambda key: unicodedata.normalize("NFC", key),
    Quirk.KEYS_NFD: lambda key: unicodedata.normalize("NFD", key),
    Quirk.KEYS_NFKC: lambda key: unicodedata.normalize("NFKC", key),
    Quirk.KEYS_FOLDED: str.lower,
    Quirk.KEYS_SLASHES_DOUBLED: lambda key: key.replace("/", "//"),
    Quirk.KEYS_SLASHES_MERGED: lambda key: re.sub("/+", "/", key),
    Quirk.KEYS_SLASHES_TRIMMED: lambda key: key.strip("/"),
    Quirk.KEYS_SLASHES_REMOVED: lambda key: key.replace("/", ""),
    Quirk.KEYS_SLASH_ADDED: lambda key: "/" + key,
    Quirk.KEYS_BASENAME: lambda key: key.rpartition("/")[2],
    Quirk.KEYS_ASCII: lambda key: key.encode("ascii", "replace").decode("ascii"),
    Quirk.KEYS_MOJIBAKE: lambda key: key.encode().decode("latin-1"),
    Quirk.KEYS_ENTITIES: html.escape,
    Quirk.KEYS_ENCODED: quote,
    Quirk.KEYS_ENCODED_FULLY: lambda key: quote(key, safe=""),
    Quirk.KEYS_PLUS_ENCODED: lambda key: quote_plus(key, safe="/"),
}
"""How each quirk changes a key. `KEYS_CUT` comes last."""


def shown_bucket(bucket: str, quirks: Quirks) -> str:
    """Show a bucket."""
    if Quirk.BUCKET_LOST in quirks:
        return ""
    return (bucket.upper() if Quirk.BUCKET_UPPER in quirks else bucket) + text(quirks, Quirk.BUCKET_DOMAIN, "")


def shown_key(key: str, quirks: Quirks) -> str:
    """Show an object's key."""
    for quirk, change in KEY_FORMS.items():
        if quirk in quirks:
            key = change(key)
    return key[: int(number(quirks, Quirk.KEYS_CUT, len(key)))]


def shown_inputs(inputs: Inputs, declared: Mapping[str, Declared], quirks: Quirks) -> Inputs | None:
    """Show the inputs of a workflow with these declared parameters, None if they are not shown."""
    if Quirk.INPUTS_LOST in quirks:
        return None
    if Quirk.INPUTS_ADDED in quirks:
        inputs = {name: each.default for name, each in declared.items() if each.default is not None} | dict(inputs)
    if Quirk.INPUTS_EXTRA in quirks:
        inputs = {**inputs, "x-request-id": "0123456789ABCDEF"}
    if Quirk.INPUTS_NULL_DROPPED in quirks:
        inputs = _without_null(inputs)
    if Quirk.INPUTS_REORDERED in quirks:
        inputs = dict(reversed(list(inputs.items())))
    for quirk, change in VALUE_FORMS.items():
        if quirk in quirks:
            inputs = {name: change(value) for name, value in inputs.items()}
    return inputs


def other_inputs(inputs: Inputs) -> Inputs:
    """Return inputs of the same names with other values; one input if there are none."""
    return {name: _other(value) for name, value in inputs.items()} or {"other": "1"}


def _other(value: Json) -> Json:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value + "-other" if isinstance(value, str) else [value]


def _without_null(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {name: _without_null(item) for name, item in value.items() if item is not None}
    return [_without_null(item) for item in value if item is not None] if isinstance(value, list) else value


def _each_number(value: Json, change: Callable[[float], Json]) -> Json:
    """Change the numbers in a value, at any depth. In Python a bool is an int; here it is no number."""
    if isinstance(value, dict):
        return {name: _each_number(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [_each_number(item, change) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return change(value) if is_number else value


VALUE_FORMS: Mapping[Quirk, Callable[[Json], Json]] = {
    Quirk.NUMBERS_AS_FLOATS: lambda value: _each_number(value, float),
    Quirk.NUMBERS_AS_TEXT: lambda value: _each_number(value, json.dumps),
    Quirk.INPUTS_AS_TEXT: lambda value: value if isinstance(value, str) else json.dumps(value),
    Quirk.INPUTS_PADDED: lambda value: f" {value} " if isinstance(value, str) else value,
    Quirk.INPUTS_MASKED: lambda _: "*",
    Quirk.INPUTS_BLANK: lambda _: "",
}
"""How each quirk changes the value of an input."""
