"""The settings file's text: how a program's own lines get into it without a change to what a person wrote. Pure.

Every line of ours is marked by a comment that tells why it stands there; only such lines are ever replaced.
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
    """A value for a key, the name of a flag, and why it follows: one short line that names no object."""

    value: Json
    why: str


class Edited(NamedTuple):
    """A file's new text, and the keys that a person has set in it, with their values: those were left alone."""

    text: str
    kept: Mapping[str, Json]


def edited(text: str, settings: Mapping[str, Setting]) -> Edited:
    """Put settings at the top of a settings file, instead of those of an earlier time.

    Raises UsageError for a text that is not TOML, or that cannot be edited without a change to something else.
    """
    lines = [(line, _OURS.fullmatch(line)) for line in text.splitlines(keepends=True)]
    theirs = "".join(line for line, match in lines if match is None)
    earlier = {match[1] for _, match in lines if match is not None}
    before = {key: value for key, value in parsed(text).items() if key not in earlier}
    kept = {key: before[key] for key in settings if key in before}
    ours = {key: setting for key, setting in settings.items() if key not in kept}
    block = "".join(f"{key} = {json.dumps(value)}  # batcher doctor: {why}\n" for key, (value, why) in ours.items())
    # What looks like a line of ours may be part of a text of theirs: then nothing is touched.
    if parsed(block + theirs) != before | {key: setting.value for key, setting in ours.items()}:
        raise UsageError("it cannot be edited without a change to something else", "Name another file with --write.")
    return Edited(block + theirs, kept)


def parsed(text: str) -> dict[str, Json]:
    """Read TOML (https://toml.io/en/v1.0.0). Raises UsageError, which says where it is wrong."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"it is not TOML: {error}", "Mend it: see https://toml.io/.") from None
