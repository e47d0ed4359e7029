"""The outage: when the service counts as away, when to look whether it is back, and when it is. Values in, values out.

A batch pauses and probes where a circuit breaker would fail fast (https://www.pollydocs.org):
failing fast would burn rows.
"""

from __future__ import annotations

from typing import NamedTuple

from batcher.model import Verdict
from batcher.rules.events import Event, Kind

FAILURES = frozenset({Verdict.UNSENT, Verdict.IN_DOUBT})
"""No connection; and a lost answer or a 5xx. Any other verdict shows that the service is there."""

IN_A_ROW = 30
"""Failures that make an outage. Where half of the attempts fail by chance, one in a billion does it."""

PROBE_EVERY = 1.0
"""Seconds between two probes."""

NEVER_REACHED = 8.0
"""Seconds of nothing but failed connections, from the first one of a run, that prove a wrong address."""


class Health(NamedTuple):
    """What a run knows of its service. Times are in seconds of one steady clock."""

    is_reached: bool = False
    """Whether a connection was ever made in this run."""
    failures: int = 0
    """Failed attempts in a row, up to now."""
    failing_since: float = 0.0
    """When the first of them failed."""
    out_since: float | None = None
    """When the outage began: with its first failure. None: there is none."""
    probe_at: float = 0.0
    """When the next attempt may be sent while the outage lasts."""


def learn(health: Health, verdict: Verdict, now: float) -> Health:
    """Give what is known after an attempt came to this verdict."""
    if verdict not in FAILURES:
        return health if health.is_reached and not health.failures else Health(is_reached=True)
    is_reached = health.is_reached or verdict is not Verdict.UNSENT
    failures = health.failures + 1
    since = health.failing_since if health.failures else now
    if health.out_since is not None or not is_reached or failures < IN_A_ROW:
        return health._replace(is_reached=is_reached, failures=failures, failing_since=since)
    return Health(is_reached, failures, since, since, now + PROBE_EVERY)


def wait(health: Health, now: float) -> float:
    """Give the seconds to wait before asking again whether to send; 0.0: send now, and call `probed` first."""
    return 0.0 if health.out_since is None else max(0.0, health.probe_at - now)


def probed(health: Health, now: float) -> Health:
    """Give what is known when an attempt is sent: while an outage lasts, all others wait for its answer or a second."""
    return health if health.out_since is None else health._replace(probe_at=now + PROBE_EVERY)


def is_never_reached(health: Health, now: float) -> bool:
    """Tell whether the service was never there: no outage to be waited for but a wrong address, and the job ends."""
    return not health.is_reached and health.failures > 0 and now - health.failing_since >= NEVER_REACHED


def change(before: Health, after: Health, now: float) -> Event | None:
    """Give the event that lies between two states: an outage's beginning or its end."""
    if before.out_since is None and after.out_since is not None:
        return Event(now, Kind.OUTAGE, 0.0, 0.0, f"{after.failures} attempts have failed in a row")
    if before.out_since is not None and after.out_since is None:
        return Event(now, Kind.RECOVERED, now - before.out_since, 0.0, "the service answers again")
    return None
