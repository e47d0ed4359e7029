"""The live figures of several shards as those of one run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from batcher.model import Status
from batcher.rules.progress import answered
from batcher.rules.progress.answered import Answered
from batcher.rules.progress.eta import Range
from batcher.rules.progress.extent import Extent
from batcher.rules.progress.figures import Figures
from batcher.rules.rate.bottleneck import Cause

_SUMMED = (
    "rows", "started", "refused", "rejected", "invalid", "duplicate", "in_doubt", "requests", "retries", "on_wire",
    "rate", "pace",
)  # fmt: skip
_OF_A_WORKER = ("requests", "retries", "taken")
_SUMMED_IF_KNOWN = ("total", "left", "limit")


def summed(shards: Sequence[Mapping[str, Any]], of: int, seconds: float) -> Figures:
    """Return the figures of all `of` shards, given those of the shards that have begun, as documents.

    `seconds` is how long the processes have run. What one shard does not know yet is not known of all.
    """
    sums: dict[str, Any] = {name: sum(each[name] for each in shards) for name in _SUMMED}
    for name in _SUMMED_IF_KNOWN:
        values = [each[name] for each in shards]
        sums[name] = None if len(shards) < of or None in values else sum(values)
    total, left = sums["total"], sums["left"]
    ends = [each["eta"] for each in shards]
    is_known = len(shards) == of and None not in ends
    return Figures(
        **sums,
        chance=max((each["chance"] for each in shards), default=0.0),
        cause=next((Cause(each["cause"]) for each in shards if each["cause"]), None),
        slowed=_slowed(shards),
        oldest=max((each["oldest"] for each in shards if each["oldest"] is not None), default=None),
        state=next((each["state"] for each in shards if each["state"]), ""),
        fraction=None if not total or left is None else max(0.0, 1 - left / total),
        eta=Range(max(end[0] for end in ends), max(end[1] for end in ends)) if is_known else None,
        seconds=seconds,
    )


def as_one_shard(workers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the figures of a shard, given the last ones of all workers that it has had, the latest worker's last.

    What a run counts from its own beginning is summed; all else is as the latest worker shows it.
    """
    latest = workers[-1]
    if len(workers) == 1:
        return latest
    counts = [each["answered"] for each in workers]
    return {
        **latest,
        **{name: sum(each[name] for each in workers) for name in _OF_A_WORKER},
        "slowed": sum((Counter(each["slowed"]) for each in workers), Counter[str]()),
        "answered": None if None in counts else answered.document(answered.summed(counts)),
    }


def attempts_of(shards: Sequence[Mapping[str, Any]]) -> Answered:
    """Return the attempts of all shards together."""
    return answered.summed(each["answered"] for each in shards if each.get("answered"))


def _slowed(shards: Sequence[Mapping[str, Any]]) -> tuple[tuple[Cause, float], ...]:
    """Return the seconds of each cause, of all shards together."""
    seconds: Counter[str] = sum((Counter(each["slowed"]) for each in shards), Counter())
    return tuple((cause, seconds[cause.value]) for cause in Cause if cause.value in seconds)


def ended(latest: Mapping[str, Any], counts: Mapping[Status, int], whole: Extent) -> Mapping[str, Any]:
    """Return the figures of a shard whose process has ended, as a document.

    `latest` are the last that the process has shown, `counts` the rows in its checkpoint, and `whole` their extent.
    """
    named: dict[str, int] = {each.value: counts[each] for each in Status if each.value in _SUMMED}
    return {
        "requests": 0,
        "retries": 0,
        "chance": 0.0,
        "slowed": {},
        **latest,
        **named,
        "rows": sum(counts.values()),
        "total": whole.total,
        "left": whole.left,
        "limit": latest.get("limit"),
        "on_wire": 0,
        "rate": 0.0,
        "pace": 0.0,
        "oldest": None,
        "state": "",
        "cause": None,
        "eta": [0.0, 0.0],
    }
