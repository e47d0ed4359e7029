"""Opens a bucket at its endpoint, for the commands that ask about its objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from batcher.app.service import Site, open_service
from batcher.app.world import World
from batcher.flow.bucket_questions import Questions
from batcher.flow.credentials import CredentialsInUse
from batcher.flow.drain import Drain
from batcher.flow.turns import Turns
from batcher.options.groups import Connection
from batcher.rules.bucket.host import BucketHost, bucket_host
from batcher.rules.rate.throttle import Throttle
from batcher.rules.service.dialects import dwr_region
from batcher.rules.service.names import endpoint as endpoint_of
from batcher.rules.service.names import region_endpoint

FIRST_RATE = 100.0
"""Requests per second to begin with. An account may list 1,000 by default, and refusals lower the rate."""


class BucketPlace(NamedTuple):
    """Where buckets are, and how to reach them. `max_outage` is in seconds."""

    endpoint: str
    connection: Connection
    allow_http: bool = False
    max_outage: float = 900.0

    def host(self, bucket: str) -> BucketHost:
        """Return the address of a bucket. Raises UsageError for an invalid endpoint."""
        return bucket_host(endpoint_of(self.endpoint, allow_http=self.allow_http), bucket)


def obs_endpoint(endpoint: str) -> str:
    """Return the endpoint of OBS that belongs to an endpoint: its own, or for DWR that of the same region."""
    region = dwr_region(endpoint)
    return endpoint if region is None else region_endpoint(region)


@asynccontextmanager
async def open_bucket(  # noqa: PLR0913, PLR0917 - a bucket and its service meet here
    place: BucketPlace,
    host: BucketHost,
    connections: int,
    credentials: CredentialsInUse,
    world: World,
    drain: Drain,
) -> AsyncIterator[Questions]:
    """Yield what asks about one bucket. Nothing is sent yet. Raises UsageError as `open_service`."""
    site = Site(host.origin, "", connections, place.connection.timeout, place.connection.trust)
    async with open_service(site, credentials, world, drain, world.voice.warn, host.dialect) as service:
        turns = Turns(
            drain=drain,
            throttle=Throttle(first=FIRST_RATE),
            monotonic=world.monotonic,
            service_now=service.now,
            max_outage=place.max_outage,
        )
        yield Questions(service, turns, drain, world.draw)
