"""The sample: which answered starts of a job are kept as controls. Pure.

The first starts are all near to whatever comes to be in doubt. A longer job keeps fewer of them for each span of time,
so that the sample stays bounded and most rows cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from batcher.rules.doubts.control import Control

MOST = 1000
"""The maximum number of controls of a job. When it is reached, every second one is dropped."""
PER_GROUP = 8
"""The maximum number of controls among rows that are settled together."""

T = TypeVar("T")


def gap(controls: Sequence[Control]) -> float:
    """Return the seconds between two groups that are sampled, so that the sample doubles as the job's time does."""
    controls = of_rows(controls)
    if len(controls) < MOST // 2:
        return 0.0
    times = [each.latest for each in controls]
    return (max(times) - min(times)) / (MOST // 2 // PER_GROUP)


def of_rows(controls: Sequence[Control]) -> Sequence[Control]:
    """Return the controls that are rows of the job. The others are starts that a user has accepted one by one."""
    return [each for each in controls if each.id > 0]


def of_group(group: Sequence[T]) -> Sequence[T]:
    """Choose from rows that are settled together."""
    return group[:: max(1, -(-len(group) // PER_GROUP))]


def thinned(controls: Sequence[Control]) -> Sequence[Control]:
    """Return the controls that are kept if there are too many."""
    rows = of_rows(controls)
    return controls if len(rows) <= MOST else [*(each for each in controls if each.id <= 0), *rows[::2]]
