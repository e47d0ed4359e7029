"""The settle time: how long a new execution may be missing from the execution list. Pure.

It has its own module because the options need it without the matching.
"""

from batcher.rules.text import plain

SETTLE_TIME = 30.0
"""Seconds. The least default: the delay is not documented. `batcher doctor` measures it, and --settle-time sets it."""


def default_settle_time(timeout: float) -> float:
    """Return the default for a request timeout, both in seconds.

    A service that has not answered within the timeout may still commit the start. It gets as long again.
    """
    return max(SETTLE_TIME, 2 * timeout)


def condition(settle_time: float, timeout: float) -> str:
    """Return what a settle time below the default relies on, in one sentence. Empty if it is not below."""
    least = default_settle_time(timeout)
    if settle_time >= least:
        return ""
    return (
        f"--settle-time {plain(settle_time)}s is below the default of {plain(least)}s: rows in doubt rely on a service"
        f" that lists each start within {plain(settle_time)} s"
    )
