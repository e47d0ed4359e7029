"""Opens the service of a job: finds the credentials where the user says, keeps them fresh, and connects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from batcher.app.world import World
from batcher.edges.credentials import find_credentials
from batcher.errors import CredentialsError
from batcher.flow.ask import Patience
from batcher.flow.beside import beside
from batcher.flow.credentials import CredentialsInUse
from batcher.flow.drain import Drain
from batcher.flow.service import Clock, Service
from batcher.model import Credentials
from batcher.rules.choices import Place
from batcher.rules.service.credentials import described, metadata_address
from batcher.rules.service.dialect import Dialect
from batcher.rules.service.names import is_loopback

METADATA_SECONDS = 3.0
"""Time limit of a request to the metadata service. It is on the same host, or not there at all."""


class Site(NamedTuple):
    """Where a workflow is, and how to reach its service. `timeout` is in seconds, for each request.

    `verify_tls` may be a file of authorities to trust beside the system's.
    """

    endpoint: str
    workflow: str
    connections: int
    timeout: float
    verify_tls: bool | Path


@asynccontextmanager
async def open_service(  # noqa: PLR0913, PLR0917 - a job and its service meet here
    site: Site,
    credentials: CredentialsInUse,
    world: World,
    drain: Drain,
    warn: Callable[[str], None],
    dialect: Dialect,
) -> AsyncIterator[Service]:
    """Yield the service for as long as the block lasts. `warn` takes a sentence. Nothing is sent yet.

    Raises UsageError for a proxy or a file of authorities that cannot be used.
    """
    _say_how(site, world, warn)
    async with world.connect(
        site.endpoint, connections=site.connections, timeout=site.timeout, verify_tls=site.verify_tls
    ) as transport:
        clock = Clock(world.clock, world.steady)
        patience = Patience(drain.sleep, lambda: drain.begun, world.draw)
        yield Service(dialect, site.workflow, transport.send, credentials, clock, patience, warn)


def _say_how(site: Site, world: World, warn: Callable[[str], None]) -> None:
    """Say at every start what changes who can read the requests: a proxy, and an unverified certificate or none."""
    # Imported late, as in `world`.
    from batcher.edges.transport import proxy_to  # noqa: PLC0415

    proxy = proxy_to(site.endpoint)
    if proxy is not None:
        world.voice.say(f"requests go through the proxy {proxy.shown}, from {proxy.variable}")
    address = urlsplit(site.endpoint)
    if address.scheme == "http" and not is_loopback(address.hostname or ""):
        warn("--allow-http: requests are not encrypted; they can be read and changed on the way")
    elif not site.verify_tls:
        warn("--no-verify-tls: the service's certificate is not verified; requests can be read and changed on the way")


@asynccontextmanager
async def open_credentials(
    place: Place | None, world: World, drain: Drain, warn: Callable[[str], None]
) -> AsyncIterator[CredentialsInUse]:
    """Find the credentials, and keep them fresh. `warn` takes a sentence. Raises CredentialsError if there are none."""
    address = metadata_address(world.environment.get("BATCHER_METADATA_URL", ""))
    async with world.connect(address, connections=1, timeout=METADATA_SECONDS) as metadata:
        found = await find_credentials(place, world.environment, metadata.send)
        for warning in found.warnings:
            warn(warning)
        renew = None if found.renew is None else _warning(found.renew, warn)
        credentials = CredentialsInUse(found.credentials, renew, world.clock)
        async with beside(credentials.keep_fresh(asyncio.sleep), "credentials"):
            yield credentials
        if isinstance(drain.reason, CredentialsError):
            world.voice.say(f"credentials: {described(credentials.current)}")


def _warning(
    renew: Callable[[], Awaitable[Credentials]], warn: Callable[[str], None]
) -> Callable[[], Awaitable[Credentials | None]]:
    """Return `renew` as a function that warns instead of raising, and then returns None."""

    async def renewed() -> Credentials | None:
        try:
            return await renew()
        except CredentialsError as error:
            warn(f"the credentials cannot be renewed: {error}")
            return None

    return renewed
