"""Judges the columns of a manifest that are not used: which are probably misspelt, and which may be inputs. Pure.

Rule: a column whose name is nearly one that decides what is started (object, bucket, inputs, or a declared parameter)
stops the job before a start, unless the user says that it is to be ignored.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from batcher.errors import ManifestError
from batcher.rules.records.codec import COLUMNS
from batcher.rules.rows.values import quoted

OWN = ("object", "bucket", "inputs")
"""The columns that make a row."""
PREFIX = "inputs."
"""What precedes the name of an input in the heading of its column."""
MOST_DISTANCE = 2
"""The most letters by which a misspelt name differs from the right one."""
SHORTEST = 5
"""Names with fewer letters are compared in case, hyphens, underscores and blanks only."""
SHOWN = 5
"""The most columns that a refusal names."""

_LISTED = ("size", "last_modified", "etag", "storage_class")
"""The columns that a list of a bucket's objects has besides the key."""


def folded(name: str) -> str:
    """Return a name without what is easily confused: case, hyphens, underscores and blanks."""
    return "".join(name.split()).replace("-", "").replace("_", "").casefold()


_HARMLESS = frozenset(map(folded, (*COLUMNS, *_LISTED))) - frozenset(OWN)
"""Columns of records and of bucket lists, folded. They are ignored in any spelling."""


class Judged(NamedTuple):
    """What is wrong with the unused columns of a manifest."""

    misspelt: dict[str, str]
    """Each column that is nearly a name that decides what is started, with that name in words."""
    perhaps: list[str]
    """Columns that may be parameters, which cannot be known if the service does not describe the workflow."""


def judged(headings: Iterable[str], parameters: Collection[str] | None, *, is_table: bool) -> Judged:
    """Judge columns. `parameters` are the declared names, None if the service does not describe the workflow.

    In a table a column with the name of a parameter is that input. In JSON Lines inputs are within `inputs` only, so a
    key of that name is misplaced.
    """
    misspelt: dict[str, str] = {}
    perhaps = []
    for heading in headings:
        meant = _meant(heading, parameters or (), is_table=is_table)
        if meant is not None:
            misspelt[heading] = meant
        elif parameters is None and heading and not _is_known(heading):
            perhaps.append(heading)
    return Judged(misspelt, perhaps)


def misspelt_object(headings: Iterable[str]) -> str:
    """Return advice about a table without a column `object`, empty if no column is nearly that."""
    near = next((each for each in headings if is_near(each, "object")), None)
    return f'Did you mean the column {quoted(near)}? Rename it to "object".' if near else ""


def refusal(found: Judged, manifest: str) -> ManifestError | None:
    """Return the error that stops a job with such columns, None if nothing is wrong with them."""
    if found.misspelt:
        meanings = [f"{quoted(name)} (did you mean {meant}?)" for name, meant in found.misspelt.items()]
        unknown = "unknown column" if len(meanings) == 1 else "unknown columns"
        return ManifestError(
            f"{manifest}: {unknown} {_together(meanings)}",
            f"Correct the names, or add {_flags(found.misspelt)} to ignore what is no input.",
        )
    if found.perhaps:
        one = len(found.perhaps) == 1
        names = _together([quoted(name) for name in found.perhaps])
        return ManifestError(
            f"{manifest}: {'column' if one else 'columns'} {names} may be {'an input' if one else 'inputs'}, and these"
            " credentials may not read the workflow's parameters",
            f"Name an input inputs.NAME, such as {quoted(PREFIX + found.perhaps[0])}, and add {_flags(found.perhaps)}"
            " to ignore what is no input.",
        )
    return None


def _is_known(heading: str) -> bool:
    return heading in OWN or heading.startswith(PREFIX) or folded(heading) in _HARMLESS


def _meant(heading: str, parameters: Collection[str], *, is_table: bool) -> str | None:
    """Return in words what a column is meant to be, None if it is used as it is, or nothing that is known."""
    if heading in OWN or (is_table and heading in parameters):
        return None
    name: str | None
    head, dot, tail = heading.partition(".")
    if dot and is_near(head, "inputs"):
        name = tail if tail in parameters else _nearest(tail, parameters) or tail
        if heading == PREFIX + name and is_table:
            return None
        return _input(name, is_table=is_table)
    if folded(heading) in _HARMLESS:
        return None
    name = heading if heading in parameters else _nearest(heading, (*OWN, *parameters))
    if name is None or is_table or name in OWN:
        return None if name is None else quoted(name)
    return _input(name, is_table=False)


def _input(name: str, *, is_table: bool) -> str:
    return quoted(PREFIX + name) if is_table else f'{quoted(name)} in "inputs"'


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return min(
        (each for each in known if is_near(name, each)),
        key=lambda each: _distance(folded(name), folded(each)),
        default=None,
    )


def is_near(name: str, known: str) -> bool:
    """Return whether a name is probably meant to be a known one: folded they are equal, or differ in few letters."""
    ours, theirs = folded(name), folded(known)
    if ours == theirs:
        return True
    if min(len(ours), len(theirs)) < SHORTEST or abs(len(ours) - len(theirs)) > MOST_DISTANCE:
        return False
    return _distance(ours, theirs) <= MOST_DISTANCE


def _distance(ours: str, theirs: str) -> int:
    """Return how many letters must be added, removed or replaced: the Levenshtein distance."""
    above = list(range(len(theirs) + 1))
    for row, letter in enumerate(ours, 1):
        current = [row]
        for column, other in enumerate(theirs, 1):
            current.append(min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != other)))
        above = current
    return above[-1]


def _together(words: list[str]) -> str:
    if len(words) > SHOWN:
        return f"{', '.join(words[:SHOWN])} and {len(words) - SHOWN:,} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _flags(names: Iterable[str]) -> str:
    return " ".join(_each_flag(list(names)[:SHOWN]))


def _each_flag(names: list[str]) -> Iterator[str]:
    for name in names:
        yield shlex.join(["--ignore-column", name])
