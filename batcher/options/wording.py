"""The wording of errors: a text that speaks of flags turned into one that speaks of arguments, for the library.

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
    known = {each.metavar if each.option.is_argument else each.flag: each for each in declared_by(struct)}
    values = {each.metavar for each in known.values()}.union(*(each.kind.choices for each in known.values())) - {""}
    pattern = _pattern(frozenset(known), frozenset(values))
    return pattern.sub(lambda match: _argument(known[match["name"]], match["value"]), text)


@cache
def _pattern(names: frozenset[str], values: frozenset[str]) -> re.Pattern[str]:
    # Not within a longer word, nor as a part of a file's name.
    name, value = ("|".join(map(re.escape, sorted(words, key=len, reverse=True))) for words in (names, values))
    return re.compile(
        rf"(?<![\w./-])(?P<name>{name})(?![\w=-]|\.\w)(?: (?P<value>{value})(?!\w)(?:{re.escape(OTHER_FORM)})?)?"
    )


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
