"""The canary of a job: the rows that are started and watched before all others, and what follows from their ends. Pure.

Its state is a fact of the checkpoint, so that a run that was interrupted goes on with the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from batcher.model import Json
from batcher.rules.ends.ending import End
from batcher.rules.ends.figures import WatchFigures, document, parts
from batcher.rules.text import counted, plain


class Verdict(StrEnum):
    """What is decided about a canary."""

    OPEN = "open"
    """Its rows are started or watched."""
    PASSED = "passed"
    FAILED = "failed"
    DECLARED = "declared passed"
    """The user has declared it passed."""


GOES_ON = frozenset({Verdict.PASSED, Verdict.DECLARED})
"""The verdicts after which all rows are started."""


class Tried(StrEnum):
    """Whether rows are left that could be canaries."""

    SOME = "some"
    CANDIDATES = "candidates"
    """Every candidate was tried, and more rows are in the list."""
    LIST = "list"
    """Every row of the list was tried."""


class Canary(NamedTuple):
    """A canary of `number` rows, of which `success` percent have to succeed."""

    number: int
    success: float
    pinned: tuple[str, ...] = ()
    """The identities of its candidates, in the order of trial, as hexadecimal digits."""
    tried: Tried = Tried.SOME
    verdict: Verdict = Verdict.OPEN
    ends: Mapping[str, int] = {}
    """How its executions ended, once the verdict is known."""

    def is_started(self, started: int) -> bool:
        """Return whether no more rows are to be started for it, if this number of them has started."""
        return started >= self.number or self.tried is not Tried.SOME

    @property
    def lacks_rows(self) -> bool:
        """Whether too few of its candidates could be started."""
        return self.tried is Tried.CANDIDATES and sum(self.ends.values()) < self.number

    @property
    def has_succeeded(self) -> bool:
        """Whether enough of its executions succeeded. A list without a row that can be started needs no canary."""
        total, succeeded = sum(self.ends.values()), self.ends.get(End.SUCCEEDED, 0)
        return not self.lacks_rows and succeeded * 100 >= self.success * total

    def judged(self, ends: Mapping[str, int]) -> Canary:
        """Return the canary with its verdict, now that all of its executions have ended."""
        ended = self._replace(ends=dict(ends))
        return ended._replace(verdict=Verdict.PASSED if ended.has_succeeded else Verdict.FAILED)

    @property
    def result(self) -> str:
        """How many of its executions succeeded, in words."""
        total, succeeded = sum(self.ends.values()), self.ends.get(End.SUCCEEDED, 0)
        if self.lacks_rows:
            return f"only {total:,} of {counted(self.number, 'row')} could be started, and {succeeded:,} succeeded"
        return f"{succeeded:,} of {counted(total, 'execution')} succeeded"

    @property
    def document(self) -> dict[str, Json]:
        """The canary by name for a program."""
        return {
            "number": self.number,
            "success": self.success,
            "verdict": self.verdict.value,
            "ends": dict(self.ends),
        }

    @property
    def words(self) -> str:
        """The state of the canary in one line."""
        if self.verdict is Verdict.OPEN:
            return f"canary: {counted(self.number, 'row')} to be started and watched first"
        needed = f", {plain(self.success)}% have to" if self.verdict is Verdict.FAILED and not self.lacks_rows else ""
        return f"canary: {self.verdict}, {self.result}{needed}" if self.ends else f"canary: {self.verdict}"


def encoded(canary: Canary) -> str:
    """Write a canary for the checkpoint."""
    return json.dumps(canary._asdict())


def decoded(text: str | int | None) -> Canary | None:
    """Read what `encoded` wrote. None if there is nothing."""
    if text is None:
        return None
    fields = json.loads(str(text))
    return Canary(
        fields["number"],
        fields["success"],
        tuple(fields["pinned"]),
        Tried(fields["tried"]),
        Verdict(fields["verdict"]),
        fields["ends"],
    )


def shown(figures: WatchFigures) -> list[str]:
    """Return the parts of the progress line while the canaries are watched."""
    bad = sum(count for end, count in figures.ends.items() if end != End.SUCCEEDED)
    ended = f"canary: {figures.total - figures.running:,} of {figures.total:,} ended"
    # All but the counts is as in any other watch.
    rest = [part for part in parts(figures)[1:] if "finished a minute" in part or part.startswith(("eta", "("))]
    return [ended, f"{bad:,} failed", *rest]


def figures_of(figures: WatchFigures) -> dict[str, Json]:
    """Return the figures by name for a program."""
    return {"phase": "canary", **document(figures)}


def causes(found: Sequence[tuple[str, str | None, str | None]]) -> list[tuple[str, str, str, int]]:
    """Group executions that did not succeed by end, state and message, the most frequent first."""
    counts: dict[tuple[str, str, str], int] = {}
    for end, state, message in found:
        kind = (end, state or "", message or "")
        counts[kind] = counts.get(kind, 0) + 1
    return [(*kind, count) for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
