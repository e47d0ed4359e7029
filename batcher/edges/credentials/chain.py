"""The places to look for credentials, in order. The first place that has any is the only one used."""

from __future__ import annotations

from collections.abc import Mapping

from batcher.edges.credentials.environment import FAMILIES, in_environment
from batcher.edges.credentials.file import in_file
from batcher.edges.credentials.found import Found, Send
from batcher.edges.credentials.metadata import in_metadata
from batcher.errors import CredentialsError
from batcher.rules.choices import Place


async def find_credentials(place: Place | None, environment: Mapping[str, str], send: Send) -> Found:
    """Look in one place, or in all places until one has credentials. `send` sends requests to the metadata service.

    Raises CredentialsError if there are none, or if those found cannot be used.
    """
    missing = []
    for each in [place] if place else Place:
        found = await _look(each, environment, send)
        if isinstance(found, Found):
            return found
        missing.append(found)
    family = FAMILIES[0]
    raise CredentialsError(
        f"no credentials found: {'; '.join(missing)}",
        f"Set {family.access_key} and {family.secret_key}, and for temporary credentials {family.security_token}.",
    )


async def _look(place: Place, environment: Mapping[str, str], send: Send) -> Found | str:
    match place:
        case Place.ENV:
            return in_environment(environment)
        case Place.FILE:
            return await in_file(environment)
        case Place.ECS:
            return await in_metadata(send)
