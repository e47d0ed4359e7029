"""How long a row waits before its next attempt. Pure: the random draw and the time are arguments.

Full jitter spreads the rows that one refusal has hit over the whole interval, so that they do not return together:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from batcher.rules.service.clock import posix_of_header

BASE = 0.5
CAP = 60.0

_MOST_DOUBLINGS = 60
"""More would overflow a float sooner or later, and every cap is reached long before."""


def full_jitter(attempt: int, draw: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Give the seconds to wait after `attempt`, counted from 1, has come to nothing. `draw` is from 0 to 1."""
    return draw * min(cap, base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))


def retry_after(text: str, now: float, *, cap: float = CAP) -> float | None:
    """Read a `Retry-After` header: seconds from `now` (POSIX time), from 0 to `cap`; None where it is not readable.

    Takes whole seconds or a date, see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), cap)
    date = posix_of_header(text)
    return None if date is None else min(max(date - now, 0.0), cap)


def wait(attempt: int, draw: float, after: str, now: float) -> float:
    """Give the seconds to wait after `attempt`: the jitter, or what the answer's `Retry-After` asks for if longer."""
    return max(full_jitter(attempt, draw), retry_after(after, now) or 0.0)
