"""The keys of a job: looked for where the user says, renewed while the job runs, and named when they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from batcher.app.world import World
from batcher.edges.credentials import find_credentials
from batcher.errors import CredentialsError
from batcher.flow.credentials import Keys
from batcher.flow.drain import Drain
from batcher.model import Credentials
from batcher.rules.choices import Place
from batcher.rules.service.credentials import described, metadata_address

METADATA_SECONDS = 3.0
"""How long one request to the metadata service may take: it is next door, or it is not there."""


@asynccontextmanager
async def open_keys(
    place: Place | None, world: World, drain: Drain, warn: Callable[[str], None]
) -> AsyncIterator[Keys]:
    """Find the credentials, and keep them fresh; `warn` takes a sentence. Raises what looking for them raises."""
    address = metadata_address(world.environment.get("BATCHER_METADATA_URL", ""))
    async with world.connect(address, connections=1, timeout=METADATA_SECONDS) as metadata:
        found = await find_credentials(place, world.environment, metadata.send)
        for warning in found.warnings:
            warn(warning)
        renew = None if found.renew is None else _telling(found.renew, warn)
        keys = Keys(found.credentials, renew, lambda: drain.begun, world.clock)
        keeper = asyncio.create_task(keys.keep_fresh(asyncio.sleep))
        try:
            yield keys
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        if isinstance(drain.reason, CredentialsError):
            world.voice.say(f"the credentials: {described(keys.current)}")


def _telling(
    renew: Callable[[], Awaitable[Credentials]], warn: Callable[[str], None]
) -> Callable[[], Awaitable[Credentials | None]]:
    """Say why there are no new credentials, where there are none."""

    async def renewed() -> Credentials | None:
        try:
            return await renew()
        except CredentialsError as error:
            warn(f"the credentials cannot be renewed: {error}")
            return None

    return renewed
