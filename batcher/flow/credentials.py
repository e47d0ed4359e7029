"""The keys: which credentials sign, when others take their place, and what is done when the service refuses them.

A refusal of keys proves that nothing ran, so the same request may be sent again with other keys, and only with others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from batcher.model import Answer, Credentials, Fault
from batcher.rules.service import verdicts
from batcher.rules.service.credentials import is_due

Ask = Callable[..., Awaitable[Answer]]
"""Sends one request, signed with the credentials that come before all that makes it this request."""

LOOK_SECONDS = 60.0
"""So often it is looked whether keys are due; a clock that is set or a machine that slept costs no more than this."""

STOPPED = Answer(fault=Fault.UNREACHED, message="the job stops, nothing was sent")


class Keys:
    """The credentials in use. Whoever waits for other ones waits for the same look for them.

    `renew` looks again where they were found and gives None where they are not there; without it they are final.
    `stopped` tells whether the job sends nothing more, `now` gives POSIX seconds.
    """

    def __init__(
        self,
        credentials: Credentials,
        renew: Callable[[], Awaitable[Credentials | None]] | None,
        stopped: Callable[[], bool],
        now: Callable[[], float],
    ) -> None:
        self.current = credentials
        self._renew = renew
        self._stopped = stopped
        self._now = now
        self._tried = False
        """Whether a request with keys like these was not refused."""
        self._alone = asyncio.Lock()

    async def use(self, ask: Ask, *request: Any) -> Answer:
        """Ask with the credentials in use; where the service refuses them, once more with newer ones if there are any.

        Until a request has shown that keys are not refused, it is alone on its way: a key that sends many requests
        with a wrong signature is blocked.
        """
        while self._tried:
            lent = self.current
            answer = await ask(lent, *request)
            if not verdicts.refuses_keys(answer):
                return answer
            async with self._alone:
                if self._stopped():
                    return answer
                if self.current is lent:
                    return await self._ask_with_newer(ask, request, answer)
        has_to_wait = self._alone.locked()
        async with self._alone:
            if has_to_wait and self._stopped():
                return STOPPED
            if not self._tried:
                return await self._ask_first(ask, request)
        return await self.use(ask, *request)

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Replace temporary keys before they expire, until cancelled. Meanwhile requests go on with the old ones."""
        while True:
            await sleep(LOOK_SECONDS)
            async with self._alone:
                if is_due(self.current, self._now()):
                    self.current = await self._newer() or self.current

    async def _ask_first(self, ask: Ask, request: tuple[Any, ...]) -> Answer:
        answer = await ask(self.current, *request)
        self._tried = not verdicts.refuses_keys(answer)
        return answer if self._tried else await self._ask_with_newer(ask, request, answer)

    async def _ask_with_newer(self, ask: Ask, request: tuple[Any, ...], refusal: Answer) -> Answer:
        newer = await self._newer()
        if newer is None or self._stopped():
            return refusal
        self.current = newer
        answer = await ask(newer, *request)
        self._tried = not verdicts.refuses_keys(answer)
        return answer

    async def _newer(self) -> Credentials | None:
        found = None if self._renew is None else await self._renew()
        return None if found == self.current else found
