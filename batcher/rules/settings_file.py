"""Edits the text of the settings file without changing what a person wrote. Pure.

A comment marks every line that the program adds and gives the reason for it. Only marked lines are replaced.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import NamedTuple

from batcher.errors import UsageError
from batcher.model import Json

_OURS = re.compile(r"([a-z0-9-]+) = .*  # batcher doctor: .*\n?")


class Setting(NamedTuple):
    """The value of an option, and the reason for it: one short line that names no object."""

    value: Json
    why: str


class Edited(NamedTuple):
    """The new text of the file, and the options that a person had set, with their values. Those were not changed."""

    text: str
    kept: Mapping[str, Json]


def edited(text: str, settings: Mapping[str, Setting]) -> Edited:
    """Put settings at the top of a settings file, replacing those that an earlier call wrote.

    Raises UsageError if the text is not TOML, or if the edit would change another setting.
    """
    lines = [(line, _OURS.fullmatch(line)) for line in text.splitlines(keepends=True)]
    theirs = "".join(line for line, match in lines if match is None)
    earlier = {match[1] for _, match in lines if match is not None}
    before = {key: value for key, value in parsed(text).items() if key not in earlier}
    kept = {key: before[key] for key in settings if key in before}
    ours = {key: setting for key, setting in settings.items() if key not in kept}
    block = "".join(f"{key} = {json.dumps(value)}  # batcher doctor: {why}\n" for key, (value, why) in ours.items())
    # A line that looks like ours may be part of a person's multi-line string. In that case nothing is changed.
    if parsed(block + theirs) != before | {key: setting.value for key, setting in ours.items()}:
        raise UsageError("editing the file would change other settings", "Name another file with --write.")
    return Edited(block + theirs, kept)


def parsed(text: str) -> dict[str, Json]:
    """Parse TOML (https://toml.io/en/v1.0.0). Raises UsageError, which names the place of the error."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"not TOML: {error}", "Fix the file; see https://toml.io/ for the format.") from None
