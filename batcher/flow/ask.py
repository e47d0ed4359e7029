"""Asking without a side effect: a question that went unanswered may be asked again, a few times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from batcher.model import Described, Noun, Verdict
from batcher.rules.rate import backoff
from batcher.rules.service import verdicts

ATTEMPTS = 5
"""How often a question is asked at most."""

_AGAIN = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})


class Patience(NamedTuple):
    """What it takes to ask again."""

    sleep: Callable[[float], Awaitable[None]]
    """Waits for so many seconds; shorter if the job is to stop."""
    stopped: Callable[[], bool]
    """Tells whether the job sends nothing more."""
    draw: Callable[[], float]
    """Gives a random number from 0 to 1."""


async def ask_patiently(
    patience: Patience, now: Callable[[], float], ask: Callable[[], Awaitable[Described[Noun]]]
) -> Described[Noun]:
    """Ask until there is an answer that asking again would not change, ATTEMPTS times at most.

    `now` gives the service's time in POSIX seconds, by which a `Retry-After` that is a date is read.
    """
    attempt = 1
    while True:
        answer = await ask()
        if not _may_change(answer) or attempt == ATTEMPTS or patience.stopped():
            return answer
        await patience.sleep(backoff.wait(attempt, patience.draw(), answer.retry_after, now()))
        attempt += 1


def _may_change(answer: Described[Noun]) -> bool:
    if answer.status in verdicts.SUCCESS:
        return answer.is_garbled
    return verdicts.judge(answer, proven=True, repeated=False, trust_503=True) in _AGAIN
