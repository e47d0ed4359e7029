"""How long a row waits before its next attempt. Pure: the random draw and the time are arguments.

Full jitter spreads the retries over the whole interval, so that rows refused together do not return together:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from batcher.rules.service.clock import posix_of_header

BASE = 0.5
CAP = 60.0

SHORT = 0.05
"""The base where refusals are no overload. It is quadrupled each time: the sixth wait is as long as any."""

_MOST_DOUBLINGS = 60
"""Bounds the exponent: more doublings could overflow a float, and every cap is reached long before."""


def full_jitter(attempt: int, draw: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Return the seconds to wait after the failed attempt number `attempt`, counted from 1. `draw` is from 0 to 1."""
    return draw * min(cap, base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))


def prompt(attempt: int, draw: float) -> float:
    """Return the seconds to wait after a refusal by chance: few at first, because a worker waits with its row."""
    return full_jitter(2 * attempt - 1, draw, base=SHORT)


def retry_after(text: str, now: float, *, cap: float = CAP) -> float | None:
    """Parse a `Retry-After` header. Return seconds from `now` (POSIX time), between 0 and `cap`; None if unreadable.

    The header holds whole seconds or a date, see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), cap)
    date = posix_of_header(text)
    return None if date is None else min(max(date - now, 0.0), cap)


def wait(attempt: int, draw: float, after: str, now: float, *, is_prompt: bool = False) -> float:
    """Return the seconds to wait after `attempt`: the jitter, or the answer's `Retry-After` if that is longer."""
    jitter = prompt(attempt, draw) if is_prompt else full_jitter(attempt, draw)
    return max(jitter, retry_after(after, now) or 0.0)
