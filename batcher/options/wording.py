"""The wording of errors for the library: rewrites the flags in a text as arguments. Pure.

The names are those of the declarations.
"""

from __future__ import annotations

import re
from functools import cache

from batcher.options.declaring import Declared, Options, declared_by
from batcher.options.kinds import FLAG

OTHER_FORM = " or NAME:=JSON"
"""The other form of an input, which a program does not need."""


def as_arguments(text: str, struct: type[Options]) -> str:
    """Rewrite flags in `text` as arguments of a struct: --no-preflight as preflight=False, --limit N as limit=N."""
    known = {each.metavar if each.option.is_argument else each.flag: each for each in declared_by(struct)}
    values = {each.metavar for each in known.values()}.union(*(each.kind.choices for each in known.values())) - {""}
    pattern = _pattern(frozenset(known), frozenset(values))
    return pattern.sub(lambda match: _argument(known[match["name"]], match["value"]), text)


@cache
def _pattern(names: frozenset[str], values: frozenset[str]) -> re.Pattern[str]:
    # A name must not match inside a longer word or a file name.
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
