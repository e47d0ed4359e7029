"""What a watch has found of a job's executions, for the commands that look back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from batcher.edges.ends import database_of, reading_ends
from batcher.rules.choices import MOST_REDRIVES, RESTORED
from batcher.rules.ends.followed import Known
from batcher.rules.ends.redriven import Redriven
from batcher.rules.ends.summary import Cause


class SeenEnds(NamedTuple):
    """How the executions that a watch follows stand."""

    ends: Mapping[str, int]
    running: int
    causes: Sequence[Cause]
    redriven: Redriven
    has_restorable: bool
    """Whether an execution may be restored."""


def seen_ends(job: Path) -> SeenEnds | None:
    """Return what a watch has found, None if no watch has followed this job. Raises what reading the file raises."""
    with reading_ends(database_of(job)) as store:
        if store is None:
            return None
        has_restorable = bool(store.restorable(RESTORED, MOST_REDRIVES, 0, 1))
        return SeenEnds(dict(store.ends), store.running, store.causes(), store.redriven(), has_restorable)


def executions_named(job: Path, names: Sequence[str]) -> Mapping[str, Known]:
    """Return those of the executions that a watch follows, by name. Raises what reading the file raises."""
    with reading_ends(database_of(job)) as store:
        return {} if store is None else store.find(names)
