"""Asks a person before many executions are started: counts the rows that would be sent, up to a bound, then asks once.

The rows that are counted are kept, so that a manifest is read only once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from batcher.errors import ExitCode, JobError
from batcher.flow import engine
from batcher.flow.drain import Drain
from batcher.flow.resend import Sift
from batcher.model import Admitted, Found, Status
from batcher.rules.progress.counts import Tally

YES = frozenset({"y", "yes"})


class UnconfirmedError(JobError):
    """A person was asked, and did not want the executions to be started."""

    exit_code = ExitCode.UNACCEPTED


class Confirm(NamedTuple):
    """When to ask: above how many new rows; and how: `answers` asks a question and yields the answer."""

    above: int
    answers: Callable[[str], AsyncIterator[str]]


class Ahead:
    """Rows of a manifest that are sifted before the first start, and then given to the engine with all others."""

    def __init__(
        self,
        blocks: AsyncIterator[engine.Block],
        sift: Sift,
        decide: Callable[[Found], Admitted | None],
        tally: Tally,
        drain: Drain,
    ) -> None:
        self._blocks = blocks
        self._sift = sift
        self._decide = decide
        self._tally = tally
        self._drain = drain
        self._held: deque[Sequence[Found]] = deque()

    async def has_more_than(self, most: int) -> bool:
        """Read until more than `most` new rows would be sent, or to the end. Return whether there are more."""
        new = 0
        async with aclosing(self._drain.until(self._blocks)) as blocks:
            async for block in blocks:
                found, passed = await self._sift(block)
                # Only rows that need a decision are kept. All others are counted here.
                self._tally.rows += len(block) - len(found)
                self._tally.known += passed
                if found:
                    self._held.append(found)
                new += sum(map(self._is_new, found))
                if new > most:
                    break
        return new > most

    def _is_new(self, found: Found) -> bool:
        admitted = self._decide(found)
        return admitted is not None and admitted.new and admitted.status is Status.SENDING

    async def blocks(self) -> AsyncIterator[engine.Block]:
        """Give the rows that were kept, then those that were not read yet."""
        for found in [*self._held]:
            yield [each.row for each in found]
        async for block in self._blocks:
            yield block

    async def sift(self, block: engine.Block) -> tuple[Sequence[Found], Counter[Status]]:
        """Return what was found about the next block of `blocks`."""
        if self._held:
            return self._held.popleft(), Counter()
        return await self._sift(block)


async def is_confirmed(confirm: Confirm, question: str, drain: Drain) -> bool:
    """Ask once. Return whether the answer is yes. If the drain begins first, the answer does not matter."""
    given = [answer async for answer in drain.until(confirm.answers(f"batcher: {question} [y/N]"))]
    return bool(given) and given[0] in YES
