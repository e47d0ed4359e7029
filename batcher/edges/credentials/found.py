"""The result of looking for credentials, the same for every place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from batcher.model import Credentials, Lost, Reply

Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply | Lost]]
"""Sends one request (method, target, headers, body) to the metadata service and returns the result."""


class Found(NamedTuple):
    """Credentials, and how to read them again from the same place."""

    credentials: Credentials
    renew: Callable[[], Awaitable[Credentials]] | None = None
    """Reads the credentials again, and raises CredentialsError if they are gone. None if they cannot change."""
    warnings: tuple[str, ...] = ()
