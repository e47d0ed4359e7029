"""The attempts at a shard as one: an outcome wins over a row that was given back, and that over an intent. Pure.

The latest attempt knows all that the earlier ones knew when it began. Since then an earlier one can only have settled
rows that were on the wire, or given back rows that it did not send. Anything else is an alarm.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from batcher.model import Status

OPEN = frozenset({Status.SENDING, Status.IN_DOUBT})
"""The statuses in the latest attempt that what an earlier one has settled takes the place of."""


class Settled(NamedTuple):
    """A settled row of an attempt, by what is compared. `name` is that of its execution, empty if it is not started."""

    id: int
    key: bytes
    copy: int
    number: int
    status: Status
    name: str


class Merged(NamedTuple):
    """What earlier attempts add to the latest one: rows that are open there, by their ids, and alarms in sentences."""

    late: Mapping[int, Settled]
    alarms: list[str]


Inherited: TypeAlias = Mapping[int, Collection[int]]
"""The ids of the rows that were open in an earlier attempt when its files were copied, by its number.

Rows that were released since are left out: what the earlier attempt has settled before says nothing about them.
"""


def encoded(inherited: Inherited) -> str:
    """Write them as JSON."""
    return json.dumps({number: sorted(ids) for number, ids in inherited.items()})


def decoded(text: str) -> dict[int, set[int]]:
    """Read what `encoded` wrote, or an empty text."""
    return {int(number): set(ids) for number, ids in (json.loads(text) if text else {}).items()}


def merged(
    earlier: Iterable[tuple[int, Settled]], latest: Mapping[int, Settled], opened: Collection[int], inherited: Inherited
) -> Merged:
    """Merge what earlier attempts, given with their numbers, have settled into the latest one.

    `latest` are its settled rows by their ids, `opened` the ids of those that are open in it. Rows that are the same in
    both may be left out of `earlier`. The order of `earlier`, and repetitions in it, make no difference.
    """
    late: dict[int, Settled] = {}
    alarms: set[tuple[int, str]] = set()
    for attempt, row in earlier:
        own = latest.get(row.id)
        if row.id in opened and row.id in inherited.get(attempt, ()):
            known = late.get(row.id, row)
            if known.name and row.name and known.name != row.name:
                alarms.add((row.number, _twice(row.number, known.name, row.name)))
            late[row.id] = max(known, row, key=_weight)
        elif row.status is Status.STARTED and (own is None or own.key != row.key or not own.name):
            alarms.add((row.number, _unknown(row, attempt)))
        elif own is not None and row.status is Status.STARTED and own.name != row.name:
            alarms.add((row.number, _twice(row.number, own.name, row.name)))
    return Merged(late, [said for _, said in sorted(alarms)])


def _weight(row: Settled) -> tuple[bool, bool, str]:
    return row.status is Status.STARTED, row.status is not Status.PENDING, row.name


def _twice(number: int, one: str, other: str) -> str:
    one, other = sorted((one, other))
    return f"row {number:,} was started by two attempts, as execution {one} and as {other}"


def _unknown(row: Settled, attempt: int) -> str:
    return (
        f"row {row.number:,} was started by attempt {attempt} as execution {row.name}, and the latest attempt does not"
        " know this"
    )
