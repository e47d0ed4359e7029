"""The executions that are followed, as the store of the ends has them. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Followed(NamedTuple):
    """An execution that is to be followed: what its record shows. `at` is in POSIX seconds, 0 if not known."""

    name: str
    row: int
    bucket: str | None
    object: str | None
    at: float


class Known(NamedTuple):
    """An execution in the store. `end` is None while it runs."""

    id: int
    name: str
    row: int
    bucket: str | None
    object: str | None
    at: float
    end: str | None
    ended_at: str
    """When it stopped last, as the list shows it; empty if it never did, or if that is not shown."""
    state: str | None
    """The state that failed, and its message; None if it was not asked for."""
    message: str | None
    redrives: int = 0
    """How often it was restored."""
    redriven_at: float = 0.0
    """When it was restored last, or a little later, in POSIX seconds by the service's clock."""
    former: str = ""
    """How it had ended before that."""


class Settled(NamedTuple):
    """How an execution ended. `ended_at` is the text of the service, empty if there is none."""

    id: int
    end: str
    ended_at: str
