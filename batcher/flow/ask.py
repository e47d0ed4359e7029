"""Repeats requests that have no side effect: a request without an answer is sent again, up to ATTEMPTS times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from batcher.model import Described, Fault, Noun, Verdict
from batcher.rules.rate import backoff
from batcher.rules.service import verdicts

ATTEMPTS = 5
"""The maximum number of times that a request is sent."""

_AGAIN = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})


class Patience(NamedTuple):
    """What is needed to send a request again."""

    sleep: Callable[[float], Awaitable[None]]
    """Waits for this number of seconds, or until the job stops."""
    stopped: Callable[[], bool]
    """Returns whether the job has stopped sending."""
    draw: Callable[[], float]
    """Returns a random number from 0 to 1."""


async def ask_patiently(
    patience: Patience, now: Callable[[], float], ask: Callable[[], Awaitable[Described[Noun]]]
) -> Described[Noun]:
    """Ask until the answer is one that another request would not change, up to ATTEMPTS times.

    `now` returns the service's time in POSIX seconds. A `Retry-After` that is a date is compared with it.
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
    if answer.fault is Fault.OVERSIZED:
        return False
    return verdicts.judge(answer, proven=True, repeated=False, trust_503=True) in _AGAIN
