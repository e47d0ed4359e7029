"""The credentials in use: which ones sign requests, and how they are replaced. All requests share one search.

`flow/service.py` signs, and decides what to do if the service refuses the credentials.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from batcher.model import Credentials
from batcher.rules.service.credentials import is_due

LOOK_SECONDS = 60.0
"""Seconds between two checks of the expiry time. Bounds the delay after a clock change or a suspended machine."""


class CredentialsInUse:
    """The credentials of a job. `are_proven` is true once the service has accepted a request signed with `current`.

    A caller that tries unproven credentials, or replaces them, must hold `alone`. `renew` reads the same source again
    and returns None if it has none; if `renew` is None, they are never replaced. `now` returns POSIX seconds.
    """

    def __init__(
        self,
        found: Credentials,
        renew: Callable[[], Awaitable[Credentials | None]] | None,
        now: Callable[[], float],
    ) -> None:
        self.current = found
        self.are_proven = False
        self.alone = asyncio.Lock()
        self._renew = renew
        self._now = now

    async def find_newer(self) -> Credentials | None:
        """Look for credentials that differ from the current ones. Return None if there are none."""
        found = None if self._renew is None else await self._renew()
        return None if found == self.current else found

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Replace temporary credentials before they expire, until cancelled. Requests use the old ones meanwhile."""
        while True:
            await sleep(LOOK_SECONDS)
            async with self.alone:
                if is_due(self.current, self._now()):
                    self.current = await self.find_newer() or self.current
