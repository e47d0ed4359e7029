"""The credentials in use: which ones sign, and how others take their place, looked for once for everybody.

What to do when the service refuses them is decided by `flow/service.py`, the only one that signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from batcher.model import Credentials
from batcher.rules.service.credentials import is_due

LOOK_SECONDS = 60.0
"""How often it is checked whether credentials are due; a clock that is set or a machine that slept costs no more."""


class CredentialsInUse:
    """The credentials of a job. `are_proven` says whether a request signed with `current` was not refused.

    Whoever tries unproven ones or replaces them holds `alone`. `renew` looks again where they were found and gives None
    where they are not there; without it they are final. `now` gives POSIX seconds.
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
        """Look for other credentials than the current ones; None where there are none."""
        found = None if self._renew is None else await self._renew()
        return None if found == self.current else found

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Replace temporary ones before they expire, until cancelled. Meanwhile requests go on with the old ones."""
        while True:
            await sleep(LOOK_SECONDS)
            async with self.alone:
                if is_due(self.current, self._now()):
                    self.current = await self.find_newer() or self.current
