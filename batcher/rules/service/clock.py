"""The service's times: ISO 8601 in its documents, HTTP dates in its headers, both as POSIX seconds. Pure.

What happens is dated by the service's clock alone: `lead` ties it to a clock of ours that nobody can set.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

RESOLUTION = 1.0
"""Seconds that a `Date` header leaves open: it names the second in which an answer was made."""


def posix(text: str) -> float | None:
    """Read the service's time (ISO 8601, UTC where no zone is told) as POSIX seconds."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def posix_of_header(text: str) -> float | None:
    """Read an HTTP date as POSIX seconds, in any of the three forms of it.

    The forms are those of https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7; the oldest names no zone, all mean GMT.
    """
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


class Lead(NamedTuple):
    """By how many seconds, at the least, the service's clock leads a steady one of ours, which read `at` then."""

    seconds: float
    at: float


def lead(known: Lead | None, served: float, sent: float, received: float) -> Lead:
    """Give the lead of the service's clock by one more answer; `known` is that by the answers before.

    `served` is the answer's `Date` in POSIX seconds, made at some moment from `sent` to `received`, when the request
    left and the answer came by the steady clock. That clock may stand still, as a paused machine's does, but it never
    hurries: so the true lead only grows, and what is known stays the least that it can be. Where the answer to a later
    request contradicts that all the same (the service's clock was set back), the answer is believed.
    """
    least, most = served - received, served + RESOLUTION - sent
    if known is None or least > known.seconds or (most < known.seconds and sent >= known.at):
        return Lead(least, received)
    return known
