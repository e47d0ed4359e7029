"""Whether the shards of a job account for each row of its list exactly once. Pure.

Every shard reads the whole list, and counts the rows that are not its own. So each of them knows the total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from batcher.model import Json
from batcher.rules.text import counted


class Count(NamedTuple):
    """What one shard has counted. `elsewhere` are the rows of other shards, None until it has read its list."""

    rows: int
    elsewhere: int | None
    read_whole: bool

    @property
    def total(self) -> int | None:
        """The number of rows of the whole list, by this shard. None until it has read all of it."""
        return self.rows + self.elsewhere if self.read_whole and self.elsewhere is not None else None


def total_of(of: int, counts: Mapping[int, Count]) -> int | None:
    """Return the number of rows of the list, None if that is not known yet, or if the shards do not agree."""
    totals = {count.total for count in counts.values()} - {None}
    return totals.pop() if len(totals) == 1 and len(counts) <= of else None


def faults(of: int, counts: Mapping[int, Count]) -> Iterator[str]:
    """Yield what is wrong with the totals, in sentences. What shards have not read yet is not missing."""
    totals = {number: count.total for number, count in sorted(counts.items()) if count.total is not None}
    if len(set(totals.values())) > 1:
        said = ", ".join(f"shard {number}: {total:,}" for number, total in totals.items())
        yield f"the shards have counted different numbers of rows in the list: {said}"
    elif totals:
        rows, total = sum(count.rows for count in counts.values()), next(iter(totals.values()))
        if rows > total or (rows < total and len(totals) == of):
            yield f"the shards have {counted(rows, 'row')} in all, but the list has {total:,}"


def combined(live: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Return the figures of shards that are running, as those of one run. Empty if none of them has answered.

    The total is left to the checkpoints, since shards that are not running have rows too.
    """
    if not live:
        return {}
    limits, ends = [each["limit"] for each in live], [each["eta"] for each in live]
    return {
        "total": None,
        "rate": sum(each["rate"] for each in live),
        "on_wire": sum(each["on_wire"] for each in live),
        "limit": None if None in limits else sum(limits),
        "eta": None if None in ends else [max(end[0] for end in ends), max(end[1] for end in ends)],
        "state": "",
    }
