"""Reads what `batcher.toml` sets for a verb. Its keys are the names of flags, its tables the names of verbs.

An unknown key or a value of the wrong kind is an error that says what is expected. The file must not contain secrets:
credentials come from the environment, a credentials file or the metadata service. Keys that look like credentials are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from batcher.cli.verbs import VERBS, module_of
from batcher.edges.settings_file import NAME, read_settings
from batcher.errors import UsageError
from batcher.model import Json
from batcher.options.declaring import Declared, nearest, settable

_FORBIDDEN = r"(?i)secret|token|passw|credential|access.?key|(?:^|[-_])[as]k(?:$|[-_])"


class Place(NamedTuple):
    """The place of a value in a file. `key` is the key with the name of its table."""

    file: Path
    key: str


def values(verb: str, path: Path | None) -> dict[str, tuple[Json, Place]]:
    """Return what the file sets for a verb, by option name. The verb's own table takes precedence.

    Without `path`, read the file in the working directory, if there is one. Raises UsageError, DiskError.
    """
    file = Path(NAME) if path is None else path
    text = read_settings(file)
    if text is None:
        if path is not None:
            raise UsageError(f"{file}: no such file", "Name an existing file with --config.")
        return {}
    # Imported here, with the parser, since most commands have no such file.
    from batcher.rules.settings_file import parsed

    try:
        document = parsed(text)
    except UsageError as error:
        raise UsageError(f"{file}: {error}", error.advice) from None
    own = {each.key: each for each in settable(module_of(verb).OPTIONS)}
    every = {each.key for name in VERBS for each in settable(module_of(name).OPTIONS)}
    common, table = _apart(file, document, verb)
    found = {}
    for prefix, entries in (("", common), (f"{verb}.", table)):
        for name, value in entries.items():
            place = Place(file, prefix + name)
            if name in own:
                _check(own[name], value, place)
                # A single value is a list of one.
                is_one = own[name].kind.is_repeated and not isinstance(value, list)
                found[own[name].name] = ([value] if is_one else value, place)
            elif prefix or name not in every:
                _refuse(place, name, set(own) if prefix else every)
    return found


def _apart(file: Path, document: Mapping[str, Json], verb: str) -> tuple[dict[str, Json], Mapping[str, Json]]:
    """Return the settings for all verbs, and the table of this verb."""
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in VERBS:
            _refuse(Place(file, f"[{name}]"), name, set(VERBS))
    return {name: value for name, value in document.items() if name not in tables}, tables.get(verb, {})


def _refuse(place: Place, name: str, known: set[str]) -> NoReturn:
    if re.search(_FORBIDDEN, name):
        raise UsageError(
            f"{place.file}: {place.key}: this file must not contain secrets",
            "Remove the key, and set the credentials in the environment or in ~/.huaweicloud/credentials. If others can"
            " read the file, revoke the credentials and create new ones.",
        )
    raise UsageError(
        f"{place.file}: {place.key}: no such key", nearest(name, known, "Run batcher config to list every key.")
    )


def _check(declared: Declared, value: Json, place: Place) -> None:
    try:
        declared.set(value)
    except UsageError as error:
        advice = error.advice or "See the --help of the command."
        raise UsageError(f"{place.file}: {place.key}: {error}", advice) from None
