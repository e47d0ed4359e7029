"""The wording of errors: a text that speaks of flags, as the command has them, turned into one that speaks of arguments.

The names are those of the declarations. Pure.
"""

from __future__ import annotations

import re
from functools import cache

from batcher.options.declaring import Declared, Options, declared_by
from batcher.options.kinds import FLAG

OTHER_FORM = " or NAME:=JSON"
"""The other way of writing an input, which a program does not need."""


def as_arguments(text: str, struct: type[Options]) -> str:
    """Write a struct's flags in `text` as its arguments: --no-preflight as preflight=False, --limit N as limit=N."""
    pattern, known = _pattern(struct)
    return pattern.sub(lambda match: _argument(known[match["name"]], match["value"]), text)


@cache
def _pattern(struct: type[Options]) -> tuple[re.Pattern[str], dict[str, Declared]]:
    known = {each.metavar if each.option.is_argument else each.flag: each for each in declared_by(struct)}
    names = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    values = {each.metavar for each in known.values()} | {word for each in known.values() for word in each.kind.choices}
    written = "|".join(map(re.escape, sorted(values - {""}, key=len, reverse=True)))
    # Not within a longer word, nor as a part of a file's name.
    return re.compile(
        rf"(?<![\w./-])(?P<name>{names})(?![\w=-]|\.\w)(?: (?P<value>{written})(?!\w)(?:{re.escape(OTHER_FORM)})?)?"
    ), known


def _argument(declared: Declared, value: str | None) -> str:
    if declared.kind is FLAG:
        written = f"{declared.name}={not declared.is_negated}"
    elif value == declared.metavar:
        written = declared.option.argument or f"{declared.name}={value}"
    elif value in declared.kind.choices:
        return f'{declared.name}="{value}"'
    else:
        return declared.name + ("" if value is None else f" {value}")
    return written if value is None or value == declared.metavar else f"{written} {value}"
