"""Asks about a bucket, once a turn, until the answer shows what was asked for or ends the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from batcher.errors import JobError
from batcher.flow.drain import Drain
from batcher.flow.service import Service
from batcher.flow.turns import Turns
from batcher.model import Answer, Described, Fault, Noun, Reply
from batcher.rules.bucket import refusals
from batcher.rules.rate import backoff
from batcher.rules.service.dialect import Call

ATTEMPTS = 40
"""The most times that a question is asked while the service can be reached: about half an hour."""
FIRST_ATTEMPTS = 5
"""The most times that a service is asked that has never answered."""


@dataclass(slots=True)
class Questions:
    """Questions about one bucket: paced, retried, and each answer judged."""

    service: Service
    turns: Turns
    drain: Drain
    draw: Callable[[], float]

    async def ask(
        self,
        call: Call,
        read: Callable[[Reply], Described[Noun]],
        refused: Callable[[Answer], JobError],
        is_final: Callable[[Answer], bool] = lambda _: False,
    ) -> Described[Noun] | None:
        """Return an answer with a noun, or one that is too large. Return None if the drain begins first.

        Raises what `refused` makes of an answer after which nothing more is asked: one that proves something, the last
        one, or one that `is_final`.
        """
        attempt = 0
        while (turn := await self.turns.take()) is not None:
            answer = await self.service.ask(call, read)
            attempt += 1
            verdict = refusals.verdict_on(answer, is_repeated=attempt > 1)
            self.turns.learn(turn, verdict, answer, self.turns.monotonic())
            if answer.noun is not None or answer.fault is Fault.OVERSIZED:
                return answer
            # In an outage the turns send one probe a second, and end the job in the end.
            most_attempts = inf if self.turns.is_away else ATTEMPTS if self.service.now() else FIRST_ATTEMPTS
            if verdict not in refusals.AGAIN or attempt >= most_attempts or is_final(answer):
                raise refused(answer)
            await self.drain.sleep(
                backoff.wait(min(attempt, 6), self.draw(), answer.retry_after, self.turns.service_now())
            )
        return None
