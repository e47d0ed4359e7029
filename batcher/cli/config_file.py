"""What `batcher.toml` sets for a verb: its keys are the flags' names, its tables the verbs'.

A key that no verb has, or a value of the wrong kind, is an error that says what would be right. It holds no secrets:
keys come from the environment, a credentials file or the metadata service, and nothing that looks like one is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import typer

from batcher.cli.configured import Place, key, options
from batcher.cli.verbs import VERBS, verb_command
from batcher.edges.settings_file import NAME, read_settings
from batcher.errors import UsageError
from batcher.model import Json
from batcher.rules.settings_file import parsed

_SECRET = re.compile(r"secret|token|passw|credential|access.?key|(?:^|[-_])[as]k(?:$|[-_])", re.IGNORECASE)

KINDS: Mapping[type, tuple[type | tuple[type, ...], str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    str: ((str, int), "text in quotes"),
    Path: (str, "a file's name in quotes"),
}
"""What stands in the file for an argument of each type, and how a person would say so."""


def values(command: Any, path: Path | None) -> dict[str, tuple[Json, Place]]:
    """Give what the file sets for this verb, by the names of its arguments; its own table goes before the rest.

    Without `path` it is the one in the working directory, where there is one. Raises UsageError, DiskError.
    """
    file = Path(NAME) if path is None else path
    text = read_settings(file)
    if text is None:
        if path is not None:
            raise UsageError(f"{file}: there is no such file", "Name one that is there with --config.")
        return {}
    try:
        document = parsed(text)
    except UsageError as error:
        raise UsageError(f"{file}: {error}", error.advice) from None
    own = {key(option): option for option in options(command)}
    common, table = _apart(file, document, command.name)
    found = {}
    for prefix, entries in (("", common), (f"{command.name}.", table)):
        for name, value in entries.items():
            place = Place(file, prefix + name)
            if name in own:
                found[own[name].name] = (_checked(command.name, own[name], value, place), place)
            elif prefix or name not in _names(VERBS):
                _refuse(place, name, own if prefix else _names(VERBS))
    return found


def _apart(file: Path, document: Mapping[str, Json], verb: str) -> tuple[dict[str, Json], Mapping[str, Json]]:
    """Take the verbs' tables off. Gives what is for every verb, and this verb's table."""
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in VERBS:
            _refuse(Place(file, f"[{name}]"), name, VERBS)
    return {name: value for name, value in document.items() if name not in tables}, tables.get(verb, {})


def _names(verbs: Iterable[str]) -> set[str]:
    return {key(option) for verb in verbs for option in options(verb_command(verb))}


def _refuse(place: Place, name: str, known: Iterable[str]) -> NoReturn:
    if _SECRET.search(name):
        raise UsageError(
            f"{place.file}: {place.key}: this file holds no secrets",
            "Take it out, and give the keys by the environment or by ~/.huaweicloud/credentials; if others can read the"
            " file, change them.",
        )
    near = get_close_matches(name, sorted(known), n=1)
    advice = f"Did you mean {near[0]}?" if near else "batcher config names every key."
    raise UsageError(f"{place.file}: {place.key}: there is no such key", advice)


def _checked(verb: str, option: Any, value: Json, place: Place) -> Json:
    """Give a value as the flag takes it. Raises UsageError where it is of another kind or out of its bounds."""
    hint = get_type_hints(function_of(verb))[option.name]
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    kind = kinds[0]
    if get_origin(kind) is list:
        item = get_args(kind)[0]
        # One value stands for a list of one.
        value = [_of(item, each, place) for each in (value if isinstance(value, list) else [value])]
    else:
        value = _of(kind, value, place)
    try:
        option.process_value(typer.Context(verb_command(verb)), value)
    except typer.BadParameter as error:
        raise UsageError(f"{place.file}: {place.key}: {error.message}", "See the verb's --help.") from None
    return value


def function_of(verb: str) -> Any:
    """Give a verb's own function, whose annotations tell the types of its flags."""
    return getattr(import_module(f"batcher.cli.{verb}"), verb)


def _of(kind: type, value: Json, place: Place) -> Json:
    if issubclass(kind, Enum):
        names = [str(each.value) for each in kind]
        fits, expected = value in names, f"one of {', '.join(names)}"
    else:
        types, expected = KINDS[kind]
        # For Python a bool is an int.
        fits = isinstance(value, types) and isinstance(value, bool) == (kind is bool)
    if not fits:
        raise UsageError(f"{place.file}: {place.key}: expected {expected}", "The value is of another kind: mend it.")
    return str(value) if kind is str else value
