"""The service's times: ISO 8601 in its documents, HTTP dates in its headers, both as POSIX seconds. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def posix(text: str) -> float | None:
    """Read the service's time (ISO 8601, UTC where no zone is told) as POSIX seconds."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def posix_of_header(text: str) -> float | None:
    """Read a `Date` header as POSIX seconds; its resolution is one second."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
