"""The options of `batcher redrive`.

No `from __future__ import annotations` here: the annotations are read at run time.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from batcher.options.declaring import Option
from batcher.options.kinds import Kind
from batcher.options.watching import WatchOptions
from batcher.rules.choices import MOST_REDRIVES, RESTORED, Failure

_WORDS = tuple(end.value for end in Failure)


def _ends(given: Any) -> tuple[Failure, ...]:
    words = given.split(",") if isinstance(given, str) else given
    if not isinstance(words, Iterable):
        raise ValueError  # noqa: TRY004 - what a kind raises
    ends = tuple(dict.fromkeys(Failure(str(word).strip()) for word in words))
    if not ends:
        raise ValueError
    return ends


ENDS_OF_FAILURE = Kind(
    _ends,
    f"one or more of {', '.join(_WORDS)}, separated by commas",
    "str | Iterable[str]",
    "END,...",
    show=lambda ends: ",".join(map(str, ends)),
    choices=_WORDS,
)


class RedriveOptions(WatchOptions):
    """The options of `batcher redrive`: those of a watch, and which executions to restore."""

    group = "Redriving"

    only: Annotated[
        tuple[Failure, ...],
        Option("Restore executions that ended in one of these ways.", ENDS_OF_FAILURE, default="failed,timed_out"),
    ] = RESTORED
    max_redrives: Annotated[int, Option("How often an execution is restored at most.", least=1)] = MOST_REDRIVES
    concurrency: Annotated[int, Option("Number of restores at a time.", least=1, most=10_000)] = 16
    dry_run: Annotated[
        bool,
        Option("Show what would be restored, by what the last watch has found, and restore nothing.", is_spoken=True),
    ] = False
