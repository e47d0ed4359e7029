"""What a look for credentials gives, wherever it looked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from batcher.model import Credentials, Lost, Reply

Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply | Lost]]
"""Sends method, target, headers and body to the metadata service once, and says what came of it."""


class Found(NamedTuple):
    """Credentials, and how to look for them again in the same place."""

    credentials: Credentials
    renew: Callable[[], Awaitable[Credentials]] | None = None
    """Raises CredentialsError where they are not there any more; None where nothing can have changed."""
    warnings: tuple[str, ...] = ()
