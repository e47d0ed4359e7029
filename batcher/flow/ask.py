"""Asking without a side effect: a lost or failed answer may simply be asked for again, a few times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from batcher.model import Answer, Verdict
from batcher.rules.rate import backoff
from batcher.rules.service import verdicts

ATTEMPTS = 5
"""So often a question is asked before its answer is done without."""

_AGAIN = frozenset({Verdict.UNSENT, Verdict.REFUSED, Verdict.IN_DOUBT})


class Asker(Protocol):
    """What it takes to wait between two attempts: both an inquiry and an examination have it."""

    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]:
        """Waits for seconds."""

    @property
    def stopped(self) -> Callable[[], bool]:
        """Tells whether the job stops."""

    @property
    def now(self) -> Callable[[], float]:
        """Gives the service's time in POSIX seconds."""

    @property
    def draw(self) -> Callable[[], float]:
        """Gives a random number from 0 to 1."""


async def asked(asker: Asker, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until there is an answer that asking again would not change, ATTEMPTS times at most."""
    attempt = 1
    while True:
        answer = await ask()
        verdict = verdicts.judge(answer, proven=True, repeated=False, trust_503=True)
        if answer.body is not None or verdict not in _AGAIN or attempt == ATTEMPTS or asker.stopped():
            return answer
        await asker.sleep(backoff.wait(attempt, asker.draw(), answer.retry_after, asker.now()))
        attempt += 1
