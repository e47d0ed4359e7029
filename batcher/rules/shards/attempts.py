"""The attempts of a shard: each process that works on it claims a number, and the highest number may send. Pure.

A process makes its intents durable, then looks for a higher claim, then sends. Its successor claims, then reads what is
durable. Each writes before it reads, so that one of them sees the other. No clock is needed for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from msgspec import Struct, ValidationError, convert, to_builtins

from batcher.rules.shards.assignment import Shard
from batcher.rules.shards.plan import stem

VERSION = 1
_NAMED = re.compile(r"(?P<shard>shard-[0-9]{5,})(?:\.a(?P<number>[0-9]{6,}))?(?P<suffix>\.[a-z.]+)")
CLAIM, ENDED, BEAT = ".claim", ".ended", ".beat"
CHECKPOINT, RECORDS = ".checkpoint", ".executions.jsonl"


class Machine(NamedTuple):
    """What identifies a running system: the name of the host and a random id that it was given when it booted."""

    host: str
    boot: str


class Claim(Struct, frozen=True):
    """What the claim of an attempt says. `files` is the number of the attempt whose files it writes."""

    number: int
    files: int
    host: str
    boot: str
    process: int
    version: int = VERSION

    @property
    def machine(self) -> Machine:
        """The system that its process runs on."""
        return Machine(self.host, self.boot)

    @property
    def who(self) -> str:
        """Which process it is, for a person."""
        return f"process {self.process} on {self.host} (attempt {self.number})"


def encoded(claim: Claim) -> bytes:
    """Write a claim as JSON in ASCII."""
    return json.dumps(to_builtins(claim)).encode() + b"\n"


def decoded(text: bytes) -> Claim | None:
    """Read what `encoded` wrote. None if it is not that, or of a later version."""
    try:
        claim = convert(json.loads(text), Claim)
    except (ValueError, ValidationError):
        return None
    return claim if claim.version == VERSION else None


def stem_of(shard: str, number: int) -> str:
    """Return how the names of the files of an attempt begin, given how those of its shard do."""
    return shard if number == 1 else f"{shard}.a{number:06}"


def mark_of(shard: str, number: int, suffix: str) -> str:
    """Return the name of the claim of an attempt, or of the mark of its end."""
    return f"{shard}.a{number:06}{suffix}"


class Named(NamedTuple):
    """What the name of a file in a run folder says: how those of its shard begin, whose attempt it is, its suffix."""

    shard: str
    number: int
    suffix: str


def named(name: str) -> Named | None:
    """Take the name of a file apart. None if it is not of an attempt."""
    found = _NAMED.fullmatch(name)
    return found and Named(found["shard"], int(found["number"] or 1), found["suffix"])


def is_named_for(name: str, shard: Shard) -> bool:
    """Return whether a checkpoint with this name is that of an attempt at a shard."""
    found = named(name)
    return found is not None and found.suffix == CHECKPOINT and found.shard == stem(shard)


def is_of_shard(name: str) -> bool:
    """Return whether a checkpoint with this name is that of a shard."""
    found = named(name)
    return found is not None and found.suffix == CHECKPOINT


def latest(names: Iterable[str], suffix: str) -> dict[str, str]:
    """Return the names of the latest files with this suffix, in the order of their shards, which are the keys."""
    found = sorted((each, name) for name in names if (each := named(name)) is not None and each.suffix == suffix)
    return {each.shard: name for each, name in found}


def files_in(names: Iterable[str], shard: str) -> int:
    """Return the number of the attempt whose files are the latest of a shard. The first attempt's need not exist."""
    numbers = [
        each.number
        for each in map(named, names)
        if each is not None and each.shard == shard and each.suffix in {CHECKPOINT, RECORDS}
    ]
    return max(numbers, default=1)


def all_files(names: Iterable[str], shard: str, suffix: str) -> list[str]:
    """Return the names of the files of a shard with this suffix, in the order of the attempts that made them."""
    found = sorted((each, name) for name in names if (each := named(name)) is not None and each.shard == shard)
    return [name for each, name in found if each.suffix == suffix]


class Step(Enum):
    """What a process does that comes to a shard."""

    CONTINUE = "continue"
    """Write the files that the former attempt has written: no other process will."""
    SUCCEED = "succeed"
    """Write files of its own, which begin as copies: another process may still write the former ones."""
    WAIT = "wait"


def step(claims: Sequence[Claim], ended: Collection[int], files: int, *, has_stood_still: bool) -> Step:
    """Decide what a process does that finds these claims, in their order. Those of `ended` have proven to be over.

    `files` are those of the latest attempt that has any. `has_stood_still`: the latest claim's process has given no
    sign of life for as long as was agreed, or a person says that it is dead.
    """
    if claims and claims[-1].number not in ended and not has_stood_still:
        return Step.WAIT
    writers = {each.number for each in claims if each.files == files}
    return Step.CONTINUE if writers <= set(ended) else Step.SUCCEED


def unproven(claims: Iterable[Claim], ended: Collection[int], before: int) -> list[Claim]:
    """Return the claims before a number whose processes may still send what they had intended to send."""
    return [each for each in claims if each.number < before and each.number not in ended]


class Patience:
    """Measures for how long a value stood still, by a clock of its own reader. Times are in seconds."""

    def __init__(self) -> None:
        self._seen: object = self
        self._since = 0.0

    def seconds(self, value: object, now: float) -> float:
        """Return for how long this value has been the same."""
        if value != self._seen:
            self._seen, self._since = value, now
        return now - self._since


def without(names: Mapping[str, str], shard: str) -> list[str]:
    """Return the latest files of the other shards."""
    return [name for each, name in names.items() if each != shard]
