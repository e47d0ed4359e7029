"""The options of `batcher watch`, and those of `batcher run --watch`.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from pathlib import Path
from typing import Annotated

from batcher.options.at_end import AtEnd
from batcher.options.declaring import Option, Options, derived
from batcher.options.groups import (
    CHECKPOINT,
    ENDS,
    MAX_OUTAGE,
    MAX_RATE,
    PROGRESS,
    SPREADSHEET,
    Connection,
    Doubts,
    ForPrograms,
    OfJob,
)
from batcher.options.kinds import DURATION
from batcher.options.measuring import Measured
from batcher.rules.choices import Mode
from batcher.rules.ends.pause import MOST


class Watching(Options):
    """How to follow executions to their end."""

    group = "Watching"

    deadline: Annotated[
        float | None, Option("Stop watching after this time, such as 8h; the executions go on.", DURATION, least=0)
    ] = None
    interval: Annotated[
        float, Option("Longest time between two looks at the execution list.", DURATION, least=1, default="5m")
    ] = MOST
    details: Annotated[int, Option("Number of failed executions to ask for the cause.", least=0)] = 20


class Watched(Watching):
    """Whether a run follows its executions."""

    group = "Watching"

    watch: Annotated[bool, Option("Follow the executions to their end, as batcher watch does.")] = False


class Gentle(Options):
    """How fast to ask."""

    group = "Pace"

    max_rate: Annotated[float | None, MAX_RATE._replace(help="Maximum requests per second.")] = None


class Enduring(Options):
    """When to stop before the end."""

    group = "Stopping"

    max_outage: Annotated[float, MAX_OUTAGE] = 900.0


def default_ends(checkpoint: Path) -> Path:
    """Return where a watch of this job writes its end records."""
    if checkpoint.is_dir():
        return checkpoint / f"job{ENDS}"
    return checkpoint.with_name(checkpoint.name.removesuffix(CHECKPOINT) + ENDS)


class WatchOptions(OfJob, Connection, Doubts, Gentle, Enduring, Watching, ForPrograms, AtEnd, Measured):
    """The options of `batcher watch`."""

    group = "Output"

    output: Annotated[
        Path,
        Option(
            "File for the end records; its suffix selects JSON Lines or CSV.",
            short="-o",
            default="MANIFEST.ends.jsonl",
        ),
    ] = derived(factory=lambda options: default_ends(options.checkpoint))
    spreadsheet: Annotated[bool, SPREADSHEET] = False
    progress: Annotated[Mode, PROGRESS] = Mode.AUTO
