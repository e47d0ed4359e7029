"""Which shard of a job a process works on: from --shard, or from the environment of a scheduler. Pure.

There is no default: what is assigned in part must not be taken for the whole list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from batcher.errors import UsageError
from batcher.rules.text import counted

MOST = 10_000
"""The largest number of shards of a job."""
SHARD, COUNT = "BATCHER_SHARD", "BATCHER_SHARDS"
"""The environment variables with a shard as --shard takes it, and with the number of shards for a scheduler's index."""

_SLURM = "SLURM_ARRAY_TASK_ID"
_INDEXES: Mapping[str, str] = {
    "JOB_COMPLETION_INDEX": "",
    _SLURM: "SLURM_ARRAY_TASK_MIN",
    "AWS_BATCH_JOB_ARRAY_INDEX": "",
}
"""The variable of each scheduler with the index of a process, and the one with the first index, if that is not 0.

https://kubernetes.io/docs/tasks/job/indexed-parallel-processing-static/, https://slurm.schedmd.com/job_array.html and
https://docs.aws.amazon.com/batch/latest/userguide/array_index_example.html
"""
_SLURM_COUNT = "SLURM_ARRAY_TASK_COUNT"

_ADVICE = (
    f"Set {COUNT} to the number of shards, or give --shard I/N; shards count from 0. For a list of its own in each"
    " process, unset the variable, or give --shard 0/1."
)
_WRITTEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


class Shard(NamedTuple):
    """One of the `of` shards of a job. `number` counts from 0."""

    number: int
    of: int

    def __str__(self) -> str:
        """Write it as --shard does."""
        return f"{self.number}/{self.of}"


def parsed(text: str) -> Shard:
    """Read I/N. Raises ValueError if it is something else, and UsageError if there is no such shard."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return _existing(int(found[1]), int(found[2]))


def assigned(environment: Mapping[str, str]) -> Shard | None:
    """Return the shard that the environment assigns to this process, None if it assigns none.

    Raises UsageError if it says different things, or only a part of what is needed.
    """
    whole = _whole_shard(environment)
    numbers, counts = dict(_numbers(environment)), dict(_counts(environment))
    if whole is not None:
        numbers[SHARD], counts[SHARD] = whole
    if not numbers and not counts:
        return None
    if not numbers:
        raise UsageError(f"{COUNT} is set, but no index of a shard", f"Give --shard I/N, or unset {COUNT}.")
    name = next(iter(numbers))
    if not counts:
        raise UsageError(f"{name} is set, but not the number of shards", _ADVICE)
    _need_one("different shards", numbers)
    _need_one("different numbers of shards", counts)
    try:
        shard = _existing(numbers[name], next(iter(counts.values())))
    except UsageError as error:
        raise UsageError(f"{name}: {error}", error.advice) from None
    tasks = environment.get(_SLURM_COUNT, "") if _SLURM in numbers else ""
    if tasks and _whole(_SLURM_COUNT, tasks) != shard.of:
        raise UsageError(
            f"there are {shard.of} shards, but {_SLURM_COUNT} is {tasks}",
            "Submit the array with all of its tasks, or give --shard I/N to a task that is submitted alone.",
        )
    return shard


def _whole_shard(environment: Mapping[str, str]) -> Shard | None:
    written = environment.get(SHARD)
    try:
        return parsed(written) if written else None
    except ValueError:
        raise UsageError(f"{SHARD}: expected a shard such as 0/8") from None


def _numbers(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for name, first in _INDEXES.items():
        if environment.get(name):
            base = _whole(first, environment.get(first) or "0") if first else 0
            yield name, _whole(name, environment[name]) - base


def _counts(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    if environment.get(COUNT):
        yield COUNT, _whole(COUNT, environment[COUNT])


def _need_one(what: str, found: Mapping[str, int]) -> None:
    if len(set(found.values())) > 1:
        said = ", ".join(f"{name} {value}" for name, value in found.items())
        raise UsageError(f"the environment gives {what}: {said}", "Unset what is not meant, or give --shard I/N.")


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"{name}: expected a whole number", _ADVICE)
    return int(text)


def _existing(index: int, of: int) -> Shard:
    if not 1 <= of <= MOST:
        raise UsageError(f"{of:,} shards: a job has 1 to {MOST:,}")
    if not 0 <= index < of:
        raise UsageError(
            f"shard {index}: there is no such shard among {counted(of, 'shard')}", f"They are 0 to {of - 1}."
        )
    return Shard(index, of)
