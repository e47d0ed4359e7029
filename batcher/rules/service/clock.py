"""The service's times: ISO 8601 in its documents and HTTP dates in its headers, both as POSIX seconds. Pure.

All events are dated by the service's clock alone. `lead` relates it to the local steady clock, which cannot be set.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

RESOLUTION = 1.0
"""The resolution of a `Date` header in seconds: it names the second in which an answer was made."""


def posix(text: str) -> float | None:
    """Read the service's time (ISO 8601, UTC if it has no time zone) as POSIX seconds. Return None if unreadable.

    Digits alone are not read: they may count the time since 1970, or be a date without separators.
    """
    if text.isdecimal():
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def posix_of_header(text: str) -> float | None:
    """Read an HTTP date in any of its three forms as POSIX seconds. Return None if unreadable.

    The forms: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7. The oldest has no time zone; all mean GMT.
    """
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


class Lead(NamedTuple):
    """The minimum number of seconds by which the service's clock leads the steady clock, which then showed `at`."""

    seconds: float
    at: float


def lead(known: Lead | None, served: float, sent: float, received: float, *, may_be_old: bool = False) -> Lead:
    """Return the lead of the service's clock after one more answer. `known` is the lead after the earlier answers.

    `served` is the answer's `Date` in POSIX seconds. It was made between `sent` and `received`, when the request left
    and the answer arrived by the steady clock. That clock may stop, for example while the machine is suspended, but it
    never runs fast. So the true lead only grows, and the known lead stays a minimum. If the answer to a later request
    contradicts it nevertheless (the service's clock was set back), the answer is trusted, unless it `may_be_old`: the
    answer to a question can come from a cache.
    """
    least, most = served - received, served + RESOLUTION - sent
    is_set_back = known is not None and most < known.seconds and sent >= known.at and not may_be_old
    if known is None or least > known.seconds or is_set_back:
        return Lead(least, received)
    return known
